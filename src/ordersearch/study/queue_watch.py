"""Watching a queue of runs: whom to tell of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from ordersearch.results import FAILED, Run, State, run_of
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.run_queue import queued_runs
from ordersearch.study.under_way import tell_under_way
from ordersearch.study.watch import LOOK_SECONDS, Untold


class TellingWatch(ABC):
    """Tells the observers what a queue trains.

    Args:
        study: Where the runs are kept.
        observers: Whom to tell.
        max_epochs: Of a run.
        n_before: How many runs were there already.
    """

    def __init__(self, study: optuna.Study, observers: Sequence[Observer], *, max_epochs: int, n_before: int) -> None:
        self.study, self.observers = study, observers
        self.max_epochs, self.n_before = max_epochs, n_before
        self.started = self._looked = time.monotonic()
        self._untold = Untold(study)

    @abstractmethod
    def progress(self, runs: Sequence[Run]) -> Progress:
        """Where the queue stands with these runs."""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Tell that a trial has trained an epoch, and now and then what is under way."""
        for observer in self.observers:
            observer.epoch_finished(trial, epoch, value)
        if epoch == 0 or time.monotonic() - self._looked >= LOOK_SECONDS:
            self._tell_under_way()

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell what a trial came to."""
        self.catch_up(study)

    def catch_up(self, study: optuna.Study) -> None:
        """Tell what trials came to that have ended since the last time, unless another one had their runs."""
        new = [run for run in map(run_of, self._untold.take()) if run.state is not State.DUPLICATE]
        progress = self.progress(queued_runs(study)) if new else None
        for run in new:
            for observer in self.observers:
                assert progress is not None
                observer.trial_finished(run, progress)
        self._tell_under_way()

    def counted(self, runs: Sequence[Run], *, n_trained: int, n_trials: int) -> Progress:
        """The progress of a queue with so many of so many runs."""
        seconds, n_new = time.monotonic() - self.started, n_trained - self.n_before
        return Progress(
            n_trained=n_trained,
            n_trials=n_trials,
            n_pruned=0,
            n_failed=len({run.trial for run in runs if run.state in FAILED}),
            n_reused=0,
            seconds=seconds,
            seconds_left=seconds / n_new * (n_trials - n_trained) if n_new > 0 else None,
            runs=runs,
        )

    def _tell_under_way(self) -> None:
        self._looked = time.monotonic()
        tell_under_way(self.study, self.observers, lambda _: self.max_epochs)
