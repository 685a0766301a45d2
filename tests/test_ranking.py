from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.ranking import Observation, rank, seed_effects

VALUES = st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 0.3, math.nan, math.inf, -math.inf])
OBSERVATIONS = st.lists(
    st.builds(
        lambda order, setting, value: Observation(order, order + setting, value),
        st.sampled_from("abc"),
        st.sampled_from("123"),
        VALUES,
    ),
    max_size=20,
)


@given(OBSERVATIONS, st.booleans(), st.randoms(use_true_random=False))
def test_order_of_rows_never_matters(seen: list[Observation], minimise: bool, random: object) -> None:
    shuffled = list(seen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rank(shuffled, minimise=minimise) == rank(seen, minimise=minimise)
    assert rank(iter(seen), minimise=minimise) == rank(seen, minimise=minimise)


@given(OBSERVATIONS)
def test_places_are_the_best_settings_of_their_classes(seen: list[Observation]) -> None:
    finite = [row for row in seen if math.isfinite(row.value)]
    places = rank(seen)
    assert [place.order for place in places] == list(dict.fromkeys(place.order for place in places))
    assert {place.order for place in places} == {row.order for row in finite}
    assert [place.mean for place in places] == sorted(place.mean for place in places)
    for place in places:
        own = [row.value for row in finite if row.setting == place.setting]
        assert place.mean == math.fsum(own) / len(own)
        assert place.n_runs == len(own)
        assert place.n_settings == len({row.setting for row in finite if row.order == place.order})
        assert place.spread == (statistics.stdev(own) if len(own) > 1 else None)
        for row in finite:
            if row.order == place.order:
                others = [other.value for other in finite if other.setting == row.setting]
                assert place.mean <= math.fsum(others) / len(others)


@given(OBSERVATIONS)
def test_maximising_is_minimising_the_negative(seen: list[Observation]) -> None:
    negated = [Observation(row.order, row.setting, -row.value) for row in seen]
    best = [(place.order, place.setting, -place.mean, place.spread) for place in rank(negated)]
    assert [(place.order, place.setting, place.mean, place.spread) for place in rank(seen, minimise=False)] == best


def test_settings_are_compared_by_their_mean_not_by_their_luckiest_run() -> None:
    lucky = [Observation("a", "lucky", 0.1), Observation("a", "lucky", 0.9)]
    steady = [Observation("a", "steady", 0.3), Observation("a", "steady", 0.4)]
    (place,) = rank([*lucky, *steady])
    assert (place.setting, place.n_runs, place.n_settings) == ("steady", 2, 2)
    assert place.mean == pytest.approx(0.35)
    assert place.spread == pytest.approx(0.0707, abs=1e-4)


def test_ties_go_by_name() -> None:
    rows = [Observation(order, order + setting, 0.5) for order in "cab" for setting in "21"]
    for minimise in (True, False):
        places = rank(rows, minimise=minimise)
        assert [(place.order, place.setting) for place in places] == [("a", "a1"), ("b", "b1"), ("c", "c1")]


def test_values_that_are_not_finite_do_not_count() -> None:
    rows = [Observation("a", "a1", math.nan), Observation("a", "a2", 0.5), Observation("b", "b1", math.inf)]
    (place,) = rank([*rows, Observation("a", "a2", -math.inf)])
    assert (place.order, place.setting, place.mean, place.n_runs, place.n_settings) == ("a", "a2", 0.5, 1, 1)
    assert rank(rows[:1]) == rank([]) == []


def test_a_further_seed_is_brought_to_the_scale_of_the_first() -> None:
    # Seed 1 doubles everybody's loss; b is the second best order, and the only one that has not met it.
    seen = [
        Observation("a", "a", 2.0, seed=0),
        Observation("a", "a", 4.0, seed=1),
        Observation("c", "c", 2.5, seed=0),
        Observation("c", "c", 5.0, seed=1),
        Observation("b", "b", 2.3, seed=0),
    ]
    assert seed_effects(seen, as_ratios=True) == {0: 1.0, 1: 2.0}
    assert [(place.order, place.mean) for place in rank(seen)] == [("a", 2.0), ("b", 2.3), ("c", 2.5)]


def test_accuracies_are_compared_by_their_differences() -> None:
    seen = [
        Observation("a", "a", 0.9, seed=0),
        Observation("a", "a", 0.8, seed=1),
        Observation("b", "b", 0.88, seed=0),
    ]
    assert [(place.order, round(place.mean, 6)) for place in rank(seen, minimise=False)] == [("a", 0.9), ("b", 0.88)]


@pytest.mark.parametrize("as_ratios", [True, False])
def test_without_a_setting_in_common_a_seed_has_no_effect(as_ratios: bool) -> None:
    seen = [Observation("a", "a", 2.0, seed=0), Observation("b", "b", 5.0, seed=3)]
    assert set(seed_effects(seen, as_ratios=as_ratios).values()) == {float(as_ratios)}
    assert seed_effects([], as_ratios=as_ratios) == {}
