"""MONAI's Convolution and ADN: what is read equals MONAI's, and what is written is read back."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from torch import nn

from ordersearch import build_block
from ordersearch.errors import ExportError
from ordersearch.export import export_blocks
from ordersearch.export.format import find_format
from ordersearch.export.libraries.monai import from_monai, from_monai_adn
from ordersearch.spec import BlockSpec
from tests.libraries import MONAI
from tests.library_blocks import INS, OUTS, Recorded, check_equal, check_written, need, recorded
from tests.plugged import Install


@pytest.fixture(scope="module")
def monai() -> Any:
    return need(MONAI.module)


@pytest.mark.parametrize("spec", MONAI.orders, ids=str)
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
    check_written(spec, "monai")
    with pytest.raises(ExportError, match=r"^MONAI's ADN has no normed$"):
        find_format("monai").check(BlockSpec.parse("conv > normed"), 2)
