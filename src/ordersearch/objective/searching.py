"""A trial of a search: what it is asked for becomes a setting, whose next seed is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import optuna

from ordersearch.journal import noted_together
from ordersearch.objective.pack import Outcome, Pair, described, keep, train
from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import DuplicateError, Epochs, failures_told
from ordersearch.results import TRAINED, Attribute, Run, next_seed, runs_of, runs_of_setting

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
        pack: How many seeds of a setting are trained together.
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
    pack: int = 1
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
        with failures_told(trial):
            pairs, outcomes = self._train(trial)
        value, is_pruned = keep(trial, pairs, outcomes, self.trainer, losses=False)
        if is_pruned:
            raise optuna.TrialPruned(f"pruned after epoch {self.probe_epochs}")
        return value

    def _train(self, trial: optuna.Trial) -> tuple[list[Pair], list[Outcome]]:
        setting = self._begin(trial)
        runs = runs_of_setting(trial.study, setting.digest, besides=trial.number)
        pairs = self._next_pairs(trial, runs)
        self._describe(trial, setting, pairs)
        is_new = not any(run.state in TRAINED for run in runs)
        watch = Epochs(trial, self.on_epoch)
        return pairs, train(self.trainer, setting, pairs, watch, stop_after=self.probe_epochs if is_new else None)

    @noted_together()
    def _begin(self, trial: optuna.Trial) -> Setting:
        """The setting that the trial asks for; from here on it says whose it is."""
        trial.set_user_attr(Attribute.WORKER, self.worker)
        # Every parameter is asked for, inactive ones too: a sampler learns only from trials that have them all.
        params: dict[str, Any] = {
            name: trial.suggest_categorical(name, distribution.choices)
            for name, distribution in self.space.distributions().items()
        }
        return Setting.of(self.space.decode(params), self.space.suggest_nuisance(trial), self.trainer.network)

    def _next_pairs(self, trial: optuna.Trial, runs: list[Run]) -> list[Pair]:
        """Seed and split of the runs that the trial is to hold."""
        if Attribute.SEED in trial.user_attrs:
            queued = trial.study.get_trials(deepcopy=False)[trial.number]
            return [(run.seed, run.split) for run in runs_of(queued)]
        if trial.user_attrs.get(Attribute.REFERENCE) and any(run.state in TRAINED for run in runs):
            raise DuplicateError("another reference is this network")
        seed = next_seed(runs, self.seed, self.max_seeds, self.pack)
        if seed is None:
            raise DuplicateError("another worker has this run, or had it")
        return [(each, self.seed) for each in range(seed, seed + self.pack)]

    @noted_together()
    def _describe(self, trial: optuna.Trial, setting: Setting, pairs: list[Pair]) -> None:
        for name, value in described(pairs).items():
            trial.set_user_attr(name, value)
        if self.reused is not None:
            trial.set_user_attr(Attribute.REUSED, self.reused(trial.number))
        for name, value in setting.attributes().items():
            trial.set_user_attr(name, value)
