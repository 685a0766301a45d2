"""Contexts: runs that are alike save for one part of an order, and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ordersearch.identities import canonical
from ordersearch.ops import OpSpec, Role
from ordersearch.ranking.parts import Pair, as_named, parts_of_groups, placements, precedences
from ordersearch.spec import BlockSpec

Groups = Mapping[str, Sequence[str]]
"""What the choices of a space are about, by name, and the roles of the network that each one's block goes to."""


@dataclass(frozen=True)
class Outcome:
    """What one run came to.

    Attributes:
        blocks: The canonical block of each role.
        nuisance: Learning rate and the like.
        seed: Of initial weights, batch order and noise.
        split: Of the data.
        value: The metric.
        repaired: The metric with batch norm's statistics estimated again with dropout off; NaN where it was not
            measured, None where nothing is to be repaired.
    """

    blocks: Mapping[str, BlockSpec]
    nuisance: tuple[float, ...]
    seed: int
    split: int
    value: float
    repaired: float | None = None


Reading = Callable[[Outcome], float]


def plain(outcome: Outcome) -> float:
    """The metric."""
    return outcome.value


def repaired(outcome: Outcome) -> float:
    """The metric, repaired where there is something to repair."""
    return outcome.value if outcome.repaired is None else outcome.repaired


@dataclass(frozen=True)
class Difference:
    """What a part makes in one context.

    Attributes:
        value: The mean difference over pairs of seed and split.
        n_runs: Runs with the part; for a precedence, those with the opposite, too.
        is_repaired: Whether there is something to repair in any of the context's runs.
    """

    value: float
    n_runs: int
    is_repaired: bool


def precedence_differences(
    outcomes: Iterable[Outcome], groups: Groups, read: Reading
) -> dict[tuple[str, Pair], list[Difference]]:
    """For each group and precedence, the difference in each context in which both ways round were trained.

    All else in a context is equal: the other precedences, ops, rates, nuisance parameters, the other groups' blocks.
    So each order has one partner, and no run is in two contexts.
    """
    sides: dict[tuple[str, Pair], dict[Hashable, tuple[list[Outcome], list[Outcome]]]] = {}
    for outcome in outcomes:
        for name, blocks in parts_of_groups(groups, outcome.blocks).items():
            others = _others(outcome, groups[name])
            pairs = {pair for block in blocks for pair in precedences(block)}
            for pair in (pair for pair in pairs if pair[::-1] not in pairs):
                named = as_named(pair)
                rest = tuple((frozenset(b.ops), precedences(b) - {named, named[::-1]}) for b in blocks)
                context = sides.setdefault((name, named), {}).setdefault((rest, others), ([], []))
                context[pair != named].append(outcome)
    return {
        key: found
        for key, contexts in sides.items()
        if (found := [one for first, second in contexts.values() for one in _paired(first, second, read)])
    }


def _others(outcome: Outcome, own: Sequence[str]) -> Hashable:
    """What is equal in a context besides the group's own blocks."""
    return frozenset((role, spec) for role, spec in outcome.blocks.items() if role not in own), outcome.nuisance


def _paired(first: Sequence[Outcome], second: Sequence[Outcome], read: Reading) -> list[Difference]:
    """The difference of two settings over the seeds and splits that both have; none where they have none."""
    values = [_by_pair(side, read) for side in (first, second)]
    both = sorted(values[0].keys() & values[1].keys())
    if not both:
        return []
    difference = mean(mean(values[0][pair]) - mean(values[1][pair]) for pair in both)
    used = [one for one in (*first, *second) if (one.seed, one.split) in both and math.isfinite(read(one))]
    return [Difference(difference, len(used), any(one.repaired is not None for one in used))]


def _by_pair(outcomes: Iterable[Outcome], read: Reading) -> dict[tuple[int, int], list[float]]:
    found: dict[tuple[int, int], list[float]] = {}
    for outcome in outcomes:
        if math.isfinite(value := read(outcome)):
            found.setdefault((outcome.seed, outcome.split), []).append(value)
    return found


