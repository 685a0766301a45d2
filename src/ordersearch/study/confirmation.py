"""Confirmation: a few classes on fresh pairs of seed and split, block by block, until the verdict stands."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ordersearch.errors import StudyMismatchError
from ordersearch.objective import ConfirmingObjective, Trainer, TrialFailed
from ordersearch.ranking import Decision, GroupSequential, StoppingRule, decide
from ordersearch.ranking.stopping import AnytimeValid
from ordersearch.results import FAILED, RETRIED, Attribute, Run, State, distinct_runs, read_runs, run_of
from ordersearch.seeds import derived_seed
from ordersearch.study.finalists import Finalist
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.opening import end_abandoned, worker_name
from ordersearch.study.search import Search
from ordersearch.study.storage import plain_interrupts, quiet_optuna, storage_errors

MAX_PAIRS = 15


@dataclass(frozen=True)
class Confirmation:
    """Which classes are trained on which fresh pairs, and when the verdict stands.

    Attributes:
        search: Whose finalists these are.
        finalists: The baseline first.
        max_pairs: The most pairs of seed and split.
        anytime: Whether the test may be looked at after every pair, for ever; it finds less with as many pairs.
    """

    search: Search
    finalists: tuple[Finalist, ...]
    max_pairs: int = MAX_PAIRS
    anytime: bool = False

    @property
    def rule(self) -> StoppingRule:
        """When to look at the pairs, and what to believe then."""
        return AnytimeValid(self.max_pairs) if self.anytime else GroupSequential(self.max_pairs)

    @property
    def baseline(self) -> Finalist:
        """The finalist that the others are compared with."""
        return next(finalist for finalist in self.finalists if finalist.is_baseline)

    def seed(self, pair: int) -> int:
        """Seed and split of a pair: numbers that no search takes, since its seeds are small and these are not."""
        return 2**20 + derived_seed(self.search.seed, "confirmation", pair) % 2**30

    def decision(self, runs: Sequence[Run]) -> Decision:
        """What the runs show: a function of the set of confirmation runs alone."""
        return decide(
            self.values(runs),
            baseline=self.baseline.order,
            rule=self.rule,
            minimise=self.search.direction == "minimize",
        )

    def values(self, runs: Sequence[Run], metric: str = "") -> dict[str, dict[int, float]]:
        """Each class's metric by pair; NaN for a run that failed for good."""
        pairs = {self.seed(pair): pair for pair in range(self.rule.looks[-1])}
        orders = {finalist.setting.digest: finalist.order for finalist in self.finalists}
        values: dict[str, dict[int, float]] = {order: {} for order in orders.values()}
        known = [run for run in runs if run.setting in orders and run.seed in pairs and run.split == run.seed]
        for run in known:
            if run.state in FAILED and not _is_tried_again(run, known):
                values[orders[run.setting]][pairs[run.seed]] = float("nan")
        for run in distinct_runs(known):
            value = run.metrics[metric] if metric else run.value
            if value is not None:
                values[orders[run.setting]][pairs[run.seed]] = value
        return values

    def open_study(self, storage: BaseStorage) -> optuna.Study:
        """The study ``NAME-confirm``, made or gone on with; another set of finalists is another study, ``-confirm-2``.

        Raises:
            StorageError: The storage failed.
            StudyMismatchError: Every name that could be taken belongs to other finalists.
        """
        identity = self._identity()
        with quiet_optuna(), storage_errors():
            for number in range(1, 100):
                name = f"{self.search.name}-confirm" + (f"-{number}" if number > 1 else "")
                study = optuna.create_study(
                    study_name=name, storage=storage, direction=self.search.direction, load_if_exists=True
                )
                if Attribute.SEARCH not in study.user_attrs:
                    study.set_metric_names([self.search.training.metric])
                    study.set_user_attr(Attribute.SEARCH, identity)
                if study.user_attrs[Attribute.SEARCH] == identity:
                    end_abandoned(study)
                    return study
        raise StudyMismatchError(f"Study {self.search.name!r} has 99 confirmations. Give this search another --name.")

    def _identity(self) -> dict[str, Any]:
        return {
            **self.search.identity(),
            "max_pairs": self.max_pairs,
            "anytime": self.anytime,
            "finalists": [finalist.to_dict() for finalist in self.finalists],
        }

    def run(
        self,
        study: optuna.Study,
        trainer: Trainer,
        *,
        timeout: float | None = None,
        observers: Sequence[Observer] = (),
    ) -> tuple[tuple[Run, ...], str]:
        """Train pair after pair until the decision is final; the runs, and why it ended.

        Args:
            study: From ``open_study``.
            trainer: Trains the settings.
            timeout: Seconds after which no further run begins.
            observers: Are told of every run.

        Returns:
            The runs, and ``decided``, ``time`` or ``interrupted``.
        """
        watch = _Watch(self, observers)
        watch.started_with(read_runs(study))
        gc.freeze()
        try:
            with quiet_optuna(), storage_errors():
                while self._queue_next(study):
                    left = None if timeout is None else timeout - watch.seconds()
                    if left is not None and left <= 0:
                        return tuple(read_runs(study)), "time"
                    self._train_queued(study, trainer, left, watch)
                return tuple(read_runs(study)), "decided"
        except KeyboardInterrupt:
            with quiet_optuna(), storage_errors():
                return tuple(read_runs(study)), "interrupted"
        finally:
            gc.unfreeze()
            for observer in observers:
                observer.closed()

    def _queue_next(self, study: optuna.Study) -> bool:
        """Queue the runs that the next look lacks and that nobody has; whether any is still to come."""
        runs = read_runs(study)
        values, wanted = self.values(runs), self.decision(runs).wanted
        under_way = {
            (run.setting, run.seed) for run in runs if run.state in (State.WAITING, State.RUNNING) and run.setting
        }
        missing = [
            (finalist, pair)
            for pair in range(max(wanted.values(), default=0))
            for finalist in self.finalists
            if pair < wanted.get(finalist.order, 0) and pair not in values[finalist.order]
        ]
        for finalist, pair in missing:
            if (finalist.setting.digest, self.seed(pair)) not in under_way:
                study.enqueue_trial({}, user_attrs=self._attributes(finalist, pair))
        return bool(missing)

    def _attributes(self, finalist: Finalist, pair: int) -> dict[str, Any]:
        kept = finalist.to_dict()
        attributes: Mapping[str, Any] = {
            Attribute.BLOCKS: kept["blocks"],
            Attribute.CANONICAL: kept["canonical"],
            Attribute.LEARNING_RATE: kept["lr"],
            Attribute.SEED: self.seed(pair),
            Attribute.SPLIT: self.seed(pair),
            Attribute.REFERENCE: finalist.name,
            Attribute.SETTING: finalist.setting.digest,
        }
        batch_size = {} if kept["batch_size"] is None else {str(Attribute.BATCH_SIZE): kept["batch_size"]}
        return {**{str(key): value for key, value in attributes.items()}, **batch_size}

    def _train_queued(self, study: optuna.Study, trainer: Trainer, timeout: float | None, watch: _Watch) -> None:
        n_waiting = len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
        if n_waiting == 0:
            # Another worker has the rest under way.
            time.sleep(0.5)
            return
        objective = ConfirmingObjective(trainer, worker=worker_name(), on_epoch=watch.epoch_finished)
        with plain_interrupts():
            study.optimize(
                objective, n_trials=n_waiting, timeout=timeout, catch=(TrialFailed,), callbacks=[watch.trial_finished]
            )


