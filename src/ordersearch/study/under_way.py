"""What is being trained at this moment, here and by other workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from ordersearch.results import Run, run_of
from ordersearch.study.observer import Observer, UnderWay


def tell_under_way(study: optuna.Study, observers: Sequence[Observer], n_epochs: Callable[[Run], int]) -> None:
    """Tell the observers of the trials that some process has under way.

    Args:
        study: Whose trials.
        observers: Whom to tell.
        n_epochs: How many a run is to have.
    """
    if not observers:
        return
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    found = [_under_way(trial, n_epochs) for trial in trials]
    for observer in observers:
        observer.under_way(found)


def _under_way(trial: FrozenTrial, n_epochs: Callable[[Run], int]) -> UnderWay:
    run = run_of(trial)
    values = tuple(trial.intermediate_values[epoch] for epoch in sorted(trial.intermediate_values))
    started = trial.datetime_start
    seconds = time.time() - started.timestamp() if started else 0.0
    return UnderWay(trial.number, run.blocks, max(1, len(run.pack)), n_epochs(run), values, max(0.0, seconds))
