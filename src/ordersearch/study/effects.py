"""What the orders' parts do, from all runs of a search and its confirmation: ``effects.csv``, ``effects.json``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ordersearch.documents import write_whole
from ordersearch.ranking import Effect, HeatMap, Outcome, PartEffect, PartEffects, part_effects, same_networks
from ordersearch.ranking.parts import Pair, drops_before_norm, has_parts
from ordersearch.results import Run, State, distinct_runs
from ordersearch.space.dropout_placement import places_of
from ordersearch.spec import BlockSpec
from ordersearch.study.record import Searched

COLUMNS = ("about", "epochs", "role", "part", "effect", "low", "high", "n_contexts", "n_runs")
REPAIRED_COLUMNS = ("repaired", "repaired_low", "repaired_high", "repaired_n_contexts", "same_network")


def effects_of(search: Searched, runs: Sequence[Run], *, of_probes: bool = False) -> PartEffects:
    """What the parts do, from the complete runs; neither their order nor who trained them matters.

    Args:
        search: Whose runs these are.
        runs: Of the search and of its confirmation.
        of_probes: From the probes, instead: of all settings, but after their first few epochs.
    """
    groups, space = _groups(search, runs), search.space
    same: dict[tuple[str, Pair], tuple[str, ...]] = {}
    for name, roles in groups.items():
        classes = space.classes(roles[-1]).values() if space else ()
        same |= {(name, pair): reasons for pair, reasons in same_networks(classes).items()}
    return part_effects(_outcomes(search, _as_complete(search, runs) if of_probes else runs), groups, same)


def _as_complete(search: Searched, runs: Sequence[Run]) -> list[Run]:
    """The probes, each as a run that is over; those of another length than most have are left out."""
    metric = search.training.metric
    n_epochs = probed_epochs(runs)
    probes = (run for run in runs if run.state is State.PRUNED and run.n_epochs == n_epochs and metric in run.metrics)
    return [replace(run, state=State.COMPLETE, value=run.metrics[metric]) for run in probes]


def probed_epochs(runs: Sequence[Run]) -> int:
    """How many epochs the probes were trained, most of them; 0 where there are none."""
    lengths = Counter(run.n_epochs for run in runs if run.state is State.PRUNED)
    return max(lengths, key=lambda length: (lengths[length], length), default=0)


def _groups(search: Searched, runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    space = search.space
    if space is None:
        return {role: (role,) for run in runs for role in run.canonical}
    placement = next(iter(space.dropout_placement), "")
    return {role: places_of(role, placement) for role in space.roles}


def _outcomes(search: Searched, runs: Sequence[Run]) -> list[Outcome]:
    part, _, score = search.training.metric.partition("/")
    key = f"repaired/{score}" if part == "val" else ""
    return [_outcome(run, key) for run in distinct_runs(runs) if run.value is not None]


def _outcome(run: Run, key: str) -> Outcome:
    """The run as its effects need it; ``key`` names its repaired metric, and is empty where there is none."""
    blocks = {role: BlockSpec.parse(text) for role, text in run.canonical.items()}
    is_repaired = bool(key) and any(map(drops_before_norm, blocks.values()))
    return Outcome(
        blocks,
        (run.learning_rate, *([] if run.batch_size is None else [run.batch_size])),
        run.seed,
        run.split,
        math.nan if run.value is None else run.value,
        run.metrics.get(key, math.nan) if is_repaired else None,
    )


def write_effects(folder: Path, search: Searched, runs: Sequence[Run]) -> list[Path]:
    """Write ``effects.csv``, the table, and ``effects.json``, which has the heat maps and how all is meant, too."""
    table, document = folder / "effects.csv", folder / "effects.json"
    found, early = effects_of(search, runs), effects_of(search, runs, of_probes=True)
    lengths = (search.training.max_epochs, probed_epochs(runs))
    write_whole(table, _as_csv({lengths[0]: found} | ({lengths[1]: early} if lengths[1] else {})))
    values = {**_as_values(search, runs, found), "after_probes": {"n_epochs": lengths[1], **_tables(early)}}
    write_whole(document, json.dumps(values, indent=1, allow_nan=False) + "\n")
    return [table, document]


def _as_csv(by_epochs: Mapping[int, PartEffects]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, *REPAIRED_COLUMNS), lineterminator="\n")
    writer.writeheader()
    for epochs, found in by_epochs.items():
        for about, rows in (("precedence", found.precedences), ("placement", found.placements)):
            for row in rows:
                same = " ".join(row.same_network)
                writer.writerow({"about": about, "epochs": epochs, **_row(row), "same_network": same})
    return text.getvalue()


def _row(row: PartEffect) -> dict[str, Any]:
    again = _figures(row.repaired)
    del again["n_runs"]
    repaired = {f"repaired_{name}": value for name, value in again.items() if name != "effect"}
    return {"role": row.role, "part": row.part, **_figures(row.effect), "repaired": again["effect"], **repaired}


def _figures(effect: Effect | None) -> dict[str, Any]:
    if effect is None:
        return {"effect": None, "low": None, "high": None, "n_contexts": 0, "n_runs": 0}
    means = {"effect": effect.mean, "low": effect.low, "high": effect.high}
    rounded = {name: None if value is None else float(f"{value:.6g}") for name, value in means.items()}
    return {**rounded, "n_contexts": effect.n_contexts, "n_runs": effect.n_runs}


def _as_values(search: Searched, runs: Sequence[Run], found: PartEffects) -> dict[str, Any]:
    return {
        "metric": search.training.metric,
        "direction": search.direction,
        "how_to_read": reading(search),
        "limits": limits(search, runs),
        **_tables(found),
    }


def _tables(found: PartEffects) -> dict[str, Any]:
    return {
        "precedences": [{**_row(row), "same_network": list(row.same_network)} for row in found.precedences],
        "placements": [_row(row) for row in found.placements],
        "heat_maps": [_map(heat_map) for heat_map in found.heat_maps],
    }


def _map(heat_map: HeatMap) -> dict[str, Any]:
    def grid(cells: Mapping[tuple[str, str], Effect], figure: str) -> list[list[Any]]:
        return [[_figures(cells.get((row, column)))[figure] for column in heat_map.columns] for row in heat_map.rows]

    return {
        "role": heat_map.role,
        "rows": list(heat_map.rows),
        "columns": list(heat_map.columns),
        **{name: grid(heat_map.cells, name) for name in ("effect", "low", "high", "n_contexts", "n_runs")},
        "repaired": grid(heat_map.repaired, "effect"),
    }


def direction_told(search: Searched) -> str:
    """Which way the metric is meant.

    Example:
        >>> from types import SimpleNamespace
        >>> direction_told(SimpleNamespace(direction="minimize"))
        'lower is better'
    """
    return "lower is better" if search.direction == "minimize" else "higher is better"


def reading(search: Searched) -> list[str]:
    """How the figures are meant, in sentences."""
    metric = search.training.metric
    return [
        f"Of {metric}, {direction_told(search)}. An effect is a mean over contexts.",
        f"A precedence's effect is {metric} with it minus {metric} with the two ops the other way round. A context is "
        "all else: the other precedences, ops, rates, learning rate, batch size, the blocks of other roles. Both are "
        "compared at the same seed and split.",
        f"A placement's effect is {metric} there minus the mean of the placements that were trained in the same "
        "context: the same order without the op, compared at the same dropout rate, seed and split. No dropout is "
        "compared at each rate. A network that several orders are counts to the placement of each.",
        "A heat map's cell is the placement of norm (row) and dropout (column) together, against the mean of its "
        "context's cells.",
        "Repaired is the same effect with other values for the runs with a dropout before a batch norm in one block: "
        "the same weights with batch norm's statistics estimated again with dropout off. All other runs keep their "
        "values; where no run has another one, it is empty.",
        "An interval is a 95 % t-interval over contexts; with one context there is none. Each stands alone: of many, "
        "some leave out 0 by chance.",
    ]


def limits(search: Searched, runs: Sequence[Run]) -> list[str]:
    """What the figures do not hold for, and what is left out, in sentences."""
    complete = distinct_runs(runs)
    told = [
        f"{_of_one_split(search, complete)}, which the intervals do not vary.",
        "These are figures about the orders' parts, not a test of any order; that is what the verdict is for.",
    ]
    whole = {run.setting for run in complete}
    if n_pruned := len({run.setting for run in runs if run.state is State.PRUNED} - whole):
        told.append(
            f"Settings that were probed and never trained whole are left out: {n_pruned}. What did badly is missing, "
            "so effects may look smaller than they are; those after the probes are of all settings, but of few epochs."
        )
    n_without = sum(not any(has_parts(BlockSpec.parse(text)) for text in run.canonical.values()) for run in complete)
    if n_without:
        told.append(
            f"{n_without} runs are left out whose blocks repeat a role or join a shortcut: there, 'norm before "
            "activation' has no one meaning."
        )
    return told


def _of_one_split(search: Searched, complete: Sequence[Run]) -> str:
    n, n_there = len(complete), sum(run.split == search.seed for run in complete)
    if n_there < n:
        return f"{n_there} of {n} runs are of the search's one split"
    return f"All {n} runs are of one split" + " and one seed" * (len({run.seed for run in complete}) == 1)
