"""The leaderboard as notes and plots show it: the search's best orders, or the finalists with what tells them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ordersearch.ranking import Place
from ordersearch.ranking.interval import told_half_width
from ordersearch.results import in_one_line
from ordersearch.study.kept_study import KeptStudy
from ordersearch.study.result import SearchResult, reference_names

N_SHOWN = 10


@dataclass(frozen=True)
class Row:
    """An order on the leaderboard.

    Attributes:
        order: As it is trained, in one line.
        name: What it is known as, or empty.
        mean: Of the metric.
        n: Over how many runs, or pairs.
        low: Lower end of the 95 % interval: of the mean in a search, of the difference to the baseline after it.
        high: Upper end.
        difference: To the baseline; None in a search, and of the baseline itself.
        learning_rate: At which it is trained.
        batch_size: Likewise, where the space chooses it.
        is_baseline: Whether the others are compared with it.
        is_together: Whether it cannot be told from the best; None in a search.
        is_recommended: Whether the verdict recommends it.
        probability: That its mean is the best; None in a search.
    """

    order: str
    name: str
    mean: float
    n: int
    low: float | None
    high: float | None
    learning_rate: float
    batch_size: int | None
    difference: float | None = None
    is_baseline: bool = False
    is_together: bool | None = None
    is_recommended: bool = False
    probability: float | None = None


def searched_rows(kept: KeptStudy) -> list[Row]:
    """The search's best orders, best first."""
    names = reference_names(kept.result)
    return [_searched(place, kept.result, names.get(place.order, "")) for place in kept.result.places[:N_SHOWN]]


def _searched(place: Place, result: SearchResult, name: str) -> Row:
    run, values = result.runs_of(place)[0], values_of(place, result)
    low, high = interval(values) or (None, None)
    return Row(in_one_line(run.blocks), name, place.mean, place.n_runs, low, high, run.learning_rate, run.batch_size)


def values_of(place: Place, result: SearchResult) -> list[float]:
    """The metric of each run of a place's setting."""
    return [run.value for run in result.runs_of(place) if run.value is not None]


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % t-interval of a mean; None of fewer than three values.

    Example:
        >>> [round(end, 2) for end in interval([1.0, 2.0, 3.0])], interval([1.0, 2.0])
        ([-0.48, 4.48], None)
    """
    reach = told_half_width(values)
    if reach is None:
        return None
    mean = math.fsum(values) / len(values)
    return mean - reach, mean + reach


def confirmed_rows(kept: KeptStudy) -> list[Row]:
    """The finalists after the confirmation's last look, best first; none before its first."""
    if kept.confirmed is None:
        return []
    verdict = kept.confirmed.verdict
    rows = []
    for standing in verdict.standings:
        finalist, found = standing.finalist, standing.comparison
        rows.append(
            Row(
                finalist.trained,
                finalist.name,
                standing.mean,
                standing.n_pairs,
                found.low if found else None,
                found.high if found else None,
                finalist.setting.learning_rate,
                finalist.setting.batch_size,
                found.difference if found else None,
                finalist.is_baseline,
                standing.is_together,
                finalist is verdict.recommended,
                standing.probability,
            )
        )
    return rows
