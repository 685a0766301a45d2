"""Search: one study over one space, data set and network."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.storages import BaseStorage

from ordersearch.data.dataset import Dataset
from ordersearch.networks import Network, check_network, suited_network
from ordersearch.objective import Objective, Trainer, TrialFailed
from ordersearch.results import read_runs
from ordersearch.seeds import derived_seed
from ordersearch.space import SearchSpace
from ordersearch.study.halving import Halving, is_probing, probe_epochs
from ordersearch.study.observer import Observer
from ordersearch.study.opening import end_abandoned, open_study, worker_name
from ordersearch.study.pace import Pace
from ordersearch.study.packs import Packs
from ordersearch.study.record import keep_record
from ordersearch.study.result import SearchResult, ranked
from ordersearch.study.sampler import DistinctSampler
from ordersearch.study.storage import plain_interrupts, quiet_optuna, storage_errors
from ordersearch.study.team import ALONE, Team
from ordersearch.study.watch import Watch
from ordersearch.training.evaluation import SCORES
from ordersearch.training.pruning import missing_metric
from ordersearch.training.settings import TrainingSettings

MAXIMISED = ("accuracy", "r2", "f1", "auroc")


@dataclass(frozen=True)
class Search:
    """What is searched, on what and how.

    Attributes:
        name: Of the study.
        space: The orders.
        dataset: The data.
        network: Where the blocks sit; it gets the fixed stem and tail that some order of the space needs.
        training: How a candidate is trained.
        seed: First of the search's seeds, and its split.
        max_seeds: How many seeds of one setting are trained at most.
        packs: How many seeds are trained together.
    """

    name: str
    space: SearchSpace
    dataset: Dataset
    network: Network
    training: TrainingSettings
    seed: int = 0
    max_seeds: int = 3
    packs: Packs = Packs()  # noqa: RUF009 - it is frozen

    def __post_init__(self) -> None:
        check_network(self.network, self.space.block_roles, self.dataset.dims)
        object.__setattr__(self, "network", suited_network(self.network, self.space.blocks()))
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
            StorageError: The storage failed.
        """
        study = open_study(
            storage,
            self.name,
            identity=self.identity(),
            metric=self.training.metric,
            direction=self.direction,
            space=self.space,
        )
        with storage_errors():
            keep_record(study, self)
        return study

    def identity(self) -> dict[str, Any]:
        """What must be the same for two runs to be compared, by name."""
        return {
            "space": self.space.name,
            "space fingerprint": self.space.fingerprint(),
            "data set": self.dataset.name,
            "kind of input": self.dataset.input,
            "data fingerprint": self.dataset.fingerprint,
            **named_network(self.network),
            "seed": self.seed,
            **self.training.to_dict(),
            **self.packs.to_dict(),
        }

    @property
    def n_trainings(self) -> int:
        """How many trainings, each with other seeds, a setting has at most."""
        return math.ceil(self.max_seeds / self.packs.search)

    def first_pairs(self) -> tuple[tuple[int, int], ...]:
        """Seed and split of the runs that a setting is first trained with."""
        return tuple((seed, self.seed) for seed in range(self.seed, self.seed + self.packs.search))

    def run(
        self,
        study: optuna.Study,
        *,
        n_trials: int | None,
        timeout: float | None = None,
        n_expected: int | None = None,
        trainer: Trainer | None = None,
        observers: Sequence[Observer] = (),
        team: Team = ALONE,
    ) -> SearchResult:
        """Search until ``n_trials`` are trained in all, the time is up, or every setting has had its runs.

        Ctrl-C ends it, too, and leaves the study such that the same call goes on.

        Args:
            study: From ``open_study``.
            n_trials: The total of complete and pruned trials, those of earlier calls included; None: no such limit.
            timeout: Seconds after which no further trial begins.
            n_expected: How many trials there will be about; a space of fewer settings is gone through exhaustively.
                ``n_trials`` when left out.
            trainer: Trains the settings; made if not given.
            observers: Are told what happens.
            team: The processes that search along; ``ordersearch.workers.Workers`` has several.

        Raises:
            StorageError: The storage failed; what was finished is kept.
        """
        trainer = trainer or Trainer(self.dataset, self.network, self.training)
        try:
            with quiet_optuna(), storage_errors():
                sampler = self._sampler(study, n_expected or n_trials, team.number)
                study.sampler = sampler
                watch = Watch(
                    study,
                    sampler,
                    n_trials=n_trials,
                    timeout=timeout,
                    observers=observers,
                    pace=self._pace(sampler),
                    team=team,
                )
                ended = self._search(study, trainer, sampler, watch)
                runs = tuple(read_runs(study))
        finally:
            for observer in observers:
                observer.closed()
        places = ranked(runs, minimise=self.direction == "minimize")
        result = SearchResult(runs, tuple(places), ended, watch.seconds())
        for observer in observers:
            observer.search_finished(result)
        return result

    def _search(self, study: optuna.Study, trainer: Trainer, sampler: DistinctSampler, watch: Watch) -> str:
        objective = Objective(
            self.space,
            trainer,
            seed=self.seed,
            max_seeds=self.max_seeds,
            pack=self.packs.search,
            probe_epochs=watch.pace.probe_epochs,
            worker=worker_name(),
            on_epoch=watch.epoch_finished,
            reused=sampler.n_reused,
        )
        runs = read_runs(study)
        for observer in watch.observers:
            observer.search_started(self, watch.progress(runs))
        ended = watch.stop_reason(runs)
        if ended:
            return ended
        # What is alive now stays: the collector then looks through one trial's objects only (0.3 ms, not 230).
        gc.freeze()
        try:
            while not ended:
                ended = self._searched_along(study, objective, watch, sampler.n_trials)
        except KeyboardInterrupt:
            watch.team.interrupt()
            end_abandoned(study, is_idle=True)
            return "interrupted"
        finally:
            gc.unfreeze()
        return ended

    def _searched_along(self, study: optuna.Study, objective: Objective, watch: Watch, n_expected: int | None) -> str:
        """Search with the team until nobody has a trial under way; why it is over, or nothing if there is more to do.

        There is when what another worker had under way was counted on, and failed.
        """
        left = watch.timeout_left()
        watch.team.begin_search(n_trials=watch.n_trials, n_expected=n_expected, timeout=left)
        with plain_interrupts():
            study.optimize(objective, timeout=left, catch=(TrialFailed,), callbacks=[watch.trial_finished])
        is_changed = watch.team.end(study, watch.catch_up)
        is_late = watch.timeout is not None and watch.seconds() >= watch.timeout
        reason = watch.stop_reason(read_runs(study)) or ("time" if is_late else "")
        return reason or ("" if is_changed else "exhausted")

    def _pace(self, sampler: DistinctSampler) -> Pace:
        probe = sampler.halving.probe_epochs if self._is_probing(sampler.n_trials) else None
        return Pace(self.training.max_epochs, probe, self.space.n_settings, self.n_trainings)

    def _is_probing(self, n_trials: int | None) -> bool:
        return is_probing(self.training.max_epochs, n_trials, self.space.n_settings, self.n_trainings)

    def _sampler(self, study: optuna.Study, n_expected: int | None, worker: int) -> DistinctSampler:
        # A resumed search must not draw again what it drew before, nor one worker what another one draws.
        drawn = len(study.get_trials(deepcopy=False)), *([worker] if worker else [])
        seed = derived_seed(self.seed, "sampler", *drawn) % 2**32
        # Settings under way are never proposed, so no liar is needed; it would write every redraw to the storage.
        wrapped = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=len(self.space.references()) + 10, constant_liar=False
        )
        training, minimise = self.training, self.direction == "minimize"
        halving = Halving(
            training.metric,
            minimise,
            seed=self.seed,
            max_seeds=self.max_seeds,
            probe_epochs=probe_epochs(training.max_epochs),
            pack=self.packs.search,
        )
        return DistinctSampler(wrapped, self.space, halving=halving, n_trials=n_expected)


def named_network(network: Network) -> dict[str, Any]:
    """A network's name and options, as a study's identity and ``blocks.yaml`` hold them."""
    described = network.described()
    return {"network": described.pop("name"), **{f"network {key}": value for key, value in described.items()}}
