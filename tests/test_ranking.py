from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.ranking import Observation, rank

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
    ranks = [(-place.n_runs, place.mean) for place in places]
    assert ranks == sorted(ranks)
    for place in places:
        own = [row.value for row in finite if row.setting == place.setting]
        assert place.mean == math.fsum(own) / len(own)
        assert place.n_runs == len(own)
        assert place.n_settings == len({row.setting for row in finite if row.order == place.order})
        assert place.spread == (statistics.stdev(own) if len(own) > 1 else None)
        for row in finite:
            if row.order == place.order:
                others = [other.value for other in finite if other.setting == row.setting]
                assert (-place.n_runs, place.mean) <= (-len(others), math.fsum(others) / len(others))


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


def test_what_halving_gave_more_runs_comes_before_a_single_better_value() -> None:
    # Seeds differ by more than orders do: b's one value is lower than the mean of a, which has met the bad seed.
    seen = [
        Observation("a", "a", 2.0, seed=0),
        Observation("a", "a", 4.0, seed=1),
        Observation("c", "c", 2.5, seed=0),
        Observation("c", "c", 5.0, seed=1),
        Observation("b", "b", 2.3, seed=0),
        Observation("a", "a at another rate", 1.9, seed=0),
    ]
    assert [(place.order, place.setting, place.mean) for place in rank(seen)] == [
        ("a", "a", 3.0),
        ("c", "c", 3.75),
        ("b", "b", 2.3),
    ]
