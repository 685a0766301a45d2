"""The orders with their figures, as the terminal shows them: of a search, and of a confirmation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from ordersearch.ranking import Decision, Place
from ordersearch.ranking.interval import FEWEST_FOR_INTERVAL, half_width
from ordersearch.report.ranked_table import Column, RankedTable, Row
from ordersearch.report.shown import LONGEST_NAME, UNICODE, cut, in_one_scale, shown
from ordersearch.results import Run, distinct_runs, in_one_line
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import Finalist
from ordersearch.study.result import SearchResult, ranked, reference_names
from ordersearch.study.search import Search
from ordersearch.study.verdict import Standing, Verdict

N_SHOWN = 10
"""Of two values, a 95 % interval reaches nine times as far as the values lie apart, and says nothing."""


def result_table(search: Search, result: SearchResult) -> RankedTable:
    """The orders of a search, best first, each at its best setting."""
    name = cut(shown(search.dataset.name), LONGEST_NAME, UNICODE)
    return _searched(search, result, f"Orders of {name} by {search.training.metric}")


def best_so_far(search: Search, runs: Sequence[Run]) -> RankedTable | None:
    """The orders of a search that goes on, best first; None before the first whole training."""
    places = ranked(runs, minimise=search.direction == "minimize")
    if not places:
        return None
    return _searched(
        search, SearchResult(tuple(runs), tuple(places), "", 0.0), f"Best so far by {search.training.metric}"
    )


def _searched(search: Search, result: SearchResult, title: str) -> RankedTable:
    """The first few places of a search's result."""
    metric, places = search.training.metric, result.places[:N_SHOWN]
    runs: dict[str, list[Run]] = {place.setting: [] for place in places}
    for run in distinct_runs(result.runs):
        if run.setting in runs:
            runs[run.setting].append(run)
    scores = [key for key in _shared(runs[places[0].setting]) if key.startswith("val/") and key != metric]
    names = reference_names(result)
    columns = (
        Column("", 0),
        Column(metric),
        Column("± 95 %", 1, is_left=True),
        *(Column(key, 4) for key in scores),
        Column("seeds", 2),
        Column("lr", 3),
        Column("batch", 3),
    )
    means = in_one_scale([place.mean for place in places])
    rows = [
        Row(
            (str(number), mean, _reach(place), *_scores(runs[place.setting], scores), *_setting(place, runs)),
            in_one_line(runs[place.setting][0].blocks),
            shown(names.get(place.order, "")),
            is_marked=number == 1,
        )
        for number, (place, mean) in enumerate(zip(places, means, strict=True), 1)
    ]
    told = "Orders with more seeds first; an interval from 3 seeds on."
    return RankedTable(title, columns, tuple(rows), told)


def _shared(runs: Sequence[Run]) -> list[str]:
    return [key for key in runs[0].metrics if all(key in run.metrics for run in runs)]


