"""What the parts of orders do, on runs whose truth is planted."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordersearch.identities import canonical
from ordersearch.ops import Role
from ordersearch.ranking import (
    Effect,
    Outcome,
    PartEffect,
    PartEffects,
    drops_before_norm,
    part_effects,
    same_networks,
)
from ordersearch.ranking.contexts import plain, precedence_differences
from ordersearch.ranking.effects import mean_effect
from ordersearch.spec import BlockSpec

CONV = {"conv": ("conv",)}
OPS = ("batch_norm", "relu", "max_pool", "dropout")


def specs(*ops: str) -> list[BlockSpec]:
    """Every network with a weight first and these ops behind it in some order."""
    return list({canonical(BlockSpec.parse(" > ".join(("conv", *o)))): None for o in itertools.permutations(ops)})


ORDERS = specs(*OPS)
RATES = (0.003, 0.01, 0.03)


def before(spec: BlockSpec, first: Role, second: Role) -> bool:
    roles = [op.role for op in spec]
    return roles.index(first) < roles.index(second)


def outcomes(
    value: Callable[[BlockSpec], float],
    orders: Iterable[BlockSpec] = ORDERS,
    *,
    rates: Sequence[float] = RATES,
    seeds: Sequence[int] = (0,),
) -> list[Outcome]:
    """A run of each order at each learning rate with each seed."""
    return [
        Outcome({"conv": spec}, (rate,), seed, 0, value(spec))
        for spec, rate, seed in itertools.product(orders, rates, seeds)
    ]


def planted(effect: float, noise: float, draw: random.Random) -> Callable[[BlockSpec], float]:
    """A metric to which norm before activation adds ``effect``, and chance adds more."""
    return lambda spec: 1 + effect * before(spec, Role.NORM, Role.ACTIVATION) + draw.gauss(0, noise)


def row(found: PartEffects, part: str, role: str = "conv") -> PartEffect:
    (only,) = [one for one in (*found.precedences, *found.placements) if (one.role, one.part) == (role, part)]
    return only


def effect(found: PartEffects, part: str, role: str = "conv") -> Effect:
    measured = row(found, part, role).effect
    assert measured is not None
    return measured


# Precedences


def test_an_effect_without_noise_is_found_exactly_and_the_others_are_nought() -> None:
    found = part_effects(outcomes(planted(0.25, 0, random.Random(0))), CONV)
    norm = effect(found, "norm before activation")
    assert (norm.mean, norm.low, norm.high) == pytest.approx((0.25, 0.25, 0.25))
    others = [one.effect for one in found.precedences if one.part != "norm before activation"]
    assert others
    assert all(one is not None and one.mean == pytest.approx(0) for one in others)
    assert norm.leaves_out_zero


def test_the_interval_covers_the_planted_effect_as_often_as_it_says() -> None:
    draw = random.Random(1)
    found = []
    for _ in range(1000):
        runs = outcomes(planted(0.1, 0.2, draw), rates=(0.01,))
        found.append(mean_effect(precedence_differences(runs, CONV, plain)["conv", (Role.NORM, Role.ACTIVATION)]))
    assert {one.n_contexts for one in found} == {6}
    covered = [one.low <= 0.1 <= one.high for one in found if one.low is not None and one.high is not None]
    assert sum(covered) == pytest.approx(950, abs=24)
    assert math.fsum(one.mean for one in found) / 1000 == pytest.approx(0.1, abs=0.01)


def test_no_run_is_in_two_contexts_of_a_precedence() -> None:
    runs = outcomes(planted(0, 1, random.Random(1)), seeds=(0, 1))
    for one in part_effects(runs, CONV).precedences:
        assert one.effect is not None
        assert one.effect.n_runs <= len(runs)
        assert one.effect.n_runs == 2 * 2 * one.effect.n_contexts


@given(st.randoms(use_true_random=False), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_never_matters(shuffler: random.Random, seed: int) -> None:
    runs = outcomes(planted(0.1, 1, random.Random(seed)), seeds=(0, 1))
    shuffled = list(runs)
    shuffler.shuffle(shuffled)
    assert part_effects(shuffled, CONV) == part_effects(runs, CONV)


def test_only_seeds_and_splits_that_both_have_count() -> None:
    first, second = (BlockSpec.parse(f"conv > {text}") for text in ("batch_norm > relu", "relu > batch_norm"))
    runs = [
        Outcome({"conv": first}, (0.01,), 0, 0, 1.0),
        Outcome({"conv": second}, (0.01,), 0, 0, 3.0),
        Outcome({"conv": first}, (0.01,), 0, 7, 50.0),
        Outcome({"conv": second}, (0.01,), 1, 0, 90.0),
        Outcome({"conv": second}, (0.03,), 0, 0, 90.0),
    ]
    (only,) = part_effects(runs, CONV).precedences
    assert only == PartEffect("conv", "norm before activation", Effect(-2.0, None, None, 1, 2))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_does_not_count(value: float) -> None:
    runs = outcomes(planted(0.25, 0.1, random.Random(2)))
    spoilt = [replace(runs[0], value=value), *runs[1:]]
    assert part_effects(spoilt, CONV) == part_effects(runs[1:], CONV)
    assert part_effects([replace(one, value=value) for one in runs], CONV) == part_effects([], CONV)


def test_each_sign_is_of_the_precedence_as_it_is_named() -> None:
    def value(spec: BlockSpec) -> float:
        return 1.0 * before(spec, Role.DROPOUT, Role.NORM) + 10.0 * before(spec, Role.POOL, Role.ACTIVATION)

    found = part_effects(outcomes(value, specs("batch_norm", "gelu", "max_pool", "dropout")), CONV)
    assert effect(found, "dropout before norm").mean == pytest.approx(1)
    assert effect(found, "pool before activation").mean == pytest.approx(10)


def test_ops_that_commute_are_the_same_network_with_the_reason() -> None:
    members = [[BlockSpec.parse("conv > relu > max_pool"), BlockSpec.parse("conv > max_pool > relu")]]
    assert list(same_networks(members)) == [(Role.POOL, Role.ACTIVATION)]
    reasons = {("conv", pair): told for pair, told in same_networks(members).items()}
    found = part_effects(outcomes(planted(0.1, 0, random.Random(0))), CONV, reasons)
    one = row(found, "pool before activation")
    assert one.effect is None
    assert one.same_network == (
        "relu never decreases, so the largest value of a window stays the largest: f(max x) = max f(x).",
    )
    gelu = specs("gelu", "max_pool")
    both = part_effects(outcomes(lambda spec: 1.0 * before(spec, Role.POOL, Role.ACTIVATION), gelu), CONV, reasons)
    assert effect(both, "pool before activation").mean == 1
    assert row(both, "pool before activation").same_network


def test_orders_that_are_two_networks_give_no_reason() -> None:
    assert same_networks([[spec] for spec in ORDERS]) == {}


# Placements


def test_placements_are_compared_with_the_mean_of_their_context() -> None:
    worth = {"none": 9.0, "norm": 1.0, "activation": 2.0}

    def value(spec: BlockSpec) -> float:
        if "batch_norm" not in str(spec):
            return worth["none"]
        return worth["norm" if before(spec, Role.NORM, Role.ACTIVATION) else "activation"]

    orders = [BlockSpec.parse(f"conv > {ops}") for ops in ("relu", "batch_norm > relu", "relu > batch_norm")]
    found = part_effects(outcomes(value, orders), CONV)
    means = {
        one.part: one.effect.mean for one in found.placements if one.effect and "norm" in one.part.split("after")[0]
    }
    assert means == {"no norm": 5.0, "batch_norm after weight": -3.0, "batch_norm after activation": -2.0}
    assert effect(found, "no norm") == Effect(5.0, 5.0, 5.0, 3, 3)


def test_rates_are_matched_and_no_dropout_is_compared_at_each() -> None:
    texts = ("gelu", "gelu > dropout(p=0.1)", "tanh > dropout(p=0.1)", "dropout(p=0.5) > tanh", "tanh")
    values = dict(zip(texts, (1.0, 3.0, 10.0, 40.0, 20.0), strict=True))
    runs = [Outcome({"conv": BlockSpec.parse(f"conv > {text}")}, (0.01,), 0, 0, values[text]) for text in texts]
    found = part_effects(runs, CONV)
    # gelu: 1 against 3. tanh: at p=0.1, 20 against 10; at p=0.5, 20 against 40.
    assert effect(found, "no dropout").mean == pytest.approx(((1 - 3) / 2 + ((20 - 10) / 2 + (20 - 40) / 2) / 2) / 2)
    assert effect(found, "no dropout").n_runs == 2


def test_a_network_counts_to_each_place_that_its_orders_give_an_op() -> None:
    runs = outcomes(
        lambda spec: 1.0 * before(spec, Role.NORM, Role.ACTIVATION), specs("batch_norm", "relu", "max_pool")
    )
    found = part_effects(runs, CONV)
    n_alike = effect(found, "max_pool after activation").n_runs + effect(found, "max_pool after norm").n_runs
    assert n_alike + effect(found, "max_pool after weight").n_runs > len(runs)


def test_one_network_alone_is_compared_with_nothing() -> None:
    # It is at two places at once, but that is no comparison.
    runs = outcomes(lambda _: 1.0, [BlockSpec.parse("conv > relu > max_pool")])
    assert part_effects(runs, CONV) == part_effects([], CONV) == PartEffects((), (), ())


def test_the_heat_map_has_norm_by_dropout_against_the_mean_of_the_context() -> None:
    texts = (
        "relu",
        "batch_norm > relu",
        "relu > dropout",
        "batch_norm > relu > dropout",
        "dropout > batch_norm > relu",
    )
    values = dict(zip(texts, (1.0, 2.0, 3.0, 4.0, 10.0), strict=True))
    runs = [Outcome({"conv": BlockSpec.parse(f"conv > {text}")}, (0.01,), 0, 0, values[text]) for text in texts]
    (found,) = part_effects(runs, CONV).heat_maps
    assert found.rows == ("no norm", "batch_norm after weight", "batch_norm after dropout")
    assert found.columns == ("no dropout", *(f"dropout after {role}" for role in ("weight", "norm", "activation")))
    # Dropout before or behind ReLU is one network, which therefore has two cells in the rows where it is that.
    after_weight = "batch_norm after weight"
    where = {
        1.0: [("no norm", "no dropout")],
        2.0: [(after_weight, "no dropout")],
        3.0: [("no norm", "dropout after weight"), ("no norm", "dropout after activation")],
        4.0: [
            ("batch_norm after weight", "dropout after norm"),
            ("batch_norm after weight", "dropout after activation"),
        ],
        10.0: [("batch_norm after dropout", "dropout after weight")],
    }
    cells = {cell: value for value, at in where.items() for cell in at}
    centre = sum(cells.values()) / len(cells)
    assert {cell: one.mean for cell, one in found.cells.items()} == pytest.approx(
        {cell: value - centre for cell, value in cells.items()}
    )
    assert {one.n_runs for one in found.cells.values()} == {1}


# Repaired


def shifted(gain: float | None) -> list[Outcome]:
    """Runs that a dropout before the norm costs 0.5, all of which repairing gives back; None: it was not measured."""
    runs = outcomes(lambda spec: 1 + 0.5 * before(spec, Role.DROPOUT, Role.NORM))
    again = math.nan if gain is None else gain
    return [replace(one, repaired=again) if drops_before_norm(one.blocks["conv"]) else one for one in runs]


def test_repaired_takes_the_repaired_value_where_there_is_one() -> None:
    found = part_effects(shifted(1.0), CONV)
    one = row(found, "dropout before norm")
    assert one.effect is not None
    assert one.repaired is not None
    assert (one.effect.mean, one.repaired.mean) == pytest.approx((0.5, 0))
    assert one.effect.n_contexts == one.repaired.n_contexts
    placed = row(found, "dropout after pool")
    assert placed.repaired is not None
    assert placed.repaired.mean == pytest.approx(0)
    assert all(cell.mean == pytest.approx(0) for cell in found.heat_maps[0].repaired.values())
    assert part_effects(shifted(1.0), CONV).heat_maps[0].cells == part_effects(shifted(2.0), CONV).heat_maps[0].cells


def test_what_was_not_measured_again_is_left_out_of_repaired() -> None:
    found = part_effects(shifted(None), CONV)
    assert effect(found, "dropout before norm").mean == pytest.approx(0.5)
    assert row(found, "dropout before norm").repaired is None
    assert found.heat_maps[0].repaired == {}


def test_where_nothing_is_to_be_repaired_the_column_is_empty() -> None:
    found = part_effects(outcomes(planted(0.1, 0.1, random.Random(3)), specs("batch_norm", "relu", "max_pool")), CONV)
    assert found.precedences
    assert {one.repaired for one in (*found.precedences, *found.placements)} == {None}


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("conv > dropout > batch_norm > relu", True),
        ("conv > spatial_dropout > relu > max_pool > batch_norm", True),
        ("conv > relu > dropout > conv > batch_norm", True),
        ("conv > batch_norm > relu > dropout", False),
        ("conv > dropout > layer_norm > relu", False),
        ("conv > dropout(p=0) > batch_norm > relu", False),
        ("conv > dropout > relu", False),
    ],
)
def test_a_dropout_before_a_batch_norm_is_seen(text: str, is_so: bool) -> None:
    assert drops_before_norm(BlockSpec.parse(text)) is is_so
    assert drops_before_norm(canonical(BlockSpec.parse(text))) is is_so


# Roles


def test_each_role_has_its_own_effects_at_equal_blocks_of_the_others() -> None:
    dense = [BlockSpec.parse(f"linear > {ops}") for ops in ("batch_norm > relu", "relu > batch_norm")]
    conv = specs("batch_norm", "relu")
    runs = [
        Outcome(
            {"conv": one, "dense": other},
            (0.01,),
            0,
            0,
            before(one, Role.NORM, Role.ACTIVATION) + 10.0 * before(other, Role.NORM, Role.ACTIVATION),
        )
        for one, other in itertools.product(conv, dense)
    ]
    found = part_effects(runs, {"conv": ("conv",), "dense": ("dense",)})
    assert [(one.role, one.part) for one in found.precedences] == [
        ("conv", "norm before activation"),
        ("dense", "norm before activation"),
    ]
    assert effect(found, "norm before activation", "conv") == Effect(1.0, 1.0, 1.0, 2, 4)
    assert effect(found, "norm before activation", "dense").mean == 10


def at_stage_ends(texts: Iterable[str]) -> Iterator[Outcome]:
    for number, text in enumerate(texts):
        spec = BlockSpec.parse(text)
        yield Outcome({"conv": spec.without(Role.DROPOUT), "stage_end": spec}, (0.01,), 0, 0, float(number))


def test_blocks_that_are_chosen_as_one_change_together() -> None:
    runs = list(at_stage_ends(["conv > batch_norm > relu > dropout", "conv > relu > batch_norm > dropout"]))
    found = part_effects(runs, {"conv": ("conv", "stage_end")})
    assert [one.part for one in found.precedences] == ["norm before activation"]
    assert effect(found, "norm before activation") == Effect(-1.0, None, None, 1, 2)


def test_dropout_in_other_blocks_of_the_network_is_never_compared_as_one_place() -> None:
    ends = list(at_stage_ends(["conv > relu > dropout"]))
    spec = BlockSpec.parse("conv > relu > dropout")
    everywhere = Outcome({"conv": spec, "stage_end": spec}, (0.01,), 0, 0, 5.0)
    groups = {"conv": ("conv", "stage_end")}
    assert not [one for one in part_effects([*ends, everywhere], groups).placements if "dropout" in one.part]


@pytest.mark.parametrize("text", ["conv > {} > conv > {}", "conv > {} > add"])
def test_blocks_that_repeat_a_role_or_join_a_shortcut_are_left_out(text: str) -> None:
    halves = ("batch_norm > relu", "relu > batch_norm")
    runs = outcomes(lambda _: random.random(), [BlockSpec.parse(text.format(half, half)) for half in halves])
    assert part_effects(runs, CONV) == PartEffects((), (), ())
