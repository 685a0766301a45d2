"""What the orders' parts do, as heat maps: who stands before whom, and where norm and dropout stand together."""

from __future__ import annotations

from collections.abc import Sequence

from ordersearch.ops import Role
from ordersearch.ranking import Effect, PartEffect, PartEffects
from ordersearch.ranking import HeatMap as Placements
from ordersearch.report.content import Cell, HeatMap
from ordersearch.results import Run
from ordersearch.study.effects import effects_of, limits
from ordersearch.study.kept_study import KeptStudy

READING_ORDER = (Role.WEIGHT, Role.NORM, Role.ACTIVATION, Role.POOL, Role.DROPOUT)


def heat_maps(kept: KeptStudy, runs: Sequence[Run]) -> tuple[tuple[HeatMap, ...], tuple[str, ...]]:
    """The heat maps of all runs, and what they do not hold for; none where nothing can be compared.

    Args:
        kept: Whose runs these are.
        runs: Of the search and of its confirmation.
    """
    found = effects_of(kept.record, runs)
    maps = [*_precedence_maps(found), *map(_placement_map, found.heat_maps)]
    told = tuple(one for one in maps if any(cell and cell.effect is not None for row in one.cells for cell in row))
    return told, tuple(limits(kept.record, runs)) if told else ()


def _precedence_maps(found: PartEffects) -> list[HeatMap]:
    return [
        _precedence_map(role, [row for row in found.precedences if row.role == role])
        for role in dict.fromkeys(row.role for row in found.precedences)
    ]


def _precedence_map(role: str, rows: Sequence[PartEffect]) -> HeatMap:
    cells: dict[tuple[str, str], Cell] = {}
    for row in rows:
        first, _, second = row.part.partition(" before ")
        cells[first, second] = _cell(row.effect, row.same_network, sign=1)
        cells[second, first] = _cell(row.effect, row.same_network, sign=-1)
    parts = [str(part) for part in READING_ORDER if any(part in pair for pair in cells)]
    table = tuple(tuple(None if a == b else cells.get((a, b), Cell()) for b in parts) for a in parts)
    return HeatMap("precedence", role, tuple(parts), tuple(parts), table)


def _cell(effect: Effect | None, same_network: tuple[str, ...], *, sign: int) -> Cell:
    if effect is None:
        return Cell(same_network=same_network)
    low, high = sorted((effect.low, effect.high), key=lambda end: sign * (end or 0.0))
    return Cell(
        sign * effect.mean,
        None if low is None else sign * low,
        None if high is None else sign * high,
        effect.n_contexts,
    )


def _placement_map(found: Placements) -> HeatMap:
    cells = tuple(
        tuple(_cell(found.cells.get((row, column)), (), sign=1) for column in found.columns) for row in found.rows
    )
    return HeatMap("placement", found.role, found.rows, found.columns, cells)
