"""fastai's ConvLayer and LinBnDrop: what is written equals our blocks, and what is read equals fastai's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn

from ordersearch import build_block
from ordersearch.errors import ExportError, UnknownNameError
from ordersearch.export import export_blocks
from ordersearch.export.format import find_format, reason_against
from ordersearch.export.libraries.fastai import from_fastai
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

SPECS = expressible("fastai")
VARIANTS = [
    "conv(kernel=5, dilation=2, groups=2) > leaky_relu(negative_slope=-0.5) > batch_norm",
    "dropout(p=0.3) > conv(kernel=2, padding=0) > prelu(init=0.1) > max_pool",
    "conv(kernel=2, bias=true) > batch_norm > spatial_dropout",
    "conv(bias=false)",
    "batch_norm > dropout(p=0.3) > linear(bias=false) > leaky_relu(negative_slope=0.2)",
    "dropout > linear(bias=false) > relu > batch_norm > dropout(p=0.2) > alpha_dropout(p=0.1)",
    "linear > softplus > dropout(p=0.2)",
]

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(scope="module")
def fastai() -> Any:
    return need("fastai.layers")


@pytest.mark.usefixtures("fastai")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    check_equal(build_block(spec, INS, OUTS), made(spec, "fastai"), 2 if spec.on_maps else 0)


@pytest.mark.usefixtures("fastai")
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    check_equal(build_block(spec, INS, OUTS, dims=dims), made(spec, "fastai", dims), dims if spec.on_maps else 0)


@pytest.mark.usefixtures("fastai")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([0, 1, 2, 3]))
    check_drawn(data.draw(blocks(on_maps=dims > 0)), "fastai", dims, note=event)


@pytest.mark.usefixtures("fastai")
def test_the_stride_is_left_open() -> None:
    spec = BlockSpec.parse("conv(kernel=5) > batch_norm > relu")
    check_equal(build_block(spec, INS, OUTS, stride=2), made(spec, "fastai", stride=2), 2)


@pytest.mark.parametrize("spec", [*SPECS, *map(BlockSpec.parse, VARIANTS)], ids=str)
def test_what_is_written_is_read_back(spec: BlockSpec) -> None:
    (own,), held = recorded(spec, "fastai", "ConvLayer", "LinBnDrop")
    assert isinstance(own, Recorded)
    assert from_fastai(type(own).__name__, **own.arguments(ndim="")) == held


@pytest.mark.parametrize("bn_1st", [True, False])
def test_what_is_read_equals_a_conv_layer(bn_1st: bool, fastai: Any) -> None:
    acts: list[Any] = [nn.ReLU, partial(nn.LeakyReLU, negative_slope=0.2), nn.GELU, None]
    for act, norm, bias in itertools.product(
        acts, [fastai.NormType.Batch, fastai.NormType.BatchZero, None], [None, True, False]
    ):
        terms: dict[str, Any] = {"bn_1st": bn_1st, "act_cls": act, "norm_type": norm, "bias": bias, "ks": 5}
        check_equal(build_block(from_fastai(**terms), INS, OUTS), fastai.ConvLayer(INS, OUTS, **terms), 2)


@pytest.mark.parametrize("lin_first", [True, False])
def test_what_is_read_equals_lin_bn_drop(lin_first: bool, fastai: Any) -> None:
    for act, bn, p in itertools.product([nn.ReLU(), nn.LeakyReLU(0.2), None], [True, False], [0.0, 0.3]):
        terms: dict[str, Any] = {"lin_first": lin_first, "act": act, "bn": bn, "p": p}
        check_equal(build_block(from_fastai("LinBnDrop", **terms), INS, OUTS), fastai.LinBnDrop(INS, OUTS, **terms), 0)


@pytest.mark.parametrize(
    ("block", "terms", "order"),
    [
        ("ConvLayer", {}, "conv > batch_norm > relu"),
        ("ConvLayer", {"bn_1st": False}, "conv(bias=false) > relu > batch_norm"),
        ("ConvLayer", {"bn_1st": False, "bias": True}, "conv > relu > batch_norm"),
        ("ConvLayer", {"norm_type": None, "act_cls": "GELU", "ks": 1}, "conv(kernel=1) > gelu"),
        (
            "ConvLayer",
            {"act_cls": partial(nn.ELU, alpha=2.0), "dilation": 2},
            "conv(padding=1, dilation=2) > batch_norm > elu(alpha=2.0)",
        ),
        ("LinBnDrop", {"p": 0.1, "act": nn.GELU()}, "batch_norm > dropout(p=0.1) > linear(bias=false) > gelu"),
        (
            "LinBnDrop",
            {"p": 0.1, "act": "ReLU", "lin_first": True},
            "linear(bias=false) > relu > batch_norm > dropout(p=0.1)",
        ),
        ("LinBnDrop", {"bn": False, "lin_first": True}, "linear"),
        ("LinBnDrop", {"lin_first": True}, "linear > batch_norm"),
    ],
)
def test_the_order_is_that_of_fastai(block: str, terms: dict[str, Any], order: str) -> None:
    assert str(from_fastai(block, **terms)) == order


@pytest.mark.parametrize(
    ("block", "terms", "error", "message"),
    [
        ("ConvLayer", {"norm_type": "Instance"}, ExportError, "fastai's norm_type 'Instance' is no op here"),
        ("ConvLayer", {"act_cls": nn.Softsign}, ExportError, "The activation 'Softsign' is no op here"),
        ("ConvLayer", {"bn_last": True}, UnknownNameError, "is named 'bn_last'. Did you mean 'bn_1st'?"),
        ("LinBnDrp", {}, UnknownNameError, "No block of fastai is named 'LinBnDrp'. Did you mean 'LinBnDrop'?"),
    ],
)
def test_terms_of_fastai_that_are_no_block_are_refused(
    block: str, terms: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        from_fastai(block, **terms)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("batch_norm > conv > relu", "ConvLayer puts the norm behind the conv, and here it comes first"),
        ("conv > dropout > relu", "ConvLayer has no dropout, and one stands between its layers"),
        ("conv > group_norm > relu", "ConvLayer has no group_norm"),
        ("conv > batch_norm(eps=0.001)", "ConvLayer gives its batch norm no arguments"),
        (
            "linear > batch_norm > relu",
            "LinBnDrop runs norm > dropout > linear > activation or linear > activation > norm > dropout alone",
        ),
        ("linear > relu > batch_norm", "LinBnDrop has no bias beside a norm, and the block has one"),
        ("linear(bias=false) > relu", "LinBnDrop keeps a bias where there is no norm, and the block has none"),
        (
            "linear(bias=false) > relu > alpha_dropout > batch_norm",
            "LinBnDrop puts the dropout behind the norm, and here it comes first",
        ),
        ("linear(bias=false) > relu > layer_norm", "LinBnDrop has no layer_norm"),
        ("batch_norm > alpha_dropout > linear(bias=false)", "LinBnDrop has no alpha_dropout"),
    ],
)
def test_what_fastai_cannot_express_is_refused(text: str, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format("fastai"), 2) == f"fastai's {reason}"


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("fastai", [*SPECS, *map(BlockSpec.parse, VARIANTS)], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    specs = {"conv": VARIANTS[0], "dense": VARIANTS[4]}
    written = export_blocks({role: BlockSpec.parse(text) for role, text in specs.items()}, "fastai")
    golden("export_fastai.txt", written)
