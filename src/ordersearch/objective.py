"""One trial: what it is asked for becomes a setting, the setting is trained once, the result is written down."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
import torch

from ordersearch.data.split import split_tensors
from ordersearch.errors import DivergedError, OrdersearchError, ShapeError, SpecError
from ordersearch.identities import canonical, cheapest
from ordersearch.networks import Network, build_network
from ordersearch.results import Attribute, State, next_seed, runs_of_setting, setting_digest
from ordersearch.spec import BlockSpec
from ordersearch.training.evaluation import DTYPES
from ordersearch.training.fit import FitResult, fit
from ordersearch.training.threads import suited_threads

if TYPE_CHECKING:
    from ordersearch.data.dataset import Dataset
    from ordersearch.data.tensors import TensorSplit
    from ordersearch.space import SearchSpace
    from ordersearch.training.settings import TrainingSettings


class TrialFailed(Exception):  # noqa: N818 - a result, which the search goes on after
    """A run that gave no value; the trial's attributes say why."""


@dataclass(frozen=True)
class Setting:
    """A class with its rates and its learning rate: what a trial trains.

    Attributes:
        blocks: The cheapest order of the class, for each role.
        canonical: The canonical order, for each role, in the notation.
        learning_rate: The peak learning rate.
    """

    blocks: Mapping[str, BlockSpec]
    canonical: Mapping[str, str]
    learning_rate: float

    @classmethod
    def of(cls, blocks: Mapping[str, BlockSpec], learning_rate: float) -> Setting:
        """The setting of these blocks, whichever member of the class they are."""
        return cls(
            {role: cheapest(spec) for role, spec in blocks.items()},
            {role: str(canonical(spec)) for role, spec in blocks.items()},
            learning_rate,
        )

    @property
    def digest(self) -> str:
        """The digest that names the setting."""
        return setting_digest(self.canonical, self.learning_rate)


class Trainer:
    """Trains a setting with a seed on a split; what comes out depends on these three alone.

    Args:
        dataset: The data.
        network: Where the blocks sit.
        training: How they are trained.
    """

    def __init__(self, dataset: Dataset, network: Network, training: TrainingSettings) -> None:
        self.dataset = dataset
        self.network = network
        self.training = training
        self._tensors: dict[int, TensorSplit] = {}

    def run(
        self,
        setting: Setting,
        *,
        seed: int,
        split: int,
        report: Callable[[float, int], None] | None = None,
        should_prune: Callable[[], bool] | None = None,
    ) -> FitResult:
        """Train the setting; ``report(value, epoch)`` and ``should_prune()`` are called after every epoch.

        Raises:
            ShapeError: A block does not fit the data.
            DivergedError: The loss is no longer finite.
        """
        with suited_threads(self.dataset.input_shape):
            return self._run(setting, seed, split, report, should_prune)

    def _run(
        self,
        setting: Setting,
        seed: int,
        split: int,
        report: Callable[[float, int], None] | None,
        should_prune: Callable[[], bool] | None,
    ) -> FitResult:
        tensors = self.tensors(split)
        model = build_network(self.network, setting.blocks, self.dataset.input_shape, self.dataset.n_outputs, seed=seed)
        return fit(
            model,
            tensors,
            settings=self.training,
            learning_rate=setting.learning_rate,
            seed=seed,
            report=report,
            should_prune=should_prune,
        )

    def tensors(self, split: int) -> TensorSplit:
        """The data of a split on the device; only the split last asked for is kept there."""
        if split not in self._tensors:
            self._tensors.clear()
            self._tensors[split] = split_tensors(self.dataset, split=split).to(
                torch.device(self.training.device),
                dtype=DTYPES[self.training.precision],
                channels_last=self.training.channels_last,
            )
        return self._tensors[split]