def _scores(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    own = _shared(runs)
    return [f"{math.fsum(run.metrics[key] for run in runs) / len(runs):.4f}" if key in own else "" for key in keys]


def _setting(place: Place, runs: Mapping[str, Sequence[Run]]) -> tuple[str, str, str]:
    run = runs[place.setting][0]
    return str(place.n_runs), f"{run.learning_rate:g}", "" if run.batch_size is None else str(run.batch_size)


def _reach(place: Place) -> str:
    """Half the width of the 95 % interval of a place's mean; nothing of too few seeds."""
    if place.spread is None or place.n_runs < FEWEST_FOR_INTERVAL:
        return ""
    return f"± {half_width(place.n_runs, place.spread):.2g}"


def interim_table(confirmation: Confirmation, runs: Sequence[Run]) -> RankedTable | None:
    """The finalists of a confirmation that goes on, in a fixed order; None before the first pair.

    The differences are what the pairs so far show. The intervals are those of the last look, as the verdict would have
    them; between two looks there is none that may be believed.
    """
    values = {
        order: {pair: value for pair, value in own.items() if math.isfinite(value)}
        for order, own in confirmation.values(runs).items()
    }
    if not any(values.values()):
        return None
    decision = confirmation.decision(runs)
    metric = confirmation.search.training.metric
    finalists = sorted(confirmation.finalists, key=lambda finalist: not finalist.is_baseline)
    means = in_one_scale([_mean(values[finalist.order]) for finalist in finalists])
    rows = [
        Row(
            _interim_cells(finalist, mean, values, decision, confirmation.baseline.order),
            finalist.trained,
            shown(finalist.name),
        )
        for finalist, mean in zip(finalists, means, strict=True)
    ]
    columns = (
        Column(""),
        Column(metric),
        Column("against yours"),
        Column("s.e.", 3),
        Column("95 % interval", 1),
        Column("pairs", 2),
    )
    return RankedTable(f"Finalists so far by {metric}", columns, tuple(rows), _looks(confirmation, decision))


def _mean(values: Mapping[int, float]) -> float:
    return math.fsum(values.values()) / len(values) if values else math.nan


def _interim_cells(
    finalist: Finalist, mean: str, values: Mapping[str, Mapping[int, float]], decision: Decision, baseline: str
) -> tuple[str, ...]:
    own, yours = values[finalist.order], values[baseline]
    differences = [own[pair] - yours[pair] for pair in sorted(own) if pair in yours]
    against, error = "", ""
    if finalist.is_baseline:
        against = "yours"
    elif differences:
        against = f"{math.fsum(differences) / len(differences):+.2g}"
        enough = len(differences) >= FEWEST_FOR_INTERVAL
        error = f"{statistics.stdev(differences) / math.sqrt(len(differences)):.2g}" if enough else ""
    found = next((found for found in decision.comparisons if found.order == finalist.order), None)
    interval = f"{found.low:+.2g} to {found.high:+.2g}" if found else ""
    is_failed = finalist.order in decision.failed
    mark = "=" if decision.n_pairs and finalist.order in decision.together else ""
    return mark, "failed" if is_failed else mean if own else "", against, error, interval, str(len(own))


def _looks(confirmation: Confirmation, decision: Decision) -> str:
    """What the figures of a confirmation that goes on are worth."""
    looks = confirmation.rule.looks
    after = [look for look in looks if look > decision.n_pairs]
    if not decision.n_pairs:
        return f"Interim, and not a result: the pairs are first judged when there are {looks[0]}."
    told = f"Interim: intervals and '=' (may be the best) are of the look at {decision.n_pairs} pairs"
    if not decision.wanted or not after:
        return f"{told}, the last one."
    if after[0] == looks[-1]:
        return f"{told}; the last one is at {looks[-1]}."
    return f"{told}; the next one is at {after[0]}, the last at {looks[-1]}."


def standings_table(search: Search, verdict: Verdict) -> RankedTable:
    """The finalists after the confirmation, best first; those that cannot be told from the best are marked."""
    metric = search.training.metric
    keys = set.intersection(*(set(standing.scores) for standing in verdict.standings))
    further = (f"test/{_score(search)}", f"val/{_score(search)}", "repaired/loss")
    scores = [key for key in further if key in keys and key != metric]
    columns = (
        Column(""),
        Column(metric),
        Column("against yours"),
        Column("pairs", 2),
        Column("best", 1),
        *(Column(key, 3 + place) for place, key in enumerate(scores)),
    )
    means = in_one_scale([standing.mean for standing in verdict.standings])
    rows = tuple(
        _standing(standing, mean, verdict, scores) for standing, mean in zip(verdict.standings, means, strict=True)
    )
    told = "=: may be the best. Against yours: 95 % interval of the difference. Best: the probability that it is."
    return RankedTable(f"Confirmed on fresh pairs, by {metric}", columns, rows, told)


def _score(search: Search) -> str:
    return "r2" if search.dataset.task == "regression" else "accuracy"


def _standing(standing: Standing, mean: str, verdict: Verdict, scores: Sequence[str]) -> Row:
    found, finalist = standing.comparison, standing.finalist
    against = f"{found.low:+.2g} to {found.high:+.2g}" if found else "yours" if finalist.is_baseline else ""
    is_recommended = finalist is verdict.recommended
    cells = (
        "=" if standing.is_together else "",
        mean,
        against,
        str(standing.n_pairs),
        f"{standing.probability:.0%}",
        *(f"{standing.scores[key]:.4g}" for key in scores),
    )
    notes = [shown(finalist.name), "recommended" * is_recommended]
    return Row(cells, finalist.trained, ", ".join(note for note in notes if note), is_marked=is_recommended)
