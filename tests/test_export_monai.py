"""MONAI's Convolution and ADN: what is written equals our blocks, and what is read equals MONAI's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn

from ordersearch import build_block
from ordersearch.errors import ExportError
from ordersearch.export import export_blocks
from ordersearch.export.format import find_format, reason_against
from ordersearch.export.libraries.monai import from_monai, from_monai_adn
from ordersearch.spec import BlockSpec
from tests.library_blocks import (
    INS,
    OUTS,
    Recorded,
    blocks,
    check_drawn,
    check_equal,
    check_source,
    expressible,
    made,
    need,
    recorded,
)
from tests.plugged import Install

SPECS = expressible("monai")
VARIANTS = [
    "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)",
    "conv(kernel=2) > alpha_dropout(p=0.2) > layer_norm(eps=0.001) > mish",
    "max_pool > conv(padding=0) > gelu(approximate=tanh) > spatial_dropout(p=0.3) > batch_norm(momentum=0.5)",
    "conv",
    "linear(bias=false) > layer_norm(affine=false) > alpha_dropout(p=0.1) > softplus > dropout",
    "linear",
]


@pytest.fixture(scope="module")
def monai() -> Any:
    return need("monai.networks.blocks")


@pytest.mark.usefixtures("monai")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    dims = 2 if spec.on_maps else 0
    check_equal(build_block(spec, INS, OUTS), made(spec, "monai"), dims)


@pytest.mark.usefixtures("monai")
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    if dims == 1 and "spatial_dropout" in text:
        with pytest.raises(ExportError, match=r"^MONAI's ADN has no Dropout1d$"):
            find_format("monai").check(spec, dims)
        return
    check_equal(build_block(spec, INS, OUTS, dims=dims), made(spec, "monai", dims), dims if spec.on_maps else 0)


@pytest.mark.usefixtures("monai")
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([0, 1, 2, 3]))
    check_drawn(data.draw(blocks(on_maps=dims > 0)), "monai", dims, note=event)


@pytest.mark.usefixtures("monai")
def test_the_stride_is_left_open() -> None:
    spec = BlockSpec.parse("conv(kernel=5) > batch_norm > relu")
    check_equal(build_block(spec, INS, OUTS, stride=2), made(spec, "monai", stride=2), 2)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_what_is_written_is_read_back(spec: BlockSpec) -> None:
    layers, held = recorded(spec, "monai", "Convolution", "ADN")
    own = layers[-1]
    assert isinstance(own, Recorded)
    if spec.on_maps:
        assert from_monai(**own.arguments(adn_ordering="ordering")) == held
    else:
        assert from_monai_adn(**own.arguments(), bias=layers[0].bias is not None) == held


ACTS: list[Any] = ["relu", ("leakyrelu", {"negative_slope": 0.2, "inplace": True}), "swish", (nn.Mish, {}), None, ""]
NORMS: list[Any] = ["batch", ("GROUP", {"num_groups": 5, "eps": 0.001}), ("batch", {"momentum": 0.3}), None]
DROPOUTS: list[Any] = [0.2, None, "dropout", ("alphadropout", {"p": 0.3})]


@pytest.mark.parametrize(
    "ordering", [*map("".join, itertools.permutations("NDA")), "A", "na", "DAN", "NNA", "ANDA", ""]
)
def test_what_is_read_equals_monai(ordering: str, monai: Any) -> None:
    for number, (act, norm, dropout) in enumerate(itertools.product(ACTS, NORMS, DROPOUTS)):
        if (number + len(ordering)) % 9:
            continue
        terms: dict[str, Any] = {"act": act, "norm": norm, "dropout": dropout}
        options: dict[str, Any] = {"dropout_dim": 1 + number % 2, "kernel_size": (5, 5), "bias": number % 3 > 0}
        theirs = monai.Convolution(2, INS, OUTS, adn_ordering=ordering, **terms, **options)
        # MONAI's swish multiplies by hand.
        tolerance = 1e-4 if act == "swish" else 0
        check_equal(build_block(from_monai(ordering, **terms, **options), INS, OUTS), theirs, 2, tolerance=tolerance)
        adn = monai.ADN(ordering, in_channels=OUTS, norm_dim=1, **terms)
        spec = from_monai_adn(ordering, norm_dim=1, **terms)
        check_equal(build_block(spec, INS, OUTS), nn.Sequential(nn.Linear(INS, OUTS), adn), 0, tolerance=tolerance)


def test_the_other_arguments_of_a_convolution_are_read(monai: Any) -> None:
    for options in ({"conv_only": True}, {"padding": 0, "dilation": 2}, {"groups": 2, "kernel_size": 1, "bias": False}):
        spec = from_monai(norm="batch", act=("prelu", {"init": 0.1}), **options)
        theirs = monai.Convolution(2, INS, OUTS, norm="batch", act=("prelu", {"init": 0.1}), **options)
        check_equal(build_block(spec, INS, OUTS), theirs, 2)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "MONAI's norm 'INSTANCE' is no op here. Those that are: BATCH, GROUP."),
        ({"norm": "layer"}, "MONAI's norm 'LAYER' is no op here"),
        ({"norm": "group"}, "MONAI's norm 'GROUP' lacks its argument 'num_groups'"),
        ({"norm": None, "act": "celu"}, "MONAI's activation 'CELU' is no op here. Those that are: RELU,"),
        ({"norm": None, "act": ("swish", {"alpha": 2.0})}, "MONAI's activation 'SWISH': Op 'silu' has no parameter"),
        ({"norm": None, "act": (nn.Softsign, {})}, "The activation 'Softsign' is no op here"),
        ({"norm": ("batch", {"track_running_stats": False})}, "Op 'batch_norm' has no parameter 'track_running_stats'"),
        ({"norm": None, "act": ("prelu", {"num_parameters": 10})}, "Op 'prelu' has no parameter 'num_parameters'"),
        ({"norm": None, "ordering": "NXA"}, "ordering: got 'NXA', but MONAI's is made of the letters A, D and N"),
        ({"norm": None, "dropout": 0.1, "dropout_dim": 3}, "dropout_dim: got 3, but it is at most spatial_dims"),
        ({"norm": None, "kernel_size": 4}, "MONAI pads no convolution with kernel_size=4 by itself"),
        ({"norm": None, "kernel_size": (3, 5)}, "kernel_size: got (3, 5), but a conv here has one size"),
        ({"norm": None, "groups": 0}, "Of a convolution, conv(groups=...): got 0"),
    ],
)
def test_terms_of_monai_that_are_no_block_are_refused(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)):
        from_monai(**terms)


def test_adn_on_features_has_one_dimension() -> None:
    with pytest.raises(ExportError, match=r"^norm_dim: got 2, but it is 1 behind a linear layer"):
        from_monai_adn(norm="batch", dropout_dim=2)
    with pytest.raises(ExportError, match=r"^dropout_dim: got None, but it is 1 behind a linear layer"):
        from_monai_adn(dropout=0.1)


PLUGIN = """
from torch import nn
from ordersearch.ops import Call, OpKind, Role
from ordersearch.ops.bounds import number

