"""Runs that are known by name: queued in a study, trained by whoever is free, and waited for where another has them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from ordersearch.attach.turns import age_seconds
from ordersearch.objective import ConfirmingObjective, Setting, Trainer, TrialFailed
from ordersearch.objective.pack import Pair, described
from ordersearch.results import FAILED, RETRIED, Attribute, Run, State, in_one_line, read_runs
from ordersearch.study.opening import end_abandoned, lives_here, worker_name
from ordersearch.study.storage import plain_interrupts, quiet_optuna, storage_errors
from ordersearch.study.team import ALONE, Team

SHORTEST_PATIENCE_SECONDS = 60.0
PATIENCE_IN_RUNS = 5
WAIT_SECONDS = 0.1


class QueueWatch(Protocol):
    """Who is told of what a queue trains."""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """A trial has trained an epoch (counted from 0)."""

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """A trial has ended."""

    def catch_up(self, study: optuna.Study) -> None:
        """Other workers' trials may have ended."""


@dataclass(frozen=True)
class WantedRuns:
    """Runs of one setting that are to be trained, in one trial.

    Attributes:
        setting: What is trained.
        pairs: Seed and split of each; several are trained together.
        name: Of the reference that it is, or empty.
    """

    setting: Setting
    pairs: tuple[Pair, ...]
    name: str = ""

    def params(self) -> dict[str, Any]:
        """The parameters of its trial: without any, the dashboard's page of the study fails to say what matters."""
        blocks = {role: str(spec) for role, spec in self.setting.blocks.items()}
        return {"order": in_one_line(blocks), "lr": self.setting.learning_rate}

    def attributes(self) -> dict[str, Any]:
        """What a queued trial carries."""
        kept = {Attribute.REFERENCE: self.name, **self.setting.attributes()}
        # Optuna takes the keys as they are, and an enumeration's member is no plain text to every storage.
        return described(self.pairs) | {str(name): value for name, value in kept.items()}


class RunQueue:
    """Trains the runs that are asked for, together with all other processes that have the same study open.

    Args:
        study: Where the runs are kept.
        trainer: Trains a setting.
        timeout: Seconds after which no further run begins, or None.
        watch: Is told of every run.
        is_final: Whether these are finalists' runs, which alone are scored on the test part.
        team: The processes that train along.
    """

    def __init__(
        self,
        study: optuna.Study,
        trainer: Trainer,
        *,
        timeout: float | None = None,
        watch: QueueWatch | None = None,
        is_final: bool = True,
        team: Team = ALONE,
    ) -> None:
        # Every parameter is queued; the default sampler would model them all the same.
        study.sampler = optuna.samplers.RandomSampler()
        self.study, self.trainer, self.timeout, self.watch, self.is_final = study, trainer, timeout, watch, is_final
        self.team = team

    def train(self, missing: Callable[[Sequence[Run]], Sequence[WantedRuns]]) -> tuple[list[Run], str]:
        """Train until nothing is missing.

        Args:
            missing: What is still to be trained, of the runs so far.

        Returns:
            The runs, and ``done``, ``time`` or ``interrupted``.
        """
        with quiet_optuna(), storage_errors():
            ended = self._train_while(lambda: self._queue(missing))
            return queued_runs(self.study), ended

    def serve(self) -> str:
        """Train what another process queues until that one says stop; ``done``, ``time`` or ``interrupted``."""
        with quiet_optuna(), storage_errors():
            return self._train_while(lambda: not self.team.is_over())

    def _train_while(self, is_more: Callable[[], bool]) -> str:
        started = time.monotonic()
        ended = "done"
        gc.freeze()
        try:
            self.team.begin_queue(self.study.study_name, timeout=self.timeout, is_final=self.is_final)
            while is_more():
                if self.timeout is not None and time.monotonic() - started >= self.timeout:
                    ended = "time"
                    break
                self._train_one()
                self.team.look(self.study)
            self.team.end(self.study, self._catch_up)
        except KeyboardInterrupt:
            self.team.interrupt()
            end_abandoned(self.study, is_idle=True)
            ended = "interrupted"
        finally:
            gc.unfreeze()
        return ended

    def _catch_up(self) -> None:
        self.team.look(self.study)
        if self.watch is not None:
            self.watch.catch_up(self.study)

    def _queue(self, missing: Callable[[Sequence[Run]], Sequence[WantedRuns]]) -> bool:
        """Queue what is missing and nobody has; whether anything is missing."""
        trials = self.study.get_trials(deepcopy=False)
        under_way = {
            (trial.user_attrs.get(Attribute.SETTING), trial.user_attrs.get(Attribute.SEED))
            for trial in trials
            if trial.state is TrialState.WAITING or (trial.state is TrialState.RUNNING and not self._is_overdue(trial))
        }
        wanted = missing(queued_runs(self.study))
        has_params = Attribute.ORDERS in self.study.user_attrs
        for run in wanted:
            if (run.setting.digest, run.pairs[0][0]) not in under_way:
                self.study.enqueue_trial(run.params() if has_params else {}, user_attrs=run.attributes())
        return bool(wanted)

    def _is_overdue(self, trial: FrozenTrial) -> bool:
        """Whether a run has been under way for so long, elsewhere, that its process is taken to be gone."""
        is_here = lives_here(trial.user_attrs.get(Attribute.WORKER, ""))
        return not is_here and age_seconds(trial) > self._patience_seconds()

    def _patience_seconds(self) -> float:
        complete = [run for run in read_runs(self.study) if run.state is State.COMPLETE]
        seconds = [run.seconds * max(1, len(run.pack)) for run in complete]
        return max(SHORTEST_PATIENCE_SECONDS, PATIENCE_IN_RUNS * statistics.median(seconds) if seconds else 0.0)

    def _train_one(self) -> None:
        if not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            # Another worker has the rest under way, or was killed while it had.
            time.sleep(WAIT_SECONDS)
            self._catch_up()
            if self.team.number == 0:
                end_abandoned(self.study)
            return
        objective = ConfirmingObjective(
            self.trainer,
            worker=worker_name(),
            on_epoch=self.watch.epoch_finished if self.watch else None,
            patience_seconds=self._patience_seconds(),
            is_final=self.is_final,
        )
        callbacks = [self.watch.trial_finished] if self.watch else []
        # One at a time: for more than there are, Optuna makes up trials of its own.
        with plain_interrupts():
            self.study.optimize(objective, n_trials=1, catch=(TrialFailed,), callbacks=callbacks)


def queued_runs(study: optuna.Study) -> list[Run]:
    """The runs of a queue's study; what crashed before the tries were renewed counts as interrupted."""
    renewed = study.user_attrs.get(Attribute.FRESH_TRIES_FROM, 0)
    return [
        replace(run, state=State.INTERRUPTED) if run.state in RETRIED and run.trial < renewed else run
        for run in read_runs(study)
    ]


def renew_tries(study: optuna.Study) -> None:
    """Give every run that crashed or ran out of memory twice two tries more: what was wrong may be gone by now."""
    if any(is_given_up(run, queued_runs(study)) and run.state in RETRIED for run in queued_runs(study)):
        study.set_user_attr(Attribute.FRESH_TRIES_FROM, len(study.get_trials(deepcopy=False)))


def is_given_up(run: Run, runs: Sequence[Run]) -> bool:
    """Whether a run failed for good: one that crashed or ran out of memory is tried twice."""
    if run.state not in RETRIED:
        return run.state in FAILED
    return sum((other.setting, other.seed) == (run.setting, run.seed) and other.state in FAILED for other in runs) >= 2
