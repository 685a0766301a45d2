"""The heat map of precedences: what one op before another does to the metric."""

from __future__ import annotations

from collections.abc import Mapping

from ordersearch.ranking import Effect, PartEffect
from ordersearch.ranking.effects import CONVENTION
from ordersearch.report.dashboard.figure import COLOURS, Figure, figure_of, plain_text, rounded_value
from ordersearch.study.effects import direction_told, effects_of
from ordersearch.study.kept_study import KeptStudy


def precedences(kept: KeptStudy) -> dict[str, Figure]:
    """For each role of blocks, a heat map: what the op of the row before that of the column does to the metric."""
    confirmed = kept.confirmed.runs if kept.confirmed else ()
    found = effects_of(kept.record, [*kept.result.runs, *confirmed])
    by_role: dict[str, dict[tuple[str, str], PartEffect]] = {}
    for row in found.precedences:
        first, _, second = row.part.partition(" before ")
        if row.effect is not None or row.same_network:
            by_role.setdefault(row.role, {})[first, second] = row
    told = {role: cells for role, cells in by_role.items() if any(row.effect for row in cells.values())}
    return {role: _heat_map(kept, role, cells) for role, cells in told.items()}


def _heat_map(kept: KeptStudy, role: str, cells: Mapping[tuple[str, str], PartEffect]) -> Figure:
    names = [name for name in map(str, CONVENTION) if any(name in pair for pair in cells)]
    names += sorted({name for pair in cells for name in pair} - set(names))
    values: list[list[float | None]] = [[None] * len(names) for _ in names]
    texts = [["" for _ in names] for _ in names]
    for (first, second), row in cells.items():
        for a, b, sign in ((first, second, 1), (second, first, -1)):
            place = names.index(a), names.index(b)
            effect = row.effect
            values[place[0]][place[1]] = None if effect is None else rounded_value(sign * effect.mean)
            texts[place[0]][place[1]] = "same<br>network" if effect is None else _effect_told(effect, sign)
    largest = max((abs(value) for line in values for value in line if value is not None), default=1.0) or 1.0
    metric, minimise = kept.record.training.metric, kept.record.direction == "minimize"
    heat = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": values,
        "text": texts,
        "texttemplate": "%{text}",
        "zmin": -largest,
        "zmax": largest,
        "colorscale": [
            [0, COLOURS[0] if minimise else COLOURS[1]],
            [0.5, "#ffffff"],
            [1, COLOURS[1] if minimise else COLOURS[0]],
        ],
        "colorbar": {"title": {"text": plain_text(metric)}, "thickness": 12},
        "hovertemplate": "%{y} before %{x}:<br>%{text}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
    }
    title = (
        f"What an order of two ops does to {metric} ({role}): row before column,<br>all else equal; n contexts, "
        f"* where the 95 % interval leaves out 0; {direction_told(kept.record)}"
    )
    return figure_of(
        [heat],
        title,
        xaxis={"title": {"text": "second"}, "side": "bottom"},
        yaxis={"title": {"text": "first"}, "autorange": "reversed", "automargin": True},
    )


def _effect_told(effect: Effect, sign: int) -> str:
    return f"{sign * effect.mean:+.2g}{'*' if effect.leaves_out_zero else ''}<br>n={effect.n_contexts}"