class Scaled(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        return x * self.by

CALL = Call(f"{__name__}.Scaled", {"by": "$by"})
PARAMS = (number("by", 2.0, "by is a number", lambda v: True),)
SCALED = OpKind("scaled", Role.ACTIVATION, "x times by", CALL, CALL, params=PARAMS)
NORMED = OpKind("normed", Role.NORM, "x times by", CALL, CALL, params=PARAMS)
"""


@pytest.mark.usefixtures("monai")
def test_layers_of_plugins_come_from_their_package(install: Install) -> None:
    module = install(PLUGIN, scaled="SCALED", normed="NORMED")
    spec = BlockSpec.parse("max_pool > conv > batch_norm > scaled(by=3)")
    assert f"import {module}\n" in export_blocks({"conv": spec}, "monai")
    check_equal(build_block(spec, INS, OUTS), made(spec, "monai"), 2)
    with pytest.raises(ExportError, match=r"^MONAI's ADN has no normed$"):
        find_format("monai").check(BlockSpec.parse("conv > normed"), 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("batch_norm > conv > relu", "MONAI's Convolution puts the norm behind the conv, and here it comes first"),
        ("conv > max_pool > relu", "MONAI's Convolution has no pool, and one stands between its layers"),
        ("conv > relu > batch_norm > relu", "MONAI's Convolution holds one activation, and the block has more"),
        ("conv > feature_alpha_dropout > relu", "MONAI's ADN has no FeatureAlphaDropout"),
        ("conv > relu > conv", "MONAI's Convolution holds one weight, and the block has more"),
        ("conv > batch_norm > add", "MONAI's Convolution has no shortcut, and the block adds one"),
        ("batch_norm > linear > relu", "MONAI's ADN puts the norm behind the linear, and here it comes first"),
    ],
)
def test_what_monai_cannot_express_is_refused(text: str, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format("monai"), 2) == reason


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("monai", [*SPECS, *map(BlockSpec.parse, VARIANTS[:1] + VARIANTS[3:])], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    specs = {"conv": "conv(kernel=5) > batch_norm > relu > max_pool > dropout(p=0.1)", "dense": VARIANTS[4]}
    written = export_blocks(
        {role: BlockSpec.parse(text) for role, text in specs.items()}, "monai", evidence=['a """ b']
    )
    golden("export_monai.txt", written)
