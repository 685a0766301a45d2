"""Watching a search: counts, when to stop, whom to tell."""

from __future__ import annotations

import time
from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection

from ordersearch.results import FAILED, RETRIED, Run, State, count_trained, read_runs, run_of
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.opening import queue_again
from ordersearch.study.sampler import DistinctSampler


class Watch:
    """Counts what a search has done, stops it when it is over, and tells the observers.

    Args:
        study: The study.
        sampler: Knows when every setting has had its runs.
        n_trials: The total of trained trials to stop at, or None.
        timeout: Seconds to stop at, or None.
        observers: Whom to tell.
    """

    def __init__(
        self,
        study: optuna.Study,
        sampler: DistinctSampler,
        *,
        n_trials: int | None,
        timeout: float | None,
        observers: Sequence[Observer],
    ) -> None:
        self.study, self.sampler, self.observers = study, sampler, observers
        self.n_trials, self.timeout = n_trials, timeout
        self.started = time.monotonic()
        self.trained_before = count_trained(read_runs(study))

    def seconds(self) -> float:
        """Since the watch began."""
        return time.monotonic() - self.started

    def progress(self, runs: Sequence[Run]) -> Progress:
        """Where the search stands with these runs."""
        n_trained = count_trained(runs)
        complete = [run for run in runs if run.state is State.COMPLETE and run.value is not None]
        sign = 1 if self.study.direction is StudyDirection.MINIMIZE else -1
        return Progress(
            n_trained=n_trained,
            n_trials=self.n_trials,
            n_pruned=sum(run.state is State.PRUNED for run in runs),
            n_failed=sum(run.state in FAILED for run in runs),
            n_reused=sum(run.n_reused for run in runs),
            best=min(complete, key=lambda run: sign * (run.value or 0.0), default=None),
            seconds=self.seconds(),
            seconds_left=self._seconds_left(n_trained),
        )

    def _seconds_left(self, n_trained: int) -> float | None:
        left = [] if self.timeout is None else [max(0.0, self.timeout - self.seconds())]
        n_new = n_trained - self.trained_before
        if self.n_trials is not None and n_new:
            left.append(self.seconds() / n_new * max(0, self.n_trials - n_trained))
        return min(left, default=None)

    def stop_reason(self, runs: Sequence[Run]) -> str:
        """Why the search is over with these runs, or nothing while it is not."""
        if self.n_trials is not None and count_trained(runs) >= self.n_trials:
            return "trials"
        if sum(run.state in FAILED for run in runs) >= max(10, 2 * (self.n_trials or self.sampler.space.n_settings)):
            return "failures"
        return "exhausted" if self.sampler.is_done(runs) else ""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Tell that a trial has trained an epoch."""
        for observer in self.observers:
            observer.epoch_finished(trial, epoch, value)

    def trial_finished(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Queue a first crash once more, tell, and stop the study when it is over."""
        run, runs = run_of(trial), read_runs(study)
        same = [other for other in runs if other.setting == run.setting and other.seed == run.seed]
        if run.state in RETRIED and len(same) == 1:
            queue_again(study, trial)
        progress = self.progress(runs)
        for observer in self.observers:
            observer.trial_finished(run, progress)
        if self.stop_reason(runs):
            study.stop()