class _Watch:
    """Tells the observers what is trained."""

    def __init__(self, confirmation: Confirmation, observers: Sequence[Observer]) -> None:
        self.confirmation, self.observers = confirmation, observers
        self.most = len(confirmation.finalists) * confirmation.rule.looks[-1]
        self.started = time.monotonic()
        self.n_before = 0

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def started_with(self, runs: Sequence[Run]) -> None:
        self.n_before = len(distinct_runs(runs))
        for observer in self.observers:
            observer.confirmation_started(self.confirmation, self._progress(runs))

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        for observer in self.observers:
            observer.epoch_finished(trial, epoch, value)

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial) -> None:
        progress = self._progress(read_runs(study))
        for observer in self.observers:
            observer.trial_finished(run_of(trial), progress)

    def _progress(self, runs: Sequence[Run]) -> Progress:
        complete = distinct_runs(runs)
        n_new = len(complete) - self.n_before
        return Progress(
            n_trained=len(complete),
            n_trials=self.most,
            n_pruned=0,
            n_failed=sum(run.state in FAILED for run in runs),
            n_reused=0,
            best=None,
            seconds=self.seconds(),
            seconds_left=self.seconds() / n_new * (self.most - len(complete)) if n_new else None,
        )


def _is_tried_again(run: Run, runs: Sequence[Run]) -> bool:
    """Whether a run that crashed is to have, or has had, its second try: only the last of two counts."""
    same = [other for other in runs if (other.setting, other.seed) == (run.setting, run.seed) and other.state in FAILED]
    return run.state in RETRIED and len(same) < 2
