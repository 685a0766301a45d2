"""The verdict: what a confirmation's runs show, in sentences and as figures. A pure function of the set of runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ordersearch.identities import cost
from ordersearch.ranking import Comparison, Decision, pairs_needed
from ordersearch.results import Run
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import Finalist

MANY_PAIRS = 500
LIKELY = 0.1


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
        scores: Means over the pairs of the further figures: other metrics, ``test/...``, ``repaired/...``,
            ``epochs_to_baseline`` (epochs until its validation loss reaches the baseline's last one, NaN if never),
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
        recommended: Of those that cannot be told from the best and are it with a probability of at least a tenth, the
            cheapest; None before the first look.
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
    by_order = {finalist.order: finalist for finalist in confirmation.finalists}
    # Cheaper is no reason to take what is hardly the best: with few pairs, much cannot be told from the best.
    likely = [by_order[order] for order in decision.together if decision.probabilities[order] >= LIKELY]
    dims = confirmation.search.dataset.dims or 2
    recommended = min(
        likely,
        key=lambda f: (sum(cost(s, dims=dims) for s in f.setting.blocks.values()), decision.means[f.order], f.order),
        default=None,
    )
    return Verdict(
        decision,
        _standings(confirmation, decision, runs),
        recommended,
        _text(confirmation, decision, recommended),
        _scope(confirmation),
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
            decision.beaten.get(finalist.order, decision.n_pairs),
            comparisons.get(finalist.order),
            decision.probabilities.get(finalist.order, 0.0),
            finalist.order in decision.together,
            scores[finalist.order],
        )
        for finalist in ranked
    )


def further_scores(confirmation: Confirmation, runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """For each finalist, the means over its complete runs of everything else that was measured."""
    orders = {finalist.setting.digest: finalist.order for finalist in confirmation.finalists}
    complete: dict[str, dict[int, Run]] = {order: {} for order in orders.values()}
    for run in runs:
        if run.setting in orders and run.value is not None:
            complete[orders[run.setting]].setdefault(run.seed, run)
    baseline = complete[confirmation.baseline.order]
    n_samples = confirmation.search.dataset.n_train()
    return {order: _means(found, baseline, n_samples) for order, found in complete.items()}


def _means(found: Mapping[int, Run], baseline: Mapping[int, Run], n_samples: int) -> dict[str, float]:
    runs = [found[seed] for seed in sorted(found)]
    if not runs:
        return {}
    keys = sorted(set.intersection(*(set(run.metrics) for run in runs)))
    scores = {key: math.fsum(run.metrics[key] for run in runs) / len(runs) for key in keys}
    seconds = statistics.median(run.seconds for run in runs)
    if seconds > 0:
        scores["samples_per_second"] = n_samples * runs[0].n_epochs / seconds
    scores["n_parameters"] = float(runs[0].n_parameters)
    epochs = [_epochs_to(run, baseline[run.seed]) for run in runs if run.seed in baseline]
    if epochs:
        scores["epochs_to_baseline"] = statistics.median(epochs)
    return scores


def _epochs_to(run: Run, baseline: Run) -> float:
    """Epochs until the validation loss is as low as the baseline's last of the same pair; infinite if it never is."""
    goal = baseline.validation_losses[-1] if baseline.validation_losses else -math.inf
    return next((float(n) for n, loss in enumerate(run.validation_losses, 1) if loss <= goal), math.inf)


def _text(confirmation: Confirmation, decision: Decision, recommended: Finalist | None) -> str:
    metric, baseline = confirmation.search.training.metric, confirmation.baseline
    failed = [f for f in confirmation.finalists if f.order in decision.failed]
    sentences = [f"'{f.trained}' failed to train in some pair and is out." for f in failed if not f.is_baseline]
    if baseline.order in decision.failed:
        sentences.append(f"The baseline '{baseline.trained}' failed to train, so nothing can be compared with it.")
    if len(confirmation.finalists) < 2:
        return f"'{baseline.trained}' is the only order that was completed, so there is nothing to compare it with."
    if decision.best is None or recommended is None:
        return " ".join([*sentences, "There are too few pairs for a verdict: the same command goes on."])
    found = {comparison.order: comparison for comparison in decision.comparisons}
    by_order = {finalist.order: finalist for finalist in confirmation.finalists}
    best = by_order[decision.best]
    if best.is_baseline:
        sentences.append(_keep(decision, best, metric))
    elif best.order in found and found[best.order].is_believed:
        sentences.append(_better(found[best.order], best, baseline, metric, decision))
    elif best.order in found:
        sentences.append(_cannot_tell(found[best.order], best, baseline, metric, len(confirmation.finalists) - 1))
    sentences.append(_together(decision, best, recommended))
    return " ".join(sentence for sentence in sentences if sentence)


def _keep(decision: Decision, baseline: Finalist, metric: str) -> str:
    n, mean = len(decision.comparisons) + 1, decision.means[baseline.order]
    return (
        f"Keep your order '{baseline.trained}': over {decision.n_pairs} pairs its {metric}, {mean:.4g}, is the best of "
        f"{n} orders."
    )


def _better(found: Comparison, best: Finalist, baseline: Finalist, metric: str, decision: Decision) -> str:
    means = f"{metric} {decision.means[best.order]:.4g} against {decision.means[baseline.order]:.4g}"
    return (
        f"'{best.trained}' is better than your order '{baseline.trained}': {means}, difference {_interval(found)} over "
        f"{found.n_pairs} pairs."
    )


def _cannot_tell(found: Comparison, best: Finalist, baseline: Finalist, metric: str, n_comparisons: int) -> str:
    needed = pairs_needed(found, n_comparisons=n_comparisons)
    more = needed - found.n_pairs
    if more > MANY_PAIRS:
        advice = f"more than {MANY_PAIRS} further pairs would be needed, so the order hardly matters here"
    else:
        advice = f"about {max(1, more):.0f} more pairs would, if the difference is what it seems"
    return (
        f"Cannot tell '{best.trained}' from your order '{baseline.trained}' with {found.n_pairs} pairs: the difference "
        f"in {metric} is {_interval(found)}; {advice}."
    )


def _interval(found: Comparison) -> str:
    return f"{found.difference:+.3g} (95 % interval {found.low:+.3g} to {found.high:+.3g})"


def _together(decision: Decision, best: Finalist, recommended: Finalist) -> str:
    others = len(decision.together) - 1
    if others == 0:
        return "All others are worse." if len(decision.means) > 2 else ""
    told = f"{others} other{'s' * (others > 1)} cannot be told from it"
    if recommended.order == best.order:
        return f"{told}."
    what = "would do as well and costs less" if best.is_baseline else "is the cheapest of those that may be the best"
    return f"{told}; '{recommended.trained}' {what}."


def _scope(confirmation: Confirmation) -> str:
    search = confirmation.search
    training, dataset = search.training, search.dataset
    drawn = "retraining" if dataset.x_val is not None else "retraining and resplitting"
    fixed = " (its validation part is fixed)" if dataset.x_val is not None else ""
    return (
        f"{dataset.name}, over {drawn}{fixed}; network {search.network.name}, {training.max_epochs} epochs, batches of "
        f"{training.batch_size}. Each order at the learning rate and dropout rate that were best in the search; all "
        f"else is held fixed."
    )
