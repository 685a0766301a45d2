from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ordersearch.advice import Advice, advise
from ordersearch.advice.about_places import NEARLY_MONOTONE
from ordersearch.advice.figures import (
    RELU_MEAN,
    RELU_VARIANCE,
    alpha_dropout_writes,
    max_pool_inflation,
    tanh_distortion,
    variance_shift,
    variance_shift_behind_weight,
    zero_fractions,
)
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec
from tests.strategies import block_specs, equivalent_pairs

parse = BlockSpec.parse
AS_WRITTEN = {"bias-before-norm", "pool-after-activation", "only-the-ends-differ"}


def codes(text: str, *, stacked: bool = True, batch_size: int | None = None) -> list[str]:
    return [advice.code for advice in advise(parse(text), stacked=stacked, batch_size=batch_size)]


def advice_on(text: str, code: str, *, stacked: bool = True, batch_size: int | None = None, dims: int = 2) -> Advice:
    found = [a for a in advise(parse(text), stacked=stacked, batch_size=batch_size, dims=dims) if a.code == code]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "stacked", "expected"),
    [
        ("conv > batch_norm > relu", True, []),
        ("conv > batch_norm > max_pool > relu", True, ["pool-after-norm"]),
        ("conv > max_pool > batch_norm > relu", True, []),
        ("conv > relu > max_pool", True, ["pool-after-activation"]),
        ("conv > relu > avg_pool", True, []),
        ("conv > dropout > batch_norm > relu", False, ["norm-after-dropout"]),
        ("conv > dropout > relu > batch_norm", False, ["norm-after-dropout"]),
        ("conv > dropout(p=0) > batch_norm > relu", False, []),
        ("conv > dropout > group_norm > relu", True, []),
        ("conv > alpha_dropout > batch_norm > relu", False, ["alpha-dropout-without-selu"]),
        ("conv > batch_norm > relu > dropout", True, ["dropout-before-next-norm"]),
        ("conv > batch_norm > relu > dropout", False, []),
        ("conv > group_norm > relu > dropout", True, []),
        ("dropout > conv > batch_norm > relu", False, ["dropout-before-next-norm"]),
        ("batch_norm > conv > relu > dropout", True, ["norm-after-dropout", "only-the-ends-differ"]),
        ("conv > dropout > max_pool", False, ["dropout-before-max-pool"]),
        ("conv > spatial_dropout > max_pool", False, ["pool-after-activation"]),
        ("conv > dropout > avg_pool", False, ["dropout-before-avg-pool"]),
        ("conv(bias=true) > batch_norm", True, ["bias-before-norm"]),
        ("conv(bias=true) > relu > batch_norm", True, []),
        ("conv(bias=true) > group_norm", True, []),
        ("conv > dropout > sigmoid", False, ["dropout-before-nonzero"]),
        ("conv > spatial_dropout > max_pool > softplus", False, ["dropout-before-nonzero", "pool-after-activation"]),
        ("conv > dropout > tanh", False, ["dropout-before-inhomogeneous"]),
        ("conv > dropout > prelu", False, []),
        ("linear > selu > alpha_dropout", True, []),
        ("linear > relu > alpha_dropout", True, ["alpha-dropout-without-selu"]),
        ("alpha_dropout > linear", False, ["alpha-dropout-without-selu"]),
        ("conv > gelu > max_pool", True, ["activation-nearly-commutes"]),
        ("conv > max_pool > mish", True, ["activation-nearly-commutes"]),
        ("conv > avg_pool > mish", True, []),
        ("conv(kernel=1) > avg_pool", True, ["pointwise-before-avg-pool"]),
        ("conv > avg_pool", True, []),
        ("batch_norm > relu > conv", True, ["only-the-ends-differ"]),
        ("batch_norm > relu > conv", False, []),
        ("batch_norm > relu > conv > add", True, []),
        ("batch_norm > relu > conv > batch_norm > relu > conv", True, []),
    ],
)
def test_codes(text: str, stacked: bool, expected: list[str]) -> None:
    assert codes(text, stacked=stacked) == expected


@pytest.mark.parametrize("batch_size", [None, 16, 256])
def test_large_or_unknown_batches_need_no_advice(batch_size: int | None) -> None:
    assert codes("conv > batch_norm > relu", batch_size=batch_size) == []


def test_small_batches() -> None:
    advice = advice_on("linear > batch_norm > relu", "small-batches", batch_size=4)
    assert "0.82" in advice.figure
    assert "no meaning" in advice_on("conv > batch_norm", "small-batches", batch_size=1).figure
    assert codes("conv > group_norm > relu", batch_size=2) == []


@pytest.mark.parametrize(
    ("p", "figures"),
    [(0.1, ("0.900", "0.949")), (0.2, ("0.800", "0.894")), (0.3, ("0.700", "0.837")), (0.5, ("0.500", "0.707"))],
)
def test_variance_shift_is_that_of_the_blocks_own_rate(p: float, figures: tuple[str, str]) -> None:
    advice = advice_on(f"conv > dropout(p={p}) > batch_norm > relu", "norm-after-dropout", stacked=False)
    assert all(figure in advice.figure for figure in figures)
    assert f"dropout(p={p})" in advice.text or p == 0.5
    assert "1801.05134" in advice.source
    assert advice.severity == "warning"


@pytest.mark.parametrize(("p", "ratio"), [(0.1, "1.04"), (0.2, "1.08"), (0.3, "1.13"), (0.5, "1.23")])
def test_inflation_is_that_of_the_blocks_own_rate(p: float, ratio: str) -> None:
    advice = advice_on(f"conv > relu > dropout(p={p}) > max_pool", "dropout-before-max-pool", stacked=False)
    assert f"mean {ratio} times" in advice.figure


