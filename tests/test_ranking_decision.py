"""What paired values show: on planted truth, and in the plain cases that a simulation never meets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordersearch.ranking import Comparison, Decision, GroupSequential, decide, pairs_needed

RULE = GroupSequential(15)


def paired(means: Mapping[str, float], n: int, seed: int = 0, *, noise: float = 0.7) -> dict[str, dict[int, float]]:
    """Values of classes that share what a pair adds: differences have a deviation of ``noise * sqrt(2)``."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(0, 3, n)
    drawn = {name: mean + shared + generator.normal(0, noise, n) for name, mean in means.items()}
    return {name: dict(enumerate(map(float, values))) for name, values in drawn.items()}


def series(means: Mapping[str, float], seed: int, *, noise: float = 0.7) -> Decision:
    """The decision at which a confirmation ends that trains just what is wanted, look by look."""
    values = paired(means, RULE.looks[-1], seed, noise=noise)
    seen: dict[str, dict[int, float]] = {name: {} for name in values}
    for _ in range(len(RULE.looks) + 1):
        found = decide(seen, baseline="base", rule=RULE)
        if found.is_final:
            return found
        for name, n in found.wanted.items():
            seen[name] = {pair: values[name][pair] for pair in range(n)}
    raise AssertionError("the decision never became final")


@pytest.mark.slow
def test_equal_classes_are_hardly_ever_told_apart_and_the_best_is_hardly_ever_lost() -> None:
    equal = [series(dict.fromkeys(("a", "b", "base", "c"), 1.0), seed) for seed in range(200)]
    claims = [any(comparison.is_believed for comparison in found.comparisons) for found in equal]
    # 200 series of a chance of at most 5 %: more than 18 would be hardly possible (0.5 %).
    assert sum(claims) <= 18
    apart = [series({"a": 0.2, "b": 1.0, "base": 1.0, "c": 1.0}, seed) for seed in range(100)]
    assert sum("a" not in found.together for found in apart) <= 3


@pytest.mark.slow
def test_a_difference_of_one_deviation_is_found_with_one_challenger() -> None:
    noise = 1 / math.sqrt(2)
    found = [series({"a": 0.0, "base": 1.0}, seed, noise=noise) for seed in range(200)]
    n_found = sum(comparison.is_believed for each in found for comparison in each.comparisons)
    assert n_found >= 0.85 * 200
    covered = [c.low <= -1.0 <= c.high for each in found for c in each.comparisons]
    assert sum(covered) >= 0.93 * 200


def test_a_beaten_class_is_out_and_wants_no_more_pairs() -> None:
    values = paired({"a": 0.0, "b": 0.1, "base": 9.0}, 6)
    found = decide(values, baseline="base", rule=RULE)
    assert (set(found.together), found.beaten, found.is_final) == ({"a", "b"}, {"base": 6}, False)
    assert found.wanted == {"a": 9, "b": 9}
    more = paired({"a": 0.0, "b": 0.1, "base": 9.0}, 9)
    later = decide({**more, "base": values["base"]}, baseline="base", rule=RULE)
    assert {c.order: c.n_pairs for c in later.comparisons} == {"a": 6, "b": 6}


def test_a_beaten_baseline_goes_on_while_one_in_question_is_not_told_from_it() -> None:
    values = paired({"a": 0.0, "base": 1.0, "c": 0.5}, 15, noise=0.01)
    wide = np.random.default_rng(4).normal(0, 2.0, 15)
    values["a"] = {pair: value + wide[pair] - wide.mean() for pair, value in values["a"].items()}
    early = decide({name: {p: own[p] for p in range(6)} for name, own in values.items()}, baseline="base", rule=RULE)
    assert early.beaten == {"base": 6}
    assert early.wanted == {"a": 9, "base": 9, "c": 9}
    late = decide(values, baseline="base", rule=RULE)
    assert (late.best, late.together, late.looked) == ("a", ("a", "c"), {"a": 15, "base": 15, "c": 15})
    assert {c.order: (c.n_pairs, c.is_believed) for c in late.comparisons} == {"a": (15, False), "c": (6, True)}


