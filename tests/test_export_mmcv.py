"""mmcv's ConvModule: what is read equals mmcv's, and what is written is read back."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch
from torch import nn

from ordersearch import build_block
from ordersearch.errors import ExportError
from ordersearch.export.libraries.mmcv import from_mmcv
from ordersearch.spec import BlockSpec
from tests.libraries import MMCV
from tests.library_blocks import INS, OUTS, Recorded, check_equal, made, need, recorded

pytestmark = MMCV.marks


@pytest.fixture(scope="module")
def mmcv() -> Any:
    return need(MMCV.module)


@pytest.mark.usefixtures("mmcv")
@pytest.mark.parametrize("text", ["relu > conv", "elu > batch_norm > conv"])
def test_an_activation_that_comes_first_leaves_the_input_as_it_is(text: str) -> None:
    """A shortcut around the block reads the same input."""
    x = torch.linspace(-1, 1, 2 * INS * 25).view(2, INS, 5, 5)
    before = x.clone()
    made(BlockSpec.parse(text), "mmcv")(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("spec", MMCV.orders, ids=str)
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