def test_figures_count_the_window() -> None:
    text = "conv > relu > dropout > max_pool(kernel=3)"
    figures = [advice_on(text, "dropout-before-max-pool", dims=dims).figure for dims in (1, 2, 3)]
    assert [f"windows of {n}" in figure for n, figure in zip((3, 9, 27), figures, strict=True)] == [True] * 3
    assert "1/8 of" in advice_on("conv > dropout > avg_pool", "dropout-before-avg-pool", dims=3).figure


def test_pool_first_names_the_cheapest_order_and_its_count() -> None:
    advice = advice_on("conv > relu > max_pool", "pool-after-activation")
    assert "conv > max_pool > relu" in advice.text
    assert advice.figure.startswith("12 values touched for each that comes in become 11.25")


def test_next_block_is_named() -> None:
    text = advice_on("conv > batch_norm > relu > dropout", "dropout-before-next-norm").text
    assert "the next block's batch_norm" in text
    assert "next block" not in advice_on("dropout > conv > batch_norm", "dropout-before-next-norm").text


@given(equivalent_pairs(residual=False))
@settings(max_examples=60)
def test_advice_is_about_the_class(pair: tuple[BlockSpec, BlockSpec]) -> None:
    kept = [{a.code for a in advise(spec) if a.code not in AS_WRITTEN} for spec in pair]
    assert kept[0] == kept[1]


@given(block_specs())
@settings(max_examples=60)
def test_advice_is_whole_sentences_once_each(spec: BlockSpec) -> None:
    found = advise(spec, batch_size=4)
    assert len(found) == len(set(found))
    assert [a.severity for a in found] == sorted((a.severity for a in found), reverse=True)
    for advice in found:
        assert advice.text.rstrip(".")[0].islower() or advice.text[0].isupper()
        assert advice.text.endswith(".")
        assert advice.figure
        assert "nan" not in advice.figure
        assert advice.source


# The figures against simulation with real layers.


@pytest.fixture
def normal() -> torch.Tensor:
    return torch.randn(400_000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_variance_shift_is_what_batch_norm_sees(p: float, normal: torch.Tensor) -> None:
    torch.manual_seed(4321)
    for x, mean, variance in ((normal, 0.0, 1.0), (normal.relu(), RELU_MEAN, RELU_VARIANCE)):
        norm = nn.BatchNorm1d(4, momentum=1.0).double()
        with torch.no_grad():
            norm(nn.Dropout(p)(x))
            in_evaluation = norm.eval()(x).var(0).mean()
        assert float(in_evaluation) == pytest.approx(variance_shift(p, mean, variance), rel=0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_variance_shift_behind_weight(correlation: float) -> None:
    torch.manual_seed(4321)
    n, fan_in, p = 200_000, 16, 0.5
    shared, own = torch.randn(n, 1, dtype=torch.float64), torch.randn(n, fan_in, dtype=torch.float64)
    x = 0.4 + math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    weight = torch.randn(fan_in, dtype=torch.float64) + 0.5
    reach = float(weight.sum() ** 2 / (weight**2).sum())
    ratio = (x @ weight).var() / (nn.Dropout(p)(x) @ weight).var()
    expected = variance_shift_behind_weight(p, correlation, reach, mean=0.4, variance=1.0)
    assert float(ratio) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_max_pool_inflation_and_zeros(p: float, normal: torch.Tensor) -> None:
    torch.manual_seed(4321)
    x = normal.relu()
    dropped = nn.Dropout(p)(x).amax(1)
    assert float(dropped.mean() / x.amax(1).mean()) == pytest.approx(max_pool_inflation(p, 4), rel=0.01)
    zeros = float((dropped == 0).double().mean()), float((nn.Dropout(p)(x.amax(1)) == 0).double().mean())
    assert zeros == pytest.approx(zero_fractions(p, 4), abs=0.005)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_tanh_distortion(p: float, normal: torch.Tensor) -> None:
    torch.manual_seed(4321)
    mask = nn.Dropout(p)(torch.ones_like(normal))
    rms = ((mask * normal).tanh() - mask * normal.tanh()).square().mean().sqrt()
    assert float(rms) == pytest.approx(tanh_distortion(p), rel=0.01)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_alpha_dropout_writes_what_it_says(p: float) -> None:
    torch.manual_seed(4321)
    written = {round(float(value), 6) for value in nn.AlphaDropout(p)(torch.zeros(1000, dtype=torch.float64))}
    assert written == {round(value, 6) for value in alpha_dropout_writes(p)}


@pytest.mark.parametrize("name", NEARLY_MONOTONE)
def test_nearly_monotone_figures(name: str, normal: torch.Tensor) -> None:
    call = OpSpec(name).kind.on_maps
    assert call is not None
    arguments = {"approximate": "none"} if name == "gelu" else {}
    f = getattr(nn, call.target.rpartition(".")[2])(**arguments)
    difference = (f(normal).amax(1) - f(normal.amax(1))).abs()
    share, mean, most = NEARLY_MONOTONE[name]
    assert float((difference > 0).double().mean()) == pytest.approx(share, rel=0.1)
    assert float(difference.mean()) == pytest.approx(mean, rel=0.15)
    assert float(-f(torch.linspace(-6, 0, 100_001, dtype=torch.float64)).min()) == pytest.approx(most, abs=6e-4)
