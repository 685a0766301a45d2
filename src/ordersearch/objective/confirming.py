"""A trial of a confirmation: the run that it names, with the finalists' further scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import optuna

from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import Epochs, failures_told, keep
from ordersearch.results import Attribute, run_of


@dataclass(frozen=True, eq=False)
class ConfirmingObjective:
    """What a confirmation's study optimises: the run that each queued trial names.

    Attributes:
        trainer: What trains a setting.
        worker: This process's name, which its trials carry.
        on_epoch: Told of every epoch: trial number, epoch from 0, metric.
    """

    trainer: Trainer
    _: KW_ONLY
    worker: str = ""
    on_epoch: Callable[[int, int, float], None] | None = None

    def __call__(self, trial: optuna.Trial) -> float:
        """The metric of the run that the trial names.

        Raises:
            TrialFailed: It gave no value.
        """
        trial.set_user_attr(Attribute.WORKER, self.worker)
        run = run_of(trial.study.trials[trial.number])
        setting = Setting.of_run(run)
        watch = Epochs(trial, self.trainer.training.max_epochs, self.on_epoch)
        with failures_told(trial):
            result, scores = self.trainer.confirm(setting, seed=run.seed, split=run.split, report=watch.report)
        keep(trial, result)
        for key, value in scores.items():
            trial.set_user_attr(Attribute.METRIC + key, value)
        trial.set_user_attr(Attribute.VALIDATION_LOSSES, [epoch["val/loss"] for epoch in result.history])
        return result.metrics[self.trainer.training.metric]
