"""Watching a search: counts, when to stop, whom to tell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import optuna
from optuna.trial import FrozenTrial

from ordersearch.attach.turns import await_turn
from ordersearch.results import FAILED, RETRIED, TRAINED, Run, State, count_trained, read_runs, run_of, runs_of_setting
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.opening import queue_again
from ordersearch.study.pace import Pace
from ordersearch.study.sampler import DistinctSampler
from ordersearch.study.team import ALONE, Team
from ordersearch.study.under_way import tell_under_way

LOOK_SECONDS = 1.0
"""How often an epoch's end is taken for a look at what the other workers have finished."""


class Untold:
    """Which trials have ended and were not told of yet, whichever process trained them.

    Args:
        study: Whose trials; those that are over now are taken as told.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._told = {trial.number for trial in self._finished()}

    def take(self) -> list[FrozenTrial]:
        """The trials that ended since the last call, in the order in which they did."""
        new = [trial for trial in self._finished() if trial.number not in self._told]
        self._told.update(trial.number for trial in new)
        return sorted(new, key=lambda trial: (str(trial.datetime_complete), trial.number))

    def _finished(self) -> list[FrozenTrial]:
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.is_finished()]


class Watch:
    """Counts what a search has done, stops it when it is over, and tells the observers.

    Args:
        study: The study.
        sampler: Knows when every setting has had its runs.
        n_trials: The total of trained trials to stop at, or None.
        timeout: Seconds to stop at, or None.
        observers: Whom to tell.
        pace: Counts what trials take.
        team: The processes that search along.
    """

    def __init__(
        self,
        study: optuna.Study,
        sampler: DistinctSampler,
        *,
        n_trials: int | None,
        timeout: float | None,
        observers: Sequence[Observer],
        pace: Pace,
        team: Team = ALONE,
    ) -> None:
        self.study, self.sampler, self.observers, self.team = study, sampler, observers, team
        self.n_trials, self.timeout, self.pace = n_trials, timeout, pace
        self.started = self._looked = time.monotonic()
        self._untold = Untold(study)

    def seconds(self) -> float:
        """Since the watch began."""
        return time.monotonic() - self.started

    def timeout_left(self) -> float | None:
        """What is left of the time; None where there is no limit."""
        return None if self.timeout is None else max(0.0, self.timeout - self.seconds())

    def progress(self, runs: Sequence[Run]) -> Progress:
        """Where the search stands with these runs."""
        n_trained = count_trained(runs)
        n_pruned = _count_trials(run for run in runs if run.state is State.PRUNED)
        return Progress(
            n_trained=n_trained,
            n_trials=self.n_trials,
            n_pruned=n_pruned,
            n_failed=_count_trials(run for run in runs if run.state in FAILED),
            n_reused=sum(run.n_reused for run in runs),
            seconds=self.seconds(),
            seconds_left=self._seconds_left(n_trained, n_pruned),
            runs=runs,
        )

    def _seconds_left(self, n_trained: int, n_pruned: int) -> float | None:
        left = [self.timeout_left()]
        if self.n_trials is not None:
            counts = {"n_trials": self.n_trials, "n_trained": n_trained, "n_probed": n_pruned}
            left.append(self.pace.seconds_left(**counts, seconds=self.seconds()))
        return min((seconds for seconds in left if seconds is not None), default=None)

    def stop_reason(self, runs: Sequence[Run]) -> str:
        """Why the search is over with these runs, or nothing while it is not."""
        if self.n_trials is not None and count_trained(runs) >= self.n_trials:
            return "trials"
        if len({run.trial for run in runs if run.state in FAILED}) >= max(
            10, 2 * (self.n_trials or self.sampler.space.n_settings)
        ):
            return "failures"
        return "exhausted" if self.sampler.is_done(runs) else ""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Tell that a trial has trained an epoch, and now and then what the other workers have finished."""
        for observer in self.observers:
            observer.epoch_finished(trial, epoch, value)
        if epoch == 0:
            tell_under_way(self.study, self.observers, self._n_epochs)
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self.catch_up()

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell of what has ended, queue a first crash once more, and stop the study when it is over."""
        self._retry(trial)
        self.catch_up()
        if self._is_over():
            study.stop()

    def catch_up(self) -> None:
        """Tell of the trials that have ended since the last time, other workers' too, and queue lost runs again."""
        self._looked = time.monotonic()
        for lost in self.team.look(self.study):
            self._queue_lost(lost)
        new = self._untold.take()
        for trial in new:
            self.pace.count(trial)
        progress = self.progress(read_runs(self.study)) if new else None
        for trial in new:
            for observer in self.observers:
                assert progress is not None
                observer.trial_finished(run_of(trial), progress)
        tell_under_way(self.study, self.observers, self._n_epochs)

    def _n_epochs(self, run: Run) -> int:
        """How many epochs a run under way is to have."""
        if self.pace.probe_epochs is None:
            return self.pace.max_epochs
        others = runs_of_setting(self.study, run.setting, besides=run.trial)
        is_new = not any(other.state in TRAINED for other in others)
        return self.pace.probe_epochs if is_new else self.pace.max_epochs

    def _retry(self, trial: FrozenTrial) -> None:
        """Queue a first crash once more."""
        run = run_of(trial)
        if run.state not in RETRIED:
            return
        same = [other for other in read_runs(self.study) if (other.setting, other.seed) == (run.setting, run.seed)]
        if len(same) == 1:
            queue_again(self.study, trial)

    def _queue_lost(self, trial: FrozenTrial) -> None:
        """Queue the run of a worker that died once more; one that was queued and had not begun yet, in any case."""
        if run_of(trial).setting:
            self._retry(trial)
        elif "fixed_params" in trial.system_attrs:
            queue_again(self.study, trial)

    def _is_over(self) -> bool:
        """Whether this process is to begin no further trial."""
        # What another one has just begun may be the last that there is: it says so in a moment.
        await_turn(self.study, len(self.study.get_trials(deepcopy=False)))
        runs = read_runs(self.study)
        if self.team.is_over() or self.stop_reason(runs):
            return True
        # What others have under way is waited for, so that a search has as many trials as it was asked for.
        if self.n_trials is None:
            return False
        return count_trained(runs) + self.team.n_under_way(self.study) >= self.n_trials


def _count_trials(runs: Iterable[Run]) -> int:
    """How many trials these runs are of."""
    return len({run.trial for run in runs})
