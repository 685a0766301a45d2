"""A trial of a confirmation: the run that it names, with the finalists' further scores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import optuna
from optuna.trial import TrialState

from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import DuplicateError, Epochs, failures_told, keep
from ordersearch.results import Attribute, Run, run_of
from ordersearch.training.fit import FitResult


@dataclass(frozen=True, eq=False)
class ConfirmingObjective:
    """What a confirmation's study optimises: the run that each queued trial names.

    Attributes:
        trainer: What trains a setting.
        worker: This process's name, which its trials carry.
        on_epoch: Told of every epoch: trial number, epoch from 0, metric.
        is_final: Whether the runs are finalists', which alone are scored on the test part.
        patience_seconds: How long another worker's run is taken to be under way.
    """

    trainer: Trainer
    _: KW_ONLY
    worker: str = ""
    on_epoch: Callable[[int, int, float], None] | None = None
    is_final: bool = True
    patience_seconds: float = math.inf

    def __call__(self, trial: optuna.Trial) -> float:
        """The metric of the run that the trial names.

        Raises:
            TrialFailed: It gave no value, or another worker has the run.
        """
        trial.set_user_attr(Attribute.WORKER, self.worker)
        run = run_of(trial.study.get_trials(deepcopy=False)[trial.number])
        watch = Epochs(trial, self.on_epoch)
        with failures_told(trial):
            self._require_free(trial, run)
            setting = Setting.of_run(run)
            result, scores = self._trained(setting, run, watch)
        keep(trial, result, scores)
        trial.set_user_attr(Attribute.VALIDATION_LOSSES, [epoch["val/loss"] for epoch in result.history])
        return result.metrics[self.trainer.training.metric]

    def _trained(self, setting: Setting, run: Run, watch: Epochs) -> tuple[FitResult, dict[str, float]]:
        if self.is_final:
            return self.trainer.confirm(setting, seed=run.seed, split=run.split, report=watch.report)
        return self.trainer.run(setting, seed=run.seed, split=run.split, report=watch.report)

    def _require_free(self, trial: optuna.Trial, run: Run) -> None:
        """Raise unless the trial names a run, and no earlier trial has it."""
        if not run.setting:
            # Optuna makes up a trial when another worker takes the last one that waits.
            raise DuplicateError("another worker took the run that waited")
        for other in trial.study.get_trials(deepcopy=False)[: trial.number]:
            kept = other.user_attrs
            if (kept.get(Attribute.SETTING), kept.get(Attribute.SEED)) == (run.setting, run.seed) and (
                other.state is TrialState.COMPLETE
                or (other.state is TrialState.RUNNING and age_seconds(other) <= self.patience_seconds)
            ):
                raise DuplicateError("another worker has this run, or had it")


def age_seconds(trial: optuna.trial.FrozenTrial) -> float:
    """How long ago a trial began."""
    return time.time() - trial.datetime_start.timestamp() if trial.datetime_start else 0.0
