"""The plots of a search as plotly figures, in plain values: small, and the same ones in place at every update."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ordersearch.identities import cost
from ordersearch.ranking import Place
from ordersearch.report.dashboard.figure import (
    COLOURS,
    DASHES,
    MARKERS,
    Figure,
    axis_of,
    figure_of,
    plain_text,
    rounded,
    wrapped,
)
from ordersearch.report.dashboard.leaderboard import Row, confirmed_rows, searched_rows, values_of
from ordersearch.report.dashboard.markdown import one_line
from ordersearch.report.dashboard.precedences import precedences
from ordersearch.results import Run, in_one_line
from ordersearch.spec import BlockSpec
from ordersearch.study.effects import direction_told
from ordersearch.study.kept_study import KeptStudy
from ordersearch.study.result import reference_names

N_CURVES = 6
N_POINTS = 200
LEADERBOARD, CURVES = "ordersearch-leaderboard", "ordersearch-curves"
OF_FINALISTS = (LEADERBOARD, CURVES)
SEARCHED = "Of the search, without confirmation"


def figures(kept: KeptStudy) -> dict[str, Figure]:
    """The plots of a search by their names; those that nothing is known for yet are left out."""
    found = {
        LEADERBOARD: leaderboard(kept),
        **{
            # What the dashboard takes for a plot's name has no other characters.
            f"ordersearch-precedences-{re.sub(r'[^A-Za-z0-9_.-]', '-', role)}": figure
            for role, figure in precedences(kept).items()
        },
        CURVES: curves(kept),
        "ordersearch-cost": cost_against_quality(kept),
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def leaderboard(kept: KeptStudy) -> Figure | None:
    """The finalists' differences to the baseline with their intervals; before that, the search's best orders."""
    metric, better = kept.record.training.metric, direction_told(kept.record)
    if rows := confirmed_rows(kept):
        means = [row.difference or 0.0 for row in rows]
        title = f"Finalists: difference of {metric} to your order, 95 % intervals<br>{better}"
        return _board(rows, means, title, f"difference of {metric}", metric, shapes=[_line_at_zero()])
    if rows := searched_rows(kept):
        means = [row.mean for row in rows]
        title = f"{SEARCHED}: {metric}, means over seeds<br>{better}; 95 % interval from 3 runs on"
        return _board(rows, means, title, metric, metric, below=[_single_runs(kept, len(rows))])
    return None


def _board(
    rows: Sequence[Row],
    means: Sequence[float],
    title: str,
    axis: str,
    metric: str,
    *,
    shapes: Sequence[Figure] = (),
    below: Sequence[Figure] = (),
) -> Figure:
    ends = [
        (mean if row.low is None else row.low, mean if row.high is None else row.high)
        for row, mean in zip(rows, means, strict=True)
    ]
    bars = {
        "type": "scatter",
        "mode": "markers",
        "x": rounded(means),
        "y": list(range(len(rows))),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": rounded([high - mean for mean, (_, high) in zip(means, ends, strict=True)]),
            "arrayminus": rounded([mean - low for mean, (low, _) in zip(means, ends, strict=True)]),
            "thickness": 2,
        },
        "marker": {"size": 9, "color": COLOURS[0]},
        "text": [_hover(row, metric) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }
    names = {
        "tickvals": list(range(len(rows))),
        "ticktext": [_label(row) for row in rows],
        "tickfont": {"size": 10},
        "range": [len(rows) - 0.5, -0.5],
        "zeroline": False,
        "automargin": True,
    }
    return figure_of([*below, bars], title, xaxis=axis_of(axis), yaxis=names, shapes=list(shapes), showlegend=False)


def _single_runs(kept: KeptStudy, n_shown: int) -> Figure:
    places = kept.result.places[:n_shown]
    points = [(value, n) for n, place in enumerate(places) for value in values_of(place, kept.result)]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([value for value, _ in points]),
        "y": [n for _, n in points],
        "marker": {"size": 7, "color": "#999999", "symbol": "line-ns-open"},
        "hovertemplate": "one run: %{x}<extra></extra>",
    }


def curves(kept: KeptStudy) -> Figure | None:
    """The finalists' mean validation losses by epoch; before a confirmation, the metric of the search's best orders."""
    lines = _finalists_curves(kept) or _searched_curves(kept)
    if not lines:
        return None
    confirmed = bool(_finalists_curves(kept))
    metric = "val/loss" if confirmed else kept.record.training.metric
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": plain_text(wrapped(name)),
            "x": list(range(1, len(values) + 1)),
            "y": rounded(values),
            "line": {"color": COLOURS[n % len(COLOURS)], "dash": DASHES[n % len(DASHES)]},
            "marker": {"symbol": MARKERS[n % len(MARKERS)], "size": 6},
        }
        for n, (name, values) in enumerate(lines)
    ]
    is_positive = all(value > 0 for _, values in lines for value in values)
    title = f"Learning curves: {metric}, {'means over the pairs' if confirmed else 'one trial each'}"
    legend = {"orientation": "h", "y": -0.2, "font": {"size": 10}}
    return figure_of(traces, title, xaxis=axis_of("epoch"), yaxis=axis_of(metric, log=is_positive), legend=legend)


def _finalists_curves(kept: KeptStudy) -> list[tuple[str, list[float]]]:
    if kept.confirmed is None:
        return []
    complete = kept.confirmed.confirmation.complete(kept.confirmed.runs)
    found = []
    for finalist in kept.confirmed.confirmation.finalists:
        runs = [run.validation_losses for run in complete[finalist.order].values() if run.validation_losses]
        if runs:
            name = finalist.trained + (" (yours)" if finalist.is_baseline else "")
            found.append((name, [sum(losses) / len(runs) for losses in zip(*runs, strict=False)]))
    return found


def _searched_curves(kept: KeptStudy) -> list[tuple[str, list[float]]]:
    found = []
    for place, row in zip(kept.result.places[:N_CURVES], searched_rows(kept), strict=False):
        values = kept.curves.get(kept.result.runs_of(place)[0].trial, ())
        if values:
            found.append((row.order, list(values)))
    return found


def cost_against_quality(kept: KeptStudy) -> Figure | None:
    """Each class at its best setting: what its blocks cost, as a multiple of the cheapest, against the metric."""
    places, metric = kept.result.places[:N_POINTS], kept.record.training.metric
    if not places:
        return None
    firsts = [kept.result.runs_of(place)[0] for place in places]
    costs = [_cost(run, kept.record.dataset.dims or 2) for run in firsts]
    least = min(costs) or 1.0
    points = [(cost / least, place.mean) for cost, place in zip(costs, places, strict=True)]
    front = _front(points, minimise=kept.record.direction == "minimize")
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": rounded([x for x, _ in front]),
        "y": rounded([y for _, y in front]),
        "line": {"color": COLOURS[1], "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }
    title = f"Cost against {metric} ({direction_told(kept.record)}), each order at its best setting"
    is_positive = all(y > 0 for _, y in points) and metric.endswith("/loss")
    return figure_of(
        [line, _classes(kept, places, firsts, points)],
        f"{title}<br>dotted: no cheaper order is better",
        xaxis=axis_of("values that the block's ops touch, cheapest = 1"),
        yaxis=axis_of(metric, log=is_positive),
        showlegend=False,
    )


def _classes(
    kept: KeptStudy, places: Sequence[Place], firsts: Sequence[Run], points: Sequence[tuple[float, float]]
) -> Figure:
    """The points of the classes, those that are references with their names."""
    names, metric = reference_names(kept.result), kept.record.training.metric
    told = [
        f"{plain_text(wrapped(in_one_line(run.blocks)))}<br>{metric} {place.mean:.4g} over {place.n_runs} run(s)<br>"
        f"{run.n_parameters} parameters, {run.seconds:.3g} s a run{_known(names.get(place.order, ''))}"
        for run, place in zip(firsts, places, strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": rounded([x for x, _ in points]),
        "y": rounded([y for _, y in points]),
        "text": [plain_text(one_line(names.get(place.order, ""), 40)) for place in places],
        "textposition": "top center",
        "textfont": {"size": 10},
        "hovertext": told,
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {"size": 9, "color": COLOURS[0]},
    }


def _known(name: str) -> str:
    return f"<br>known as {plain_text(one_line(name, 60))}" if name else ""


def _cost(run: Run, dims: int) -> float:
    return sum(cost(BlockSpec.parse(text), dims=dims) for text in run.blocks.values())


def _front(points: Sequence[tuple[float, float]], *, minimise: bool) -> list[tuple[float, float]]:
    """The points that no cheaper one beats, cheapest first."""
    sign = 1 if minimise else -1
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], sign * point[1])):
        if not front or sign * y < sign * front[-1][1]:
            front.append((x, y))
    return front


def _hover(row: Row, metric: str) -> str:
    value = f"{plain_text(metric)} {row.mean:.4g} over {row.n}"
    parts = [plain_text(wrapped(row.order)), value, f"lr {row.learning_rate:g}"]
    if row.low is not None and row.high is not None:
        parts.append(f"95 % interval {row.low:+.3g} to {row.high:+.3g}")
    return "<br>".join(parts)


def _label(row: Row) -> str:
    marks = [*(["yours"] if row.is_baseline else []), *(["recommended"] if row.is_recommended else [])]
    name = f" ({', '.join(marks)})" if marks else ""
    return plain_text(wrapped(row.order + name))


def _line_at_zero() -> Figure:
    ends = {"x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper"}
    return {"type": "line", **ends, "line": {"color": "#555555", "width": 1, "dash": "dot"}}
