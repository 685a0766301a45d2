"""What the parts of orders do: the mean paired effect of each precedence and each placement, with its interval."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ordersearch.ops import Role
from ordersearch.ranking.contexts import (
    Difference,
    Groups,
    Outcome,
    mean,
    placement_differences,
    plain,
    precedence_differences,
    repaired,
)
from ordersearch.ranking.interval import half_width
from ordersearch.ranking.parts import MOVABLE, ROLES, Pair

CONVENTION = (Role.WEIGHT, Role.NORM, Role.ACTIVATION, Role.POOL, Role.DROPOUT)

Key = TypeVar("Key")
SameNetworks = Mapping[tuple[str, Pair], tuple[str, ...]]


@dataclass(frozen=True)
class Effect:
    """A mean difference over contexts.

    Attributes:
        mean: In the metric's unit.
        low: Lower end of the 95 % interval; None with one context, which shows no spread.
        high: Upper end, likewise.
        n_contexts: Over how many contexts.
        n_runs: Of how many runs.
    """

    mean: float
    low: float | None
    high: float | None
    n_contexts: int
    n_runs: int

    @property
    def leaves_out_zero(self) -> bool:
        """Whether 0 is not in the interval; two contexts, with their one degree of freedom, never say so."""
        return self.n_contexts > 2 and self.low is not None and self.high is not None and self.low * self.high > 0


@dataclass(frozen=True)
class PartEffect:
    """What one part of the orders does.

    Attributes:
        role: Of the blocks that it is about.
        part: In words: ``norm before activation``, ``dropout after pool``, ``no norm``.
        effect: None where it makes no difference, because both ways round are the same network.
        repaired: The same from repaired values, where there is something to repair; else None.
        same_network: Why it makes no difference, for each pair of ops of which it makes none.
    """

    role: str
    part: str
    effect: Effect | None
    repaired: Effect | None = None
    same_network: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeatMap:
    """The effects of norm's and dropout's placement together, each against the mean of its context's cells.

    Attributes:
        role: Of the blocks that it is about.
        rows: The norm's placements.
        columns: The dropout's.
        cells: By row and column; what was not trained, or cannot be, has none.
        repaired: The same from repaired values; empty where there is nothing to repair.
    """

    role: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Effect]
    repaired: Mapping[tuple[str, str], Effect]


@dataclass(frozen=True)
class PartEffects:
    """What the parts of the orders do, as far as the runs show it.

    Attributes:
        precedences: One op before another, against the other way round.
        placements: One op at its place, against the mean of its places.
        heat_maps: For each role with a norm and a dropout, their places together.
    """

    precedences: tuple[PartEffect, ...]
    placements: tuple[PartEffect, ...]
    heat_maps: tuple[HeatMap, ...]


def mean_effect(differences: Collection[Difference]) -> Effect:
    """The mean over contexts that share no runs, with its t-interval.

    It says how the effect varies from context to context; what all contexts share (a split, say) is not in it.

    Example:
        >>> found = mean_effect([Difference(value, 2, False) for value in (1.0, 2.0, 3.0)])
        >>> found.mean, round(found.low, 2), round(found.high, 2), found.n_contexts, found.n_runs
        (2.0, -0.48, 4.48, 3, 6)
    """
    values = sorted(one.value for one in differences)
    n, centre, n_runs = len(values), mean(values), sum(one.n_runs for one in differences)
    if n < 2:
        return Effect(centre, None, None, n, n_runs)
    reach = half_width(n, statistics.stdev(values, centre))
    return Effect(centre, centre - reach, centre + reach, n, n_runs)


def part_effects(outcomes: Sequence[Outcome], groups: Groups, same_networks: SameNetworks | None = None) -> PartEffects:
    """What the parts do: a function of the set of outcomes. Values that are not finite do not count.

    Blocks that repeat a role or join a shortcut are left out, as "norm before activation" says nothing there.

    Args:
        outcomes: Each setting, seed and split once.
        groups: The roles of the network that each choice of the space is about.
        same_networks: For each group, the precedences that make no difference, with the reasons why.

    Example:
        >>> from ordersearch.spec import BlockSpec
        >>> a, b = BlockSpec.parse("conv > batch_norm > relu"), BlockSpec.parse("conv > relu > batch_norm")
        >>> runs = [Outcome({"conv": a}, (0.01,), 0, 0, 0.3), Outcome({"conv": b}, (0.01,), 0, 0, 0.5)]
        >>> (found,) = part_effects(runs, {"conv": ["conv"]}).precedences
        >>> found.part, round(found.effect.mean, 3), found.effect.n_contexts
        ('norm before activation', -0.2, 1)
    """
    return PartEffects(
        _precedences(outcomes, groups, same_networks or {}),
        tuple(row for role in MOVABLE for row in _placements(outcomes, groups, role)),
        _heat_maps(outcomes, groups),
    )


def _effects(
    plainly: Mapping[Key, Sequence[Difference]], mended: Mapping[Key, Sequence[Difference]]
) -> dict[Key, tuple[Effect, Effect | None]]:
    """Each key's effect, and the repaired one where there is something to repair."""
    found: dict[Key, tuple[Effect, Effect | None]] = {}
    for key, own in plainly.items():
        again = mended.get(key, ())
        is_repaired = any(one.is_repaired for one in again)
        found[key] = (mean_effect(own), mean_effect(again) if is_repaired else None)
    return found