def test_a_comparison_holds_both_means_over_its_pairs() -> None:
    found = decide(paired({"a": 0.0, "b": 0.1, "base": 9.0}, 9), baseline="base", rule=RULE)
    for comparison in found.comparisons:
        assert comparison.n_pairs == 6
        assert comparison.means[0] - comparison.means[1] == pytest.approx(comparison.difference)


def test_pairs_that_are_not_there_yet_are_waited_for() -> None:
    values = paired({"a": 0.0, "base": 5.0}, 8)
    del values["a"][3]
    found = decide(values, baseline="base", rule=RULE)
    assert (found.n_pairs, found.best, found.is_final, found.wanted) == (0, None, False, {"a": 6, "base": 6})
    assert found.comparisons == ()


def test_two_data_points_are_no_decision() -> None:
    assert decide(paired({"a": 0.0, "base": 5.0}, 1), baseline="base", rule=RULE).best is None


def test_equal_values_are_together_and_final_at_the_last_look() -> None:
    values = {name: dict.fromkeys(range(15), 1.0) for name in ("a", "base")}
    found = decide(values, baseline="base", rule=RULE)
    assert (found.together, found.is_final, found.beaten) == (("a", "base"), True, {})
    assert found.probabilities == {"a": 0.5, "base": 0.5}
    (comparison,) = found.comparisons
    assert (comparison.difference, comparison.low, comparison.high, comparison.is_believed) == (0, 0, 0, False)


def test_a_class_with_a_failed_run_is_out_and_so_is_a_baseline() -> None:
    values = paired({"a": 0.0, "b": 0.0, "base": 0.0}, 6)
    values["a"][2] = math.nan
    assert decide(values, baseline="base", rule=RULE).failed == ("a",)
    values["base"][0] = math.inf
    found = decide(values, baseline="base", rule=RULE)
    assert (found.failed, found.comparisons, found.together) == (("a", "base"), (), ())


def test_one_class_alone_is_final() -> None:
    found = decide({"base": {}}, baseline="base", rule=RULE)
    assert (found.best, found.is_final, found.wanted) == (None, True, {})


def test_more_is_better_where_it_is_maximised() -> None:
    values = paired({"a": 9.0, "base": 0.0}, 6)
    assert decide(values, baseline="base", rule=RULE, minimise=False).together == ("a",)
    assert decide(values, baseline="base", rule=RULE).together == ("base",)


@given(st.permutations(["a", "b", "base", "c"]), st.integers(0, 30), st.sampled_from([6, 9, 12, 15]))
@settings(max_examples=30, deadline=None)
def test_neither_the_order_of_rows_nor_names_matter(order: list[str], seed: int, n: int) -> None:
    values = paired({"a": 0.0, "b": 0.3, "base": 0.5, "c": 3.0}, n, seed)
    found = decide(values, baseline="base", rule=RULE)
    shuffled = {name: dict(reversed(values[name].items())) for name in order}
    assert decide(shuffled, baseline="base", rule=RULE) == found
    names = {name: f"{i}{name}" for i, name in enumerate(order)}
    renamed = decide({names[name]: values[name] for name in order}, baseline=names["base"], rule=RULE)
    assert renamed.together == tuple(names[name] for name in found.together)
    assert renamed.probabilities == {names[name]: share for name, share in found.probabilities.items()}


def test_probabilities_sum_to_one_and_follow_the_means() -> None:
    found = decide(paired({"a": 0.0, "b": 0.1, "base": 0.2}, 15), baseline="base", rule=RULE)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    ranked = sorted(found.together, key=lambda name: -found.probabilities[name])
    assert ranked[0] == found.best == found.together[0]


def test_pairs_needed_grow_as_the_difference_shrinks() -> None:
    needed = [pairs_needed(Comparison("a", "b", 15, d, 1.0, -1, 1, False)) for d in (2.0, 1.0, 0.5, 0.1)]
    assert all(first < second for first, second in itertools.pairwise(needed))
    assert math.isinf(pairs_needed(Comparison("a", "b", 15, 0.0, 1.0, -1, 1, False)))
