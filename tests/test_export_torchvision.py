"""torchvision's Conv2dNormActivation, Conv3dNormActivation and MLP: what is written equals our blocks."""

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

SPECS = expressible("torchvision")
VARIANTS = [
    "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)",
    "dropout(p=0.3) > conv(kernel=2, bias=false) > layer_norm(affine=false) > tanh",
    "max_pool > conv(padding=0) > batch_norm(momentum=0.5, eps=0.001) > mish > spatial_dropout(p=0.3)",
    "conv(bias=true) > batch_norm",
    "conv",
    "alpha_dropout > linear > layer_norm > gelu > dropout(p=0.2) > dropout(p=0.3)",
    "linear(bias=true) > batch_norm(momentum=0.5) > relu",
]

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(scope="module")
def torchvision() -> Any:
    return need("torchvision.ops")


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    check_equal(build_block(spec, INS, OUTS), made(spec, "torchvision"), 2 if spec.on_maps else 0)


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    check_equal(build_block(spec, INS, OUTS, dims=dims), made(spec, "torchvision", dims), dims if spec.on_maps else 0)


@pytest.mark.usefixtures("torchvision")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([0, 2, 3]))
    check_drawn(data.draw(blocks(on_maps=dims > 0)), "torchvision", dims, note=event)


@pytest.mark.usefixtures("torchvision")
def test_the_stride_is_left_open() -> None:
    spec = BlockSpec.parse("conv(kernel=5) > batch_norm > relu")
    check_equal(build_block(spec, INS, OUTS, stride=2), made(spec, "torchvision", stride=2), 2)


def test_signals_are_refused() -> None:
    reason = reason_against(BlockSpec.parse("conv > relu"), find_format("torchvision"), 1)
    assert reason == "torchvision's ConvNormActivation has no form for 1-d maps"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "conv > relu > batch_norm",
            "torchvision's ConvNormActivation puts the activation behind the norm, and here it comes first",
        ),
        ("conv > dropout > relu", "torchvision's ConvNormActivation has no dropout, and one stands between its layers"),
        (
            "linear > dropout > relu",
            "torchvision's MLP puts the dropout behind the activation, and here it comes first",
        ),
        ("linear > batch_norm", "torchvision's MLP always has an activation"),
    ],
)
def test_what_torchvision_cannot_express_is_refused(text: str, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format("torchvision"), 2) == reason


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("torchvision", [*SPECS, *map(BlockSpec.parse, VARIANTS)], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    specs = {"conv": VARIANTS[0], "dense": "linear > batch_norm > relu > dropout(p=0.1)"}
    written = export_blocks({role: BlockSpec.parse(text) for role, text in specs.items()}, "torchvision")
    golden("export_torchvision.txt", written)
