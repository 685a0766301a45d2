"""nnU-Net's ConvDropoutNormReLU: what is written equals our blocks."""

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

SPECS = expressible("nnunet")
VARIANTS = [
    "conv(kernel=5) > spatial_dropout(p=0.2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)",
    "dropout(p=0.3) > conv(kernel=2, padding=0, bias=true) > layer_norm > alpha_dropout",
    "max_pool > conv > dropout > leaky_relu(negative_slope=0.2) > batch_norm(momentum=0.5, eps=0.001)",
    "conv(bias=true) > batch_norm",
    "conv > dropout > max_pool",
]

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(scope="module")
def nnunet() -> Any:
    return need("dynamic_network_architectures.building_blocks.simple_conv_blocks")


@pytest.mark.usefixtures("nnunet")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    check_equal(build_block(spec, INS, OUTS), made(spec, "nnunet"), 2 if spec.on_maps else 0)


@pytest.mark.usefixtures("nnunet")
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    check_equal(build_block(spec, INS, OUTS, dims=dims), made(spec, "nnunet", dims), dims if spec.on_maps else 0)


@pytest.mark.usefixtures("nnunet")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([1, 2, 3]))
    check_drawn(data.draw(blocks()), "nnunet", dims, note=event)


@pytest.mark.usefixtures("nnunet")
def test_the_stride_is_left_open() -> None:
    spec = BlockSpec.parse("conv(kernel=5) > batch_norm > relu")
    check_equal(build_block(spec, INS, OUTS, stride=2), made(spec, "nnunet", stride=2), 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "conv > batch_norm > dropout > relu",
            "nnU-Net's ConvDropoutNormReLU puts the norm behind the dropout, and here it comes first",
        ),
        ("conv(dilation=2) > relu", "nnU-Net's ConvDropoutNormReLU has no dilation and no groups"),
        ("conv(kernel=2) > relu", "nnU-Net's ConvDropoutNormReLU pads by half of the kernel on both sides"),
        ("linear > relu", "nnU-Net's ConvDropoutNormReLU holds a convolution, and the block a linear layer"),
    ],
)
def test_what_nnunet_cannot_express_is_refused(text: str, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format("nnunet"), 2) == reason


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("nnunet", [*SPECS, *map(BlockSpec.parse, VARIANTS)], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    specs = {"conv": VARIANTS[0]}
    written = export_blocks({role: BlockSpec.parse(text) for role, text in specs.items()}, "nnunet")
    golden("export_nnunet.txt", written)
