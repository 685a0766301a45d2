"""A trial of a confirmation: the runs that it names, with the finalists' further scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

import optuna
from optuna.trial import TrialState

from ordersearch.attach.turns import age_seconds
from ordersearch.journal import noted_together
from ordersearch.objective.pack import Pair, keep, train
from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import DuplicateError, Epochs, failures_told
from ordersearch.results import Attribute, run_of, runs_of


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
        """The metric of the run that the trial names, or its mean over several.

        Raises:
            TrialFailed: It gave no value, or another worker has the run.
        """
        queued = trial.study.get_trials(deepcopy=False)[trial.number]
        pairs = [(run.seed, run.split) for run in runs_of(queued)]
        with noted_together():
            trial.set_user_attr(Attribute.WORKER, self.worker)
            if "order" in queued.system_attrs.get("fixed_params", {}):
                trial.suggest_categorical("order", trial.study.user_attrs[Attribute.ORDERS])
                trial.suggest_float("lr", 1e-12, 1e6, log=True)
        watch = Epochs(trial, self.on_epoch)
        with failures_told(trial):
            run = run_of(queued)
            self._require_free(trial, run.setting, pairs)
            outcomes = train(self.trainer, Setting.of_run(run), pairs, watch, is_final=self.is_final)
        return keep(trial, pairs, outcomes, self.trainer, losses=True)[0]

    def _require_free(self, trial: optuna.Trial, setting: str, pairs: Sequence[Pair]) -> None:
        """Raise unless the trial names runs, and no earlier trial has one of them."""
        if not setting:
            # Optuna makes up a trial when another worker takes the last one that waits.
            raise DuplicateError("another worker took the run that waited")
        for other in trial.study.get_trials(deepcopy=False)[: trial.number]:
            has_it = other.user_attrs.get(Attribute.SETTING) == setting and any(
                (run.seed, run.split) in pairs for run in runs_of(other)
            )
            if has_it and (
                other.state is TrialState.COMPLETE
                or (other.state is TrialState.RUNNING and age_seconds(other) <= self.patience_seconds)
            ):
                raise DuplicateError("another worker has this run, or had it")
