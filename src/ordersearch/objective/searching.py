"""A trial of a search: what it is asked for becomes a setting, whose next seed is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import optuna

from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import DuplicateError, Epochs, failures_told, keep
from ordersearch.results import TRAINED, Attribute, Run, next_seed, runs_of_setting
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
        probe_epochs: After how many epochs a setting's first training stops, which is trained whole when it is proposed
            once more; None: every training is whole.
        worker: This process's name, which its trials carry.
        on_epoch: Told of every epoch: trial number, epoch from 0, metric.
        reused: How many proposals for a trial were known networks.
    """

    space: SearchSpace
    trainer: Trainer
    _: KW_ONLY
    seed: int
    max_seeds: int
    probe_epochs: int | None = None
    worker: str = ""
    on_epoch: Callable[[int, int, float], None] | None = None
    reused: Callable[[int], int] | None = None

    def __call__(self, trial: optuna.Trial) -> float:
        """The metric of the run that the trial holds.

        Raises:
            TrialPruned: It was a probe, and is over.
            TrialFailed: It gave no value: it does not fit, diverged, ran out of memory or crashed.
        """
        trial.set_user_attr(Attribute.WORKER, self.worker)
        with failures_told(trial):
            result, scores = self._train(trial)
        keep(trial, result, scores)
        if result.pruned:
            raise optuna.TrialPruned(f"pruned after epoch {result.n_epochs}")
        return result.metrics[self.trainer.training.metric]

    def _train(self, trial: optuna.Trial) -> tuple[FitResult, dict[str, float]]:
        setting = self._setting(trial)
        runs = runs_of_setting(trial.study, setting.digest, besides=trial.number)
        seed, split = self._next_run(trial, runs)
        self._describe(trial, setting, seed, split)
        watch, epochs = Epochs(trial, self.on_epoch), self.probe_epochs
        is_new = not any(run.state in TRAINED for run in runs)
        return self.trainer.run(
            setting,
            seed=seed,
            split=split,
            report=watch.report,
            should_prune=(lambda: watch.n_reported >= epochs) if is_new and epochs is not None else None,
        )

    def _setting(self, trial: optuna.Trial) -> Setting:
        # Every parameter is asked for, inactive ones too: a sampler learns only from trials that have them all.
        params: dict[str, Any] = {
            name: trial.suggest_categorical(name, distribution.choices)
            for name, distribution in self.space.distributions().items()
        }
        return Setting.of(self.space.decode(params), self.space.suggest_nuisance(trial), self.trainer.network)

    def _next_run(self, trial: optuna.Trial, runs: list[Run]) -> tuple[int, int]:
        kept = trial.user_attrs
        if Attribute.SEED in kept:
            return kept[Attribute.SEED], kept.get(Attribute.SPLIT, self.seed)
        if kept.get(Attribute.REFERENCE) and any(run.state in TRAINED for run in runs):
            raise DuplicateError("another reference is this network")
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
