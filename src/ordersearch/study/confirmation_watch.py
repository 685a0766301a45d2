"""Watching a confirmation: counts, and whom to tell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from ordersearch.results import FAILED, Run, State, distinct_runs, run_of
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.run_queue import queued_runs

if TYPE_CHECKING:
    from ordersearch.study.confirmation import Confirmation


class ConfirmationWatch:
    """Tells the observers what a confirmation trains.

    Args:
        confirmation: Which.
        most: The most runs that there will be.
        observers: Whom to tell.
    """

    def __init__(self, confirmation: Confirmation, most: int, observers: Sequence[Observer]) -> None:
        self.confirmation, self.most, self.observers = confirmation, most, observers
        self.started = time.monotonic()
        self.n_before = 0

    def started_with(self, runs: Sequence[Run]) -> None:
        """Tell that it begins, with what is there."""
        self.n_before = len(distinct_runs(runs))
        for observer in self.observers:
            observer.confirmation_started(self.confirmation, self._progress(runs))

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Tell that a trial has trained an epoch."""
        for observer in self.observers:
            observer.epoch_finished(trial, epoch, value)

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell what a trial came to, unless another worker had its run."""
        run = run_of(trial)
        if run.state is State.DUPLICATE:
            return
        progress = self._progress(queued_runs(study))
        for observer in self.observers:
            observer.trial_finished(run, progress)

    def _progress(self, runs: Sequence[Run]) -> Progress:
        n_complete = len(distinct_runs(runs))
        seconds, n_new = time.monotonic() - self.started, n_complete - self.n_before
        return Progress(
            n_trained=n_complete,
            n_trials=self.most,
            n_pruned=0,
            n_failed=sum(run.state in FAILED for run in runs),
            n_reused=0,
            best=None,
            seconds=seconds,
            seconds_left=seconds / n_new * (self.most - n_complete) if n_new else None,
        )