class Objective:
    """What Optuna optimises: asks the trial for a setting, trains its next seed, keeps what came out.

    Args:
        space: What is searched.
        trainer: What trains a setting.
        seed: First of the search's seeds; also its split.
        max_seeds: How many seeds of one setting the search trains at most.
        worker: This process's name, which its trials carry.
        on_epoch: Told of every epoch: trial number, epoch from 0, metric.
        reused: How many proposals for a trial were known networks.
    """

    def __init__(
        self,
        space: SearchSpace,
        trainer: Trainer,
        *,
        seed: int,
        max_seeds: int,
        worker: str = "",
        on_epoch: Callable[[int, int, float], None] | None = None,
        reused: Callable[[int], int] | None = None,
    ) -> None:
        self.space = space
        self.trainer = trainer
        self.seed = seed
        self.max_seeds = max_seeds
        self.worker = worker
        self.on_epoch = on_epoch
        self.reused = reused

    def __call__(self, trial: optuna.Trial) -> float:
        """The metric of the run that the trial holds.

        Raises:
            TrialPruned: The pruner stopped it.
            TrialFailed: It gave no value: it does not fit, diverged, ran out of memory or crashed.
        """
        trial.set_user_attr(Attribute.WORKER, self.worker)
        try:
            result = self._train(trial)
        except Exception as cause:
            failure = _failure(trial, cause)
            if failure is None:
                raise
            raise failure from cause
        finally:
            gc.collect()
        _keep(trial, result)
        if result.pruned:
            raise optuna.TrialPruned(f"pruned after epoch {result.n_epochs}")
        return result.metrics[self.trainer.training.metric]

    def _train(self, trial: optuna.Trial) -> FitResult:
        setting = self._setting(trial)
        seed, split = self._next_run(trial, setting)
        self._describe(trial, setting, seed, split)
        watch = _Epochs(trial, self.trainer.training.max_epochs, self.on_epoch)
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
        rate = self.space.suggest_nuisance(trial)["lr"]
        return Setting.of(self.space.decode(params), rate)

    def _next_run(self, trial: optuna.Trial, setting: Setting) -> tuple[int, int]:
        kept = trial.user_attrs
        if Attribute.SEED in kept:
            return kept[Attribute.SEED], kept.get(Attribute.SPLIT, self.seed)
        runs = runs_of_setting(trial.study, setting.digest, besides=trial.number)
        seed = next_seed(runs, self.seed, self.max_seeds)
        if seed is None:
            raise _DuplicateError("another worker has this run, or had it")
        return seed, self.seed

    def _describe(self, trial: optuna.Trial, setting: Setting, seed: int, split: int) -> None:
        trial.set_user_attr(Attribute.BLOCKS, {role: str(spec) for role, spec in setting.blocks.items()})
        trial.set_user_attr(Attribute.CANONICAL, dict(setting.canonical))
        trial.set_user_attr(Attribute.LEARNING_RATE, setting.learning_rate)
        trial.set_user_attr(Attribute.SEED, seed)
        trial.set_user_attr(Attribute.SPLIT, split)
        if self.reused is not None:
            trial.set_user_attr(Attribute.REUSED, self.reused(trial.number))
        # Last, since whoever reads a setting takes the rest of the description for there.
        trial.set_user_attr(Attribute.SETTING, setting.digest)


class _DuplicateError(Exception):
    """A run that is not trained because another worker has it."""


class _Epochs:
    """Reports a trial's epochs, and asks the pruner while there is anything left to save."""

    def __init__(
        self, trial: optuna.Trial, max_epochs: int, on_epoch: Callable[[int, int, float], None] | None
    ) -> None:
        self.trial, self.max_epochs, self.on_epoch = trial, max_epochs, on_epoch
        self.n_reported = 0

    def report(self, value: float, epoch: int) -> None:
        self.n_reported = epoch + 1
        self.trial.report(value, epoch)
        if self.on_epoch is not None:
            self.on_epoch(self.trial.number, epoch, value)

    def should_prune(self) -> bool:
        return self.n_reported < self.max_epochs and self.trial.should_prune()


def _keep(trial: optuna.Trial, result: FitResult) -> None:
    for key, value in result.metrics.items():
        if key != "seconds":
            trial.set_user_attr(Attribute.METRIC + key, value)
    trial.set_user_attr(Attribute.EPOCHS, result.n_epochs)
    trial.set_user_attr(Attribute.SECONDS, round(result.seconds, 3))
    trial.set_user_attr(Attribute.PARAMETERS, result.n_parameters)


def _failure(trial: optuna.Trial, cause: Exception) -> TrialFailed | None:
    """The failure as a result of the trial; None where every other trial would meet it, too."""
    state = _failed_state(cause)
    if state is None:
        return None
    is_told = isinstance(cause, OrdersearchError | _DuplicateError)
    reason = str(cause) if is_told else f"{type(cause).__name__}: {cause}"
    trial.set_user_attr(Attribute.STATE, state)
    trial.set_user_attr(Attribute.REASON, reason[:500])
    return TrialFailed(f"{state}: {reason}")


def _failed_state(cause: Exception) -> State | None:
    if isinstance(cause, _DuplicateError):
        return State.DUPLICATE
    if isinstance(cause, ShapeError | SpecError):
        return State.DOES_NOT_FIT
    if isinstance(cause, DivergedError):
        return State.DIVERGED
    if isinstance(cause, OrdersearchError):
        return None
    if isinstance(cause, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(cause):
        return State.OUT_OF_MEMORY
    return State.CRASHED
