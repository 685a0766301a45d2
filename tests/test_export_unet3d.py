"""The letters of pytorch-3dunet: what is written equals our blocks, and what is read equals pytorch-3dunet's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ordersearch import build_block
from ordersearch.errors import ExportError
from ordersearch.export import export_blocks
from ordersearch.export.format import find_format, reason_against
from ordersearch.export.libraries.unet3d import from_3dunet
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

# In place, as pytorch-3dunet has them, leaky ReLU and ELU round gradients in another way.
TOLERANCE = 1e-4

SPECS = expressible("pytorch-3dunet")
VARIANTS = [
    "group_norm(groups=3) > dropout(p=0.2) > conv(kernel=5, padding=1, bias=false) > elu > max_pool",
    "spatial_dropout(p=0.3) > conv(kernel=2) > leaky_relu",
    "conv > spatial_dropout(p=0.3) > relu > spatial_dropout(p=0.3)",
    "conv(bias=false) > relu > batch_norm",
    "conv",
]

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    # The letter D is a Dropout2d on volumes, too.
    pytest.mark.filterwarnings("ignore:dropout2d. Received a 5-D input"),
]


@pytest.fixture(scope="module")
def unet3d() -> Any:
    return need("pytorch3dunet.unet3d.buildingblocks")


@pytest.mark.usefixtures("unet3d")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_order_that_is_written_equals_ours(spec: BlockSpec) -> None:
    check_equal(build_block(spec, INS, OUTS), made(spec, "pytorch-3dunet"), 2)


@pytest.mark.usefixtures("unet3d")
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("text", VARIANTS)
def test_parameters_and_dimensions_are_kept(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    block = build_block(spec, INS, OUTS, dims=dims)
    check_equal(block, made(spec, "pytorch-3dunet", dims), dims, tolerance=TOLERANCE)


@pytest.mark.usefixtures("unet3d")
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([2, 3]))
    check_drawn(data.draw(blocks()), "pytorch-3dunet", dims, note=event, tolerance=TOLERANCE)


@pytest.mark.parametrize("spec", [*SPECS, *map(BlockSpec.parse, VARIANTS)], ids=str)
def test_what_is_written_is_read_back(spec: BlockSpec) -> None:
    (own,), held = recorded(spec, "pytorch-3dunet", "SingleConv")
    assert isinstance(own, Recorded)
    terms = own.arguments(is3d="")
    # The width at which the source was run has no group norm of 8 groups.
    groups = {"num_groups": 3} if "num_groups" in terms else {}
    assert from_3dunet(**{**terms, **groups}) == held


@pytest.mark.parametrize(
    "order", ["gcr", "cbl", "crg", "gcdr", "cDe", "bcrd", "dDc", "cr", "c", "ccr", "cbrb", "gbc", "crD", "cgb"]
)
def test_what_is_read_equals_pytorch_3dunet(order: str, unet3d: Any) -> None:
    for terms in ({}, {"kernel_size": 5, "padding": 0, "num_groups": 2, "dropout_prob": 0.3}):
        options: dict[str, Any] = {"num_groups": 2, **terms}
        theirs = unet3d.SingleConv(INS, OUTS, order=order, is3d=True, **options)
        ours = build_block(from_3dunet(order, **options), INS, OUTS, dims=3)
        check_equal(ours, theirs, 3, tolerance=TOLERANCE)


@pytest.mark.parametrize(
    ("order", "terms", "expected"),
    [
        ("gcr", {}, "group_norm > conv(bias=false) > relu"),
        ("cbr", {}, "conv > batch_norm > relu"),
        ("crb", {}, "conv(bias=false) > relu > batch_norm"),
        ("dcDe", {"dropout_prob": 0.2}, "dropout(p=0.2) > conv > spatial_dropout(p=0.2) > elu"),
        ("cgl", {"num_groups": 4, "padding": 0}, "conv(padding=0, bias=false) > group_norm(groups=4) > leaky_relu"),
    ],
)
def test_the_order_is_that_of_the_letters(order: str, terms: dict[str, Any], expected: str) -> None:
    assert str(from_3dunet(order, **terms)) == expected


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("gxr", "order: got 'gxr', but 'x' is none of pytorch-3dunet's letters c, g, b, r, l, e, d, D."),
        ("rc", "order: got 'rc', but pytorch-3dunet's holds a c and starts with no activation."),
        ("gr", "order: got 'gr', but pytorch-3dunet's holds a c"),
        ("", "order: got '', but pytorch-3dunet's holds a c"),
    ],
)
def test_letters_that_are_no_block_are_refused(order: str, message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)):
        from_3dunet(order)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("relu > conv > batch_norm", "starts with no activation"),
        ("batch_norm > conv > relu", "has no bias beside a norm, and the block has one"),
        ("conv(bias=false) > relu", "keeps a bias where there is no norm, and the block has none"),
        ("conv > gelu", "has no letter for gelu"),
        ("conv > batch_norm(momentum=0.5)", "has no letter for batch_norm(momentum=0.5)"),
        ("conv(groups=2) > relu", "has no dilation and no groups"),
        ("conv > max_pool > relu", "has no pool, and one stands between its layers"),
        ("linear > relu", "holds a convolution, and the block a linear layer"),
    ],
)
def test_what_the_letters_cannot_express_is_refused(text: str, reason: str) -> None:
    told = reason_against(BlockSpec.parse(text), find_format("pytorch-3dunet"), 2)
    assert told == f"pytorch-3dunet's SingleConv {reason}"


def test_the_source_is_formatted(tmp_path: Path) -> None:
    check_source("pytorch-3dunet", [*SPECS, *map(BlockSpec.parse, VARIANTS)], tmp_path)


def test_the_source_reads_like_this(golden: Callable[[str, str], None]) -> None:
    specs = {"conv": VARIANTS[0], "stage_end": VARIANTS[2]}
    written = export_blocks({role: BlockSpec.parse(text) for role, text in specs.items()}, "pytorch-3dunet", dims=3)
    golden("export_unet3d.txt", written)