def _precedences(outcomes: Sequence[Outcome], groups: Groups, same: SameNetworks) -> tuple[PartEffect, ...]:
    plainly = precedence_differences(outcomes, groups, plain)
    effects = _effects(plainly, precedence_differences(outcomes, groups, repaired))
    names = list(groups)
    keys = sorted({*effects, *same}, key=lambda key: (names.index(key[0]), *map(ROLES.index, key[1])))
    rows = []
    for name, pair in keys:
        effect, again = effects.get((name, pair), (None, None))
        rows.append(PartEffect(name, " before ".join(pair), effect, again, same.get((name, pair), ())))
    return tuple(rows)


def _placements(outcomes: Sequence[Outcome], groups: Groups, role: Role) -> list[PartEffect]:
    plainly = placement_differences(outcomes, groups, (role,), plain)
    effects = _effects(plainly, placement_differences(outcomes, groups, (role,), repaired))
    names = list(groups)
    keys = sorted(effects, key=lambda key: (names.index(key[0]), _reading_order(key[1][0])))
    return [PartEffect(name, levels[0], *effects[name, levels]) for name, levels in keys]


def _reading_order(placement: str) -> tuple[bool, str, int]:
    """None at all first, then by the op's name, and by place as in the convention."""
    name, _, before = placement.rpartition(" after ")
    if not name:
        return not placement.startswith("no "), placement.removesuffix(" first"), -1
    return True, name, CONVENTION.index(Role(before))


def _heat_maps(outcomes: Sequence[Outcome], groups: Groups) -> tuple[HeatMap, ...]:
    roles = (Role.NORM, Role.DROPOUT)
    plainly = placement_differences(outcomes, groups, roles, plain)
    effects = _effects(plainly, placement_differences(outcomes, groups, roles, repaired))
    maps = []
    for name in groups:
        own = {(norm, dropout): both for (group, (norm, dropout)), both in effects.items() if group == name}
        rows, columns = (tuple(sorted({cell[axis] for cell in own}, key=_reading_order)) for axis in (0, 1))
        if len(rows) > 1 and len(columns) > 1:
            cells = {cell: effect for cell, (effect, _) in own.items()}
            mended = {cell: effect for cell, (_, effect) in own.items() if effect is not None}
            maps.append(HeatMap(name, rows, columns, cells, mended))
    return tuple(maps)
