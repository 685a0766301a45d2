"""fastai's ConvLayer and LinBnDrop: what is read equals fastai's, and what is written is read back."""

from __future__ import annotations

import itertools
import re
from functools import partial
from typing import Any

import pytest
from torch import nn

from ordersearch import build_block
from ordersearch.errors import ExportError, UnknownNameError
from ordersearch.export.libraries.fastai import from_fastai
from ordersearch.spec import BlockSpec
from tests.libraries import FASTAI
from tests.library_blocks import INS, OUTS, Recorded, check_equal, need, recorded


@pytest.fixture(scope="module")
def fastai() -> Any:
    return need(FASTAI.module)


@pytest.mark.parametrize("spec", FASTAI.specs, ids=str)
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
