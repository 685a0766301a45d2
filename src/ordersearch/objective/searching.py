"""A trial of a search: what it is asked for becomes a setting, whose next seed is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import optuna

from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import DuplicateError, Epochs, failures_told, keep
from ordersearch.results import Attribute, next_seed, runs_of_setting
from ordersearch.training.fit import FitResult

if TYPE_CHECKING:
    from ordersearch.space import SearchSpace


@dataclass(frozen=True, eq=False)
class Objective:
    """What Optuna optimises: asks the trial for a setting, trains its next seed, keeps what came out.

    Attributes:
        space: What is searched.
        trainer: What trains a setting.
        seed: First of the search's seeds; also its split.
        max_seeds: How many seeds of one setting the search trains at most.
        worker: This process's name, which its trials carry.
        on_epoch: Told of every epoch: trial number, epoch from 0, metric.
        reused: How many proposals for a trial were known networks.
    """

    space: SearchSpace
    trainer: Trainer
    _: KW_ONLY
    seed: int
    max_seeds: int
    worker: str = ""
    on_epoch: Callable[[int, int, float], None] | None = None
    reused: Callable[[int], int] | None = None

    def __call__(self, trial: optuna.Trial) -> float:
        """The metric of the run that the trial holds.

        Raises:
            TrialPruned: The pruner stopped it.
            TrialFailed: It gave no value: it does not fit, diverged, ran out of memory or crashed.
        """
        trial.set_user_attr(Attribute.WORKER, self.worker)
        with failures_told(trial):
            result = self._train(trial)
        keep(trial, result)
        if result.pruned:
            raise optuna.TrialPruned(f"pruned after epoch {result.n_epochs}")
        return result.metrics[self.trainer.training.metric]

    def _train(self, trial: optuna.Trial) -> FitResult:
        setting = self._setting(trial)
        seed, split = self._next_run(trial, setting)
        self._describe(trial, setting, seed, split)
        watch = Epochs(trial, self.trainer.training.max_epochs, self.on_epoch)
        return self.trainer.run(
            setting,
            seed=seed,
            split=split,
            report=watch.report,
            # A further seed is never pruned: a mean over the seeds that did well would flatter its setting.
            should_prune=watch.should_prune if seed == self.seed else None,
        )

    def _setting(self, trial: optuna.Trial) -> Setting:
        # Every parameter is asked for, inactive ones too: a sampler learns only from trials that have them all.
        params: dict[str, Any] = {
            name: trial.suggest_categorical(name, distribution.choices)
            for name, distribution in self.space.distributions().items()
        }
        return Setting.of(self.space.decode(params), self.space.suggest_nuisance(trial), self.trainer.network)

    def _next_run(self, trial: optuna.Trial, setting: Setting) -> tuple[int, int]:
        kept = trial.user_attrs
        if Attribute.SEED in kept:
            return kept[Attribute.SEED], kept.get(Attribute.SPLIT, self.seed)
        runs = runs_of_setting(trial.study, setting.digest, besides=trial.number)
        seed = next_seed(runs, self.seed, self.max_seeds)
        if seed is None:
            raise DuplicateError("another worker has this run, or had it")
        return seed, self.seed

    def _describe(self, trial: optuna.Trial, setting: Setting, seed: int, split: int) -> None:
        trial.set_user_attr(Attribute.SEED, seed)
        trial.set_user_attr(Attribute.SPLIT, split)
        if self.reused is not None:
            trial.set_user_attr(Attribute.REUSED, self.reused(trial.number))
        for name, value in setting.attributes().items():
            trial.set_user_attr(name, value)
