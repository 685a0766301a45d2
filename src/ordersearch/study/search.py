"""Search: one study over one space, data set and network."""

from __future__ import annotations

import gc
import importlib.metadata
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ordersearch import __version__
from ordersearch.data.dataset import Dataset
from ordersearch.errors import StudyMismatchError
from ordersearch.networks import Network, check_network
from ordersearch.objective import Objective, Trainer, TrialFailed
from ordersearch.ranking import Observation, Place, rank
from ordersearch.results import (
    FAILED,
    TRAINED,
    Attribute,
    Run,
    State,
    distinct_runs,
    read_runs,
    run_of,
    runs_of_setting,
)
from ordersearch.seeds import derived_seed
from ordersearch.space import SearchSpace
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.sampler import DistinctSampler
from ordersearch.training.evaluation import SCORES
from ordersearch.training.pruning import missing_metric
from ordersearch.training.settings import TrainingSettings

MAXIMISED = ("accuracy", "r2", "f1", "auroc")
LIBRARIES = ("torch", "pytorch-lightning", "optuna", "numpy")


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        runs: Every trial's run.
        places: The classes, best first, from the complete runs.
        ended: Why it stopped: ``trials``, ``time``, ``exhausted``, ``failures`` or ``interrupted``.
        seconds: How long this process searched.
    """

    runs: tuple[Run, ...]
    places: tuple[Place, ...]
    ended: str
    seconds: float

    def runs_of(self, place: Place) -> list[Run]:
        """The complete runs of a place's setting, which its mean is over."""
        return [run for run in distinct_runs(self.runs) if run.setting == place.setting]

    def metrics_of(self, place: Place) -> dict[str, float]:
        """The means of all metrics over the runs of a place's setting."""
        runs = self.runs_of(place)
        return {key: sum(run.metrics[key] for run in runs) / len(runs) for key in runs[0].metrics}

    def counts(self) -> Counter[State]:
        """How many trials ended in which state."""
        return Counter(run.state for run in self.runs)


