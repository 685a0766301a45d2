"""The letters of pytorch-3dunet: what is read equals pytorch-3dunet's, and what is written is read back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ordersearch import build_block
from ordersearch.errors import ExportError
from ordersearch.export.libraries.unet3d import from_3dunet
from ordersearch.spec import BlockSpec
from tests.libraries import UNET3D
from tests.library_blocks import INS, OUTS, Recorded, check_equal, need, recorded

pytestmark = UNET3D.marks


@pytest.fixture(scope="module")
def unet3d() -> Any:
    return need(UNET3D.module)


@pytest.mark.parametrize("spec", UNET3D.specs, ids=str)
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
        check_equal(ours, theirs, 3, tolerance=UNET3D.tolerance)


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
