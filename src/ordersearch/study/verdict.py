"""The verdict: what a confirmation's runs show, in sentences and as figures. A pure function of the set of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ordersearch.ranking import Comparison, Decision
from ordersearch.results import Run
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import Finalist
from ordersearch.study.scores import further_scores
from ordersearch.study.verdict_text import LIKELY, better_than_baseline, cost_of, scope_text, verdict_text


@dataclass(frozen=True)
class Standing:
    """One finalist after the confirmation.

    Attributes:
        finalist: Who.
        mean: Of the metric over its pairs, as far as it was looked at.
        n_pairs: Over how many.
        comparison: With the baseline; None of the baseline itself, or where there is none.
        probability: That its mean is the best; 0 once beaten.
        is_together: Whether it cannot be told from the best.
        scores: Means over its complete pairs of the further figures: other metrics, ``test/...``, ``repaired/...``,
            ``epochs_to_baseline`` (median of the epochs until its validation loss reaches the baseline's last one,
            infinite if it never does),
            ``samples_per_second`` and ``n_parameters``.
    """

    finalist: Finalist
    mean: float
    n_pairs: int
    comparison: Comparison | None
    probability: float
    is_together: bool
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Verdict:
    """What the runs show, and what follows.

    Attributes:
        decision: The numbers behind it.
        standings: The finalists, best first.
        recommended: What was shown to be better than the baseline, else the baseline while it may be the best, else
            what may be the best. Of several, the cheapest that is the best with a probability of at least a tenth.
            None before the first look.
        text: The verdict in a few sentences.
        scope: What it holds for.
    """

    decision: Decision
    standings: tuple[Standing, ...]
    recommended: Finalist | None
    text: str
    scope: str


def verdict_of(confirmation: Confirmation, runs: Sequence[Run]) -> Verdict:
    """The verdict of these runs; neither their order nor who trained them matters."""
    decision = confirmation.decision(runs)
    recommended = _recommended(confirmation, decision)
    return Verdict(
        decision,
        _standings(confirmation, decision, runs),
        recommended,
        verdict_text(confirmation, decision, recommended),
        scope_text(confirmation),
    )


def _recommended(confirmation: Confirmation, decision: Decision) -> Finalist | None:
    """What to take home: what was shown to be better than the baseline, else the baseline while it may be the best.

    Of several the cheapest; but cheaper is no reason to take what is hardly the best, since with few pairs, much
    cannot be told from the best.
    """
    baseline = confirmation.baseline.order
    better = {found.order for found in better_than_baseline(confirmation, decision)}
    believed = [order for order in decision.together if order in better]
    if not believed and baseline in decision.together:
        return confirmation.baseline
    candidates = believed or list(decision.together)
    likely = [order for order in candidates if decision.probabilities[order] >= LIKELY] or candidates[:1]
    by_order = {finalist.order: finalist for finalist in confirmation.finalists}
    return min(
        (by_order[order] for order in likely),
        key=lambda finalist: (cost_of(confirmation, finalist), likely.index(finalist.order)),
        default=None,
    )


def _standings(confirmation: Confirmation, decision: Decision, runs: Sequence[Run]) -> tuple[Standing, ...]:
    comparisons = {found.order: found for found in decision.comparisons}
    sign = 1 if confirmation.search.direction == "minimize" else -1
    ranked = [f for f in confirmation.finalists if f.order in decision.means]
    ranked.sort(key=lambda f: (f.order not in decision.together, sign * decision.means[f.order], f.order))
    scores = further_scores(confirmation, runs)
    return tuple(
        Standing(
            finalist,
            decision.means[finalist.order],
            decision.looked[finalist.order],
            comparisons.get(finalist.order),
            decision.probabilities.get(finalist.order, 0.0),
            finalist.order in decision.together,
            scores[finalist.order],
        )
        for finalist in ranked
    )
