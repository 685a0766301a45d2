"""When paired differences may be looked at: the error that is promised holds, and real differences are found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from ordersearch.ranking import AnytimeValid, GroupSequential, StoppingRule
from ordersearch.ranking.stopping import _levels

N_SERIES = 20_000


def crossed(rule: StoppingRule, effect: float, *, n_comparisons: int = 1) -> tuple[float, float]:
    """Shares of simulated series in which a difference is believed, and in which the interval at the stop covers."""
    generator = np.random.default_rng(7)
    values = generator.standard_normal((N_SERIES, rule.looks[-1])) + effect
    stopped = np.zeros(N_SERIES, dtype=bool)
    believed, covers = stopped.copy(), stopped.copy()
    for look in rule.looks:
        mean, deviation = values[:, :look].mean(1), values[:, :look].std(1, ddof=1)
        reach = rule.critical(look, n_comparisons) * deviation / math.sqrt(look)
        is_believed = (np.abs(mean) > reach) & ~stopped
        stops = is_believed if look < rule.looks[-1] else ~stopped
        covers[stops] = (np.abs(mean - effect) <= reach)[stops]
        believed |= is_believed
        stopped |= stops
    return float(believed.mean()), float(covers.mean())


def test_boundaries_are_those_that_are_published_for_five_looks() -> None:
    # Lan & DeMets' O'Brien-Fleming-like spending, two-sided 5 %, five equal steps.
    bounds = [float(norm.isf(level / 2)) for level in _levels((1, 2, 3, 4, 5), 0.05)]
    assert bounds == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.006)


def test_one_look_is_an_ordinary_t_test_at_nine_tenths_of_the_error() -> None:
    assert GroupSequential(5).critical(5, 1) == pytest.approx(t.isf(0.045 / 2, 4), rel=2e-3)


@pytest.mark.parametrize("max_pairs", [5, 6, 8, 10, 12, 15, 20, 30])
def test_without_a_difference_hardly_ever_one_is_believed(max_pairs: int) -> None:
    share, covered = crossed(GroupSequential(max_pairs), 0.0)
    assert share <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / N_SERIES)
    assert covered == pytest.approx(1 - share)


@pytest.mark.parametrize("effect", [0.3, 1.0, 2.0])
def test_intervals_at_the_stop_cover(effect: float) -> None:
    assert crossed(GroupSequential(15), effect)[1] >= 0.95


def test_a_difference_of_one_deviation_is_found_with_fifteen_pairs() -> None:
    assert crossed(GroupSequential(15), 1.0)[0] >= 0.9
    assert crossed(GroupSequential(15), 1.0, n_comparisons=3)[0] >= 0.8


def test_the_error_is_divided_among_comparisons() -> None:
    assert crossed(GroupSequential(15), 0.0, n_comparisons=3)[0] <= 0.05 / 3 + 0.002


@pytest.mark.parametrize("max_pairs", [15, 60])
def test_anytime_valid_keeps_the_error_whenever_one_stops(max_pairs: int) -> None:
    assert crossed(AnytimeValid(max_pairs), 0.0)[0] <= 0.05
    assert crossed(AnytimeValid(max_pairs), 1.0)[0] >= 0.65


def test_looks_are_a_function_of_the_maximum() -> None:
    assert GroupSequential(15).looks == (6, 9, 12, 15)
    assert GroupSequential(5).looks == (5,)
    assert all(GroupSequential(n).looks[-1] == n for n in range(5, 60))
    assert AnytimeValid(3).looks == (5,)


def test_bounds_fall_from_look_to_look_and_grow_with_comparisons() -> None:
    rule = GroupSequential(15)
    bounds = [rule.critical(look, 1) for look in rule.looks]
    assert bounds == sorted(bounds, reverse=True)
    assert rule.critical(15, 3) > rule.critical(15, 1)
    assert math.isinf(AnytimeValid(error=1e-9).critical(5, 1))


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Got 4 pairs at most, but .* fewer than 5"):
        GroupSequential(4)