@dataclass(frozen=True)
class Search:
    """What is searched, on what and how.

    Attributes:
        name: Of the study.
        space: The orders.
        dataset: The data.
        network: Where the blocks sit.
        training: How a candidate is trained.
        seed: First of the search's seeds, and its split.
        max_seeds: How many seeds of one setting are trained at most.
    """

    name: str
    space: SearchSpace
    dataset: Dataset
    network: Network
    training: TrainingSettings
    seed: int = 0
    max_seeds: int = 3

    def __post_init__(self) -> None:
        check_network(self.network, self.space.roles, self.dataset.dims)
        logged = ("train/loss", "val/loss", f"val/{SCORES[self.dataset.task]}")
        if self.training.metric not in logged:
            raise missing_metric(self.training.metric, logged)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """``maximize`` for accuracies and the like, ``minimize`` for losses and errors."""
        return "maximize" if self.training.metric.rpartition("/")[2] in MAXIMISED else "minimize"

    def open_study(self, storage: BaseStorage) -> optuna.Study:
        """The study of this name, created with the references in its queue, or resumed.

        Raises:
            StudyMismatchError: A study of this name was made with something else; the message says with what.
        """
        with quiet_optuna():
            return self._open(storage)

    def _open(self, storage: BaseStorage) -> optuna.Study:
        study = optuna.create_study(
            study_name=self.name, storage=storage, direction=self.direction, load_if_exists=True
        )
        if Attribute.SEARCH in study.user_attrs:
            self._check_same(study.user_attrs[Attribute.SEARCH])
        elif study.get_trials(deepcopy=False):
            raise StudyMismatchError(
                f"Study {self.name!r} exists, but ordersearch did not make it. Give another --name."
            )
        else:
            study.set_user_attr(Attribute.SEARCH, self._identity())
            study.set_metric_names([self.training.metric])
            self._enqueue_references(study)
        self._enqueue_interrupted(study)
        return study

    def _identity(self) -> dict[str, Any]:
        return {
            "space": self.space.name,
            "space fingerprint": self.space.fingerprint(),
            "data set": self.dataset.name,
            "data fingerprint": self.dataset.fingerprint,
            "network": self.network.name,
            "seed": self.seed,
            **self.training.to_dict(),
        }

    def _check_same(self, kept: dict[str, Any]) -> None:
        now = self._identity()
        differing = [key for key in now if kept.get(key) != now[key] and "fingerprint" not in key]
        differing = differing or [key for key in now if kept.get(key) != now[key]]
        if differing:
            differences = ", ".join(f"{key} {kept.get(key)!r}, now {now[key]!r}" for key in differing)
            raise StudyMismatchError(
                f"Study {self.name!r} exists, but was made with another {differing[0]} ({differences}). "
                f"Give this search another --name, or go on with the old one's options."
            )

    def _enqueue_references(self, study: optuna.Study) -> None:
        for reference in self.space.references():
            params = {**self.space.encode(reference.blocks), **self.space.default_nuisance()}
            study.enqueue_trial(params, user_attrs={str(Attribute.REFERENCE): reference.name})

    def _enqueue_interrupted(self, study: optuna.Study) -> None:
        trials = study.get_trials(deepcopy=False)
        waiting = [trial.system_attrs.get("fixed_params") for trial in trials if trial.state is TrialState.WAITING]
        for trial in trials:
            run = run_of(trial)
            if run.state is not State.INTERRUPTED or not run.setting or trial.params in waiting:
                continue
            others = runs_of_setting(study, run.setting, besides=run.trial)
            if not any(other.seed == run.seed and other.state is not State.INTERRUPTED for other in others):
                attributes: dict[str, Any] = {Attribute.SEED: run.seed, Attribute.SPLIT: run.split}
                study.enqueue_trial(trial.params, user_attrs={**attributes, Attribute.REFERENCE: run.reference})
                waiting.append(trial.params)

    def run(
        self,
        study: optuna.Study,
        *,
        n_trials: int,
        timeout: float | None = None,
        trainer: Trainer | None = None,
        observers: Sequence[Observer] = (),
    ) -> SearchResult:
        """Search until ``n_trials`` are trained in all, the time is up, or every setting has had its runs.

        Ctrl-C ends it, too, and leaves the study such that the same call goes on.

        Args:
            study: From ``open_study``.
            n_trials: The total of complete and pruned trials, those of earlier calls included.
            timeout: Seconds after which no further trial begins.
            trainer: Trains the settings; made if not given.
            observers: Are told what happens.
        """
        trainer = trainer or Trainer(self.dataset, self.network, self.training)
        sampler = self._sampler(study, n_trials)
        study.sampler, study.pruner = sampler, self._pruner()
        watch = _Watch(study, sampler, n_trials, observers)
        objective = Objective(
            self.space,
            trainer,
            seed=self.seed,
            max_seeds=self.max_seeds,
            on_epoch=watch.epoch_finished,
            reused=sampler.n_reused,
        )
        ended = watch.stop_reason()
        for observer in observers:
            observer.search_started(self, watch.progress())
        if not ended:
            ended = _optimise(study, objective, watch, timeout)
        runs = tuple(read_runs(study))
        result = SearchResult(runs, tuple(ranked(runs, study.direction)), ended, watch.seconds())
        for observer in observers:
            observer.search_finished(result)
        return result

    def _sampler(self, study: optuna.Study, n_trials: int) -> DistinctSampler:
        # A resumed search must not draw again what it drew before.
        seed = derived_seed(self.seed, "sampler", len(study.get_trials(deepcopy=False))) % 2**32
        wrapped = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(10, len(self.space.references())))
        return DistinctSampler(wrapped, self.space, seed=self.seed, max_seeds=self.max_seeds, n_trials=n_trials)

    def _pruner(self) -> optuna.pruners.BasePruner:
        # Regularised orders start slower. Replayed 20 times on the full curves of all 174 settings of `conv` on digits:
        # the worst quarter pruned from half the epochs on costs 0.76 of all epochs and keeps the five best every time;
        # Optuna's median from a third on costs 0.50, keeps the best in 0.75 and the five best in 0.36.
        return optuna.pruners.PercentilePruner(75.0, n_startup_trials=8, n_warmup_steps=self.training.max_epochs // 2)


def ranked(runs: Sequence[Run], direction: StudyDirection) -> list[Place]:
    """The classes that the complete runs are evidence for, best first."""
    seen = [Observation(run.order, run.setting, run.value) for run in distinct_runs(runs) if run.value is not None]
    return rank(seen, minimise=direction is StudyDirection.MINIMIZE)


class _Watch:
    """Counts, stops and tells."""

    def __init__(
        self, study: optuna.Study, sampler: DistinctSampler, n_trials: int, observers: Sequence[Observer]
    ) -> None:
        self.study, self.sampler, self.n_trials, self.observers = study, sampler, n_trials, observers
        self.started = time.monotonic()
        self.trained_before = self._counts()[0]

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def _counts(self) -> tuple[int, list[Run]]:
        runs = read_runs(self.study)
        return sum(run.state in TRAINED for run in runs), runs

    def progress(self) -> Progress:
        n_trained, runs = self._counts()
        complete = [run for run in runs if run.state is State.COMPLETE and run.value is not None]
        sign = 1 if self.study.direction is StudyDirection.MINIMIZE else -1
        n_new = n_trained - self.trained_before
        left = self.seconds() / n_new * max(0, self.n_trials - n_trained) if n_new else None
        return Progress(
            n_trained=n_trained,
            n_trials=self.n_trials,
            n_pruned=sum(run.state is State.PRUNED for run in runs),
            n_failed=sum(run.state in FAILED for run in runs),
            n_reused=sum(run.n_reused for run in runs),
            best=min(complete, key=lambda run: sign * (run.value or 0.0), default=None),
            seconds=self.seconds(),
            seconds_left=left,
        )

    def stop_reason(self) -> str:
        """Why the search is over, or nothing while it is not."""
        n_trained, runs = self._counts()
        if n_trained >= self.n_trials:
            return "trials"
        n_failed = sum(run.state in FAILED for run in runs)
        if n_failed >= max(10, 2 * self.n_trials):
            return "failures"
        return "exhausted" if self.sampler.is_done(self.study) else ""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        for observer in self.observers:
            observer.epoch_finished(trial, epoch, value)

    def trial_finished(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        run = run_of(trial)
        progress = self.progress()
        for observer in self.observers:
            observer.trial_finished(run, progress)
        if self.stop_reason():
            study.stop()


def _optimise(study: optuna.Study, objective: Objective, watch: _Watch, timeout: float | None) -> str:
    # What is alive now stays: the collector then looks through one trial's objects only (0.3 ms, not 230).
    gc.freeze()
    try:
        with quiet_optuna():
            study.optimize(objective, timeout=timeout, catch=(TrialFailed,), callbacks=[watch.trial_finished])
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        gc.unfreeze()
    return watch.stop_reason() or "time"


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's log lines, a traceback for every failed trial among them, off the screen."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def library_versions() -> dict[str, str]:
    """The versions of ordersearch and of the libraries that its results depend on."""
    found = {"ordersearch": __version__}
    for library in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found