def mean(values: Iterable[float]) -> float:
    """The mean, whatever the order of the values."""
    values = list(values)
    return math.fsum(values) / len(values)


Levels = tuple[str, ...]


@dataclass(frozen=True)
class _Placed:
    """A run in a context of placements: which network, where its ops stand, and what else is to be matched."""

    outcome: Outcome
    network: tuple[BlockSpec, ...]
    levels: frozenset[Levels]
    variant: Hashable


def placement_differences(
    outcomes: Iterable[Outcome], groups: Groups, roles: tuple[Role, ...], read: Reading
) -> dict[tuple[str, Levels], list[Difference]]:
    """For each group and placement of the ops of these roles, its value minus the mean of its context's placements.

    A context is an order without these ops, with equal nuisance parameters and other blocks. In it, placements are
    compared at equal dropout rate, seed and split (an order without dropout at each rate), and the differences are
    averaged; so no run is in two contexts. A network that several orders are counts to the placement of each.
    """
    contexts: dict[tuple[str, Hashable], list[_Placed]] = {}
    for outcome in outcomes:
        for name, blocks in parts_of_groups(groups, outcome.blocks).items():
            rest = tuple(_rest(block, roles) for block in blocks)
            context = contexts.setdefault((name, (rest, _others(outcome, groups[name]))), [])
            context.append(_placed(outcome, blocks, roles))
    found: dict[tuple[str, Levels], list[Difference]] = {}
    for (name, _), placed in contexts.items():
        for levels, difference in _against_their_mean(placed, read).items():
            found.setdefault((name, levels), []).append(difference)
    return found


@lru_cache(maxsize=8192)
def _rest(block: BlockSpec, roles: tuple[Role, ...]) -> BlockSpec:
    return canonical(block.without(*roles))


def _placed(outcome: Outcome, blocks: tuple[BlockSpec, ...], roles: tuple[Role, ...]) -> _Placed:
    # A network may leave the dropouts out of some blocks of a group; those with most ops show the whole order.
    fullest = max(blocks, key=len)
    rates = [op.params["p"] for op in fullest if op.role in roles and _has_rate(op)]
    where = tuple(any(_has_rate(op) for op in block) for block in blocks)
    return _Placed(outcome, blocks, placements(fullest, roles), (rates[0], where) if rates else None)


def _has_rate(op: OpSpec) -> bool:
    return op.role is Role.DROPOUT and op.kind.param("p") is not None


def _against_their_mean(placed: Sequence[_Placed], read: Reading) -> dict[Levels, Difference]:
    """For each placement in a context, its mean difference over variants, seeds and splits."""
    variants = {one.variant for one in placed} - {None} or {None}
    sound = [one for one in placed if math.isfinite(plain(one.outcome))]
    if not all(math.isfinite(read(one.outcome)) for one in sound):
        return {}  # against the mean of the others alone, a placement would look another
    differences: dict[Levels, list[float]] = {}
    runs: dict[Levels, set[int]] = {}
    for pair in {(one.outcome.seed, one.outcome.split) for one in sound}:
        here = [one for one in sound if (one.outcome.seed, one.outcome.split) == pair]
        for variant in variants:
            compared = [one for one in here if one.variant in (None, variant)]
            if len({one.network for one in compared}) < 2:
                continue
            at = _by_level(compared)
            means = {levels: mean(read(one.outcome) for one in own) for levels, own in at.items()}
            centre = mean(means.values())
            for levels, own in at.items():
                differences.setdefault(levels, []).append(means[levels] - centre)
                runs.setdefault(levels, set()).update(id(one) for one in own)
    is_repaired = any(one.outcome.repaired is not None for one in sound)
    return {lv: Difference(mean(values), len(runs[lv]), is_repaired) for lv, values in differences.items()}


def _by_level(placed: Iterable[_Placed]) -> dict[Levels, list[_Placed]]:
    found: dict[Levels, list[_Placed]] = {}
    for one in placed:
        for levels in one.levels:
            found.setdefault(levels, []).append(one)
    return found
