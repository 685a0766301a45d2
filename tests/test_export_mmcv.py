"""mmcv's ConvModule: what is written equals our blocks, and what is read equals mmcv's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import nn

from ordersearch import build_block
from ordersearch.errors import ExportError
from ordersearch.export import export_blocks
from ordersearch.export.format import find_format, reason_against
from ordersearch.export.libraries.mmcv import from_mmcv
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

SPECS = expressible("mmcv")
VARIANTS = [
    "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001) > prelu(init=0.1)",
    "hardswish > conv(kernel=2, bias=false) > layer_norm(affine=false)",
    "max_pool > batch_norm(momentum=0.5, eps=0.001) > mish > conv(padding=0) > spatial_dropout(p=0.3)",
    "leaky_relu(negative_slope=0.2) > batch_norm > conv",
    "conv",
]

pytestmark = [
    # mmcv warns of any bias beside a batch norm, also where the norm does not cancel it.
    pytest.mark.filterwarnings("ignore:Unnecessary conv bias"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
]


@pytest.fixture(scope="module")
def mmcv() -> Any:
    return need("mmcv.cnn")


@pytest.mark.usefixtures("mmcv")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    check_equal(build_block(spec, INS, OUTS), made(spec, "mmcv"), 2)


@pytest.mark.usefixtures("mmcv")
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    check_equal(build_block(spec, INS, OUTS, dims=dims), made(spec, "mmcv", dims), dims)


@pytest.mark.usefixtures("mmcv")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([1, 2, 3]))
    check_drawn(data.draw(blocks()), "mmcv", dims, note=event)


@pytest.mark.usefixtures("mmcv")
def test_the_stride_is_left_open() -> None:
    spec = BlockSpec.parse("batch_norm > relu > conv(kernel=5)")
    check_equal(build_block(spec, INS, OUTS, stride=2), made(spec, "mmcv", stride=2), 2)


@pytest.mark.usefixtures("mmcv")
@pytest.mark.parametrize("text", ["relu > conv", "elu > batch_norm > conv"])
def test_an_activation_that_comes_first_leaves_the_input_as_it_is(text: str) -> None:
    """A shortcut around the block reads the same input."""
    x = torch.linspace(-1, 1, 2 * INS * 25).view(2, INS, 5, 5)
    before = x.clone()
    made(BlockSpec.parse(text), "mmcv")(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_what_is_written_is_read_back(spec: BlockSpec) -> None:
    (own,), held = recorded(spec, "mmcv", "ConvModule")
    assert isinstance(own, Recorded)
    assert from_mmcv(**own.arguments(inplace="")) == held


ACTS: list[dict[str, Any] | None] = [
    {"type": "ReLU"},
    {"type": "LeakyReLU", "negative_slope": 0.2},
    {"type": nn.Mish},
    {"type": "Swish"},
    None,
]
NORMS: list[dict[str, Any] | None] = [
    {"type": "BN"},
    {"type": "GN", "num_groups": 2, "eps": 0.001},
    {"type": "BN2d", "momentum": 0.3, "requires_grad": True},
    None,
]


@pytest.mark.parametrize("order", [*itertools.permutations(("conv", "norm", "act"))], ids="-".join)
def test_what_is_read_equals_mmcv(order: tuple[str, ...], mmcv: Any) -> None:
    for number, (act, norm) in enumerate(itertools.product(ACTS, NORMS)):
        bias = ("auto", True, False)[number % 3]
        terms: dict[str, Any] = {"order": order, "act_cfg": act, "norm_cfg": norm, "bias": bias, "kernel_size": 3}
        theirs = mmcv.ConvModule(INS, OUTS, inplace=False, **terms)
        # mmcv's swish multiplies by hand.
        tolerance = 1e-4 if act == {"type": "Swish"} else 0
        check_equal(build_block(from_mmcv(**terms), INS, OUTS), theirs, 2, tolerance=tolerance)


def test_the_other_arguments_of_a_module_are_read(mmcv: Any) -> None:
    for options in (
        {"kernel_size": (5, 5), "padding": 2, "conv_cfg": {"type": "Conv2d"}},
        {"kernel_size": 3, "dilation": 2, "groups": 2},
    ):
        theirs = mmcv.ConvModule(INS, OUTS, **options)
        check_equal(build_block(from_mmcv(**options), INS, OUTS), theirs, 2)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (
            {"order": ("conv", "act")},
            "order: got ('conv', 'act'), but mmcv's holds 'conv', 'norm' and 'act', each once.",
        ),
        ({"norm_cfg": {"type": "IN"}}, "mmcv's norm 'IN' is no op here. Those that are: BN, BN1d, BN2d, BN3d, GN."),
        ({"norm_cfg": {"type": "GN"}}, "mmcv's norm 'GN' lacks its argument 'num_groups'"),
        ({"norm_cfg": {"type": "BN", "requires_grad": False}}, "Op 'batch_norm' has no parameter 'requires_grad'"),
        ({"act_cfg": {"type": "HSigmoid"}}, "mmcv's activation 'HSigmoid' is no op here"),
        (
            {"conv_cfg": {"type": "DCNv2"}},
            "conv_cfg: got {'type': 'DCNv2'}, but a conv here is of type 'Conv', 'Conv1d'",
        ),
    ],
)
def test_terms_of_mmcv_that_are_no_block_are_refused(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)):
        from_mmcv(**terms)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("conv > dropout > relu > batch_norm", "mmcv's ConvModule has no dropout, and one stands between its layers"),
        ("conv > relu > max_pool > batch_norm", "mmcv's ConvModule has no pool, and one stands between its layers"),
        ("linear > relu", "mmcv's ConvModule holds a convolution, and the block a linear layer"),
        (
            "conv > softplus",
            "mmcv's ConvModule gives every activation an argument inplace, which softplus does not take",
        ),
    ],
)
def test_what_mmcv_cannot_express_is_refused(text: str, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format("mmcv"), 2) == reason


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("mmcv", [*SPECS, *map(BlockSpec.parse, VARIANTS)], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    spec = BlockSpec.parse("max_pool > batch_norm > leaky_relu(negative_slope=0.2) > conv(kernel=5) > dropout(p=0.1)")
    golden("export_mmcv.txt", export_blocks({"conv": spec}, "mmcv", evidence=["Mean of 12 runs: 0.91."]))
