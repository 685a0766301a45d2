"""timm's ConvNormAct: what is written equals our blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ordersearch import build_block
from ordersearch.export import export_blocks
from ordersearch.export.format import find_format, reason_against
from ordersearch.spec import BlockSpec
from tests.library_blocks import (
    INS,
    OUTS,
    blocks,
    check_drawn,
    check_equal,
    check_source,
    expressible,
    made,
    need,
)

SPECS = expressible("timm")
VARIANTS = [
    "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, affine=false) > spatial_dropout(p=0.2) > prelu",
    "dropout(p=0.3) > conv(kernel=2, bias=false) > layer_norm(affine=false) > alpha_dropout",
    "max_pool > conv(padding=0) > batch_norm(momentum=0.5, eps=0.001) > leaky_relu(negative_slope=-0.5) > dropout",
    "conv(bias=true) > batch_norm",
    "conv > dropout",
]

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(scope="module")
def timm() -> Any:
    return need("timm.layers")


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    check_equal(build_block(spec, INS, OUTS), made(spec, "timm"), 2 if spec.on_maps else 0)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("dims", [2])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    check_equal(build_block(spec, INS, OUTS, dims=dims), made(spec, "timm", dims), dims if spec.on_maps else 0)


@pytest.mark.usefixtures("timm")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([2]))
    check_drawn(data.draw(blocks()), "timm", dims, note=event)


@pytest.mark.usefixtures("timm")
def test_the_stride_is_left_open() -> None:
    spec = BlockSpec.parse("conv(kernel=5) > batch_norm > relu")
    check_equal(build_block(spec, INS, OUTS, stride=2), made(spec, "timm", stride=2), 2)


def test_signals_and_volumes_are_refused() -> None:
    for dims in (1, 3):
        reason = reason_against(BlockSpec.parse("conv > batch_norm"), find_format("timm"), dims)
        assert reason == f"timm's ConvNormAct has no form for {dims}-d maps"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("conv > relu > batch_norm", "timm's ConvNormAct puts the activation behind the norm, and here it comes first"),
        ("conv > relu", "timm's ConvNormAct has its activation and dropout in the norm, and the block has no norm"),
        ("conv > batch_norm > max_pool > relu", "timm's ConvNormAct has no pool, and one stands between its layers"),
        ("linear > relu", "timm's ConvNormAct holds a convolution, and the block a linear layer"),
    ],
)
def test_what_timm_cannot_express_is_refused(text: str, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format("timm"), 2) == reason


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("timm", [*SPECS, *map(BlockSpec.parse, VARIANTS)], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    specs = {"conv": VARIANTS[0], "stage end": "conv > batch_norm > relu > max_pool"}
    written = export_blocks({role: BlockSpec.parse(text) for role, text in specs.items()}, "timm")
    golden("export_timm.txt", written)
