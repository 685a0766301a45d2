"""What a confirmation's runs measured besides the metric that decides."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from ordersearch.results import Run
from ordersearch.study.confirmation import Confirmation


def further_scores(confirmation: Confirmation, runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """For each finalist, the means over its complete runs of everything else that was measured."""
    complete = confirmation.complete(runs)
    baseline = complete[confirmation.baseline.order]
    n_samples = confirmation.search.dataset.n_train()
    return {order: _means(found, baseline, n_samples) for order, found in complete.items()}


def _means(found: Mapping[int, Run], baseline: Mapping[int, Run], n_samples: int) -> dict[str, float]:
    runs = [found[pair] for pair in sorted(found)]
    if not runs:
        return {}
    keys = sorted(set.intersection(*(set(run.metrics) for run in runs)))
    scores = {key: math.fsum(run.metrics[key] for run in runs) / len(runs) for key in keys}
    seconds = statistics.median(run.seconds for run in runs)
    if seconds > 0 and n_samples:
        scores["samples_per_second"] = n_samples * runs[0].n_epochs / seconds
    scores["n_parameters"] = float(runs[0].n_parameters)
    epochs = [_epochs_to(run, baseline[pair]) for pair, run in sorted(found.items()) if pair in baseline]
    if epochs:
        scores["epochs_to_baseline"] = statistics.median(epochs)
    return scores


def _epochs_to(run: Run, baseline: Run) -> float:
    """Epochs until the validation loss is as low as the baseline's last of the same pair; infinite if it never is."""
    goal = baseline.validation_losses[-1] if baseline.validation_losses else -math.inf
    return next((float(n) for n, loss in enumerate(run.validation_losses, 1) if loss <= goal), math.inf)
