"""Confirmation: a few classes on fresh pairs of seed and split, block by block, until the verdict stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.storages import BaseStorage

from ordersearch.errors import StudyMismatchError
from ordersearch.objective import Trainer
from ordersearch.ranking import Decision, GroupSequential, StoppingRule, decide
from ordersearch.ranking.stopping import AnytimeValid
from ordersearch.results import Attribute, Run, distinct_runs
from ordersearch.seeds import derived_seed
from ordersearch.study.confirmation_watch import ConfirmationWatch
from ordersearch.study.finalists import N_CHALLENGERS, Finalist
from ordersearch.study.observer import Observer
from ordersearch.study.opening import end_abandoned
from ordersearch.study.record import Searched
from ordersearch.study.run_queue import RunQueue, WantedRuns, is_given_up, queued_runs, renew_tries
from ordersearch.study.storage import quiet_optuna, storage_errors
from ordersearch.study.team import ALONE, Team

MAX_PAIRS = 15
MOST_ROUNDS = 99


@dataclass(frozen=True)
class Confirmation:
    """Which classes are trained on which fresh pairs, and when the verdict stands.

    Attributes:
        search: Whose finalists these are.
        finalists: The baseline first.
        max_pairs: The most pairs of seed and split.
        anytime: Whether the test may be looked at after every pair, for ever; it finds less with as many pairs.
        n_challengers: How many other classes were asked for; the search may have had fewer.
        round: Each round has its own pairs: what was chosen after a look at the first round's must not meet them again.
    """

    search: Searched
    finalists: tuple[Finalist, ...]
    max_pairs: int = MAX_PAIRS
    anytime: bool = False
    n_challengers: int = N_CHALLENGERS
    round: int = 1

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
        parts = (pair,) if self.round == 1 else (self.round, pair)
        return 2**20 + derived_seed(self.search.seed, "confirmation", *parts) % 2**30

    def decision(self, runs: Sequence[Run]) -> Decision:
        """What the runs show: a function of the set of confirmation runs alone."""
        return decide(
            self.values(runs),
            baseline=self.baseline.order,
            rule=self.rule,
            minimise=self.search.direction == "minimize",
        )

    def values(self, runs: Sequence[Run]) -> dict[str, dict[int, float]]:
        """Each class's metric by pair; NaN for a run that failed for good."""
        known = self._own(runs)
        tried = [run for run, _ in known]
        values: dict[str, dict[int, float]] = {finalist.order: {} for finalist in self.finalists}
        for run, (order, pair) in known:
            if is_given_up(run, tried):
                values[order][pair] = float("nan")
        for order, complete in self.complete(runs).items():
            values[order] |= {pair: run.value for pair, run in complete.items() if run.value is not None}
        return values

    def complete(self, runs: Sequence[Run]) -> dict[str, dict[int, Run]]:
        """Each class's complete runs by pair, of these runs; those of anything else are left out."""
        found: dict[str, dict[int, Run]] = {finalist.order: {} for finalist in self.finalists}
        for run, (order, pair) in self._own(distinct_runs(runs)):
            found[order][pair] = run
        return found

    def _own(self, runs: Sequence[Run]) -> list[tuple[Run, tuple[str, int]]]:
        """The runs that are of this confirmation, with their class and pair."""
        pairs = {self.seed(pair): pair for pair in range(self.rule.looks[-1])}
        orders = {finalist.setting.digest: finalist.order for finalist in self.finalists}
        return [
            (run, (orders[run.setting], pairs[run.seed]))
            for run in runs
            if run.setting in orders and run.seed in pairs and run.split == run.seed
        ]

    def opened(self, storage: BaseStorage) -> tuple[Confirmation, optuna.Study]:
        """This confirmation in its round, and the study ``NAME-confirm`` of it, made or gone on with.

        Other finalists, or another number of pairs, are another round: ``NAME-confirm-2``, on fresh pairs.

        Raises:
            StorageError: The storage failed.
            StudyMismatchError: Every name that could be taken belongs to another confirmation.
        """
        identity = self._identity()
        with quiet_optuna(), storage_errors():
            for number in range(1, MOST_ROUNDS + 1):
                study = optuna.create_study(
                    study_name=study_name(self.search, number),
                    storage=storage,
                    direction=self.search.direction,
                    load_if_exists=True,
                )
                if Attribute.SEARCH not in study.user_attrs:
                    study.set_metric_names([self.search.training.metric])
                    study.set_user_attr(Attribute.CONFIRMATION, self._described())
                    study.set_user_attr(Attribute.ORDERS, sorted({finalist.trained for finalist in self.finalists}))
                    study.set_user_attr(Attribute.SEARCH, identity)
                if study.user_attrs[Attribute.SEARCH] == identity:
                    if self.max_pairs > study.user_attrs[Attribute.CONFIRMATION]["max_pairs"]:
                        study.set_user_attr(Attribute.CONFIRMATION, self._described())
                    end_abandoned(study)
                    renew_tries(study)
                    return replace(self, round=number), study
        raise StudyMismatchError(
            f"Study {self.search.name!r} has {MOST_ROUNDS} confirmations. Give this search another --name."
        )

    def _identity(self) -> dict[str, Any]:
        """What must be the same for the pairs to be gone on with: no names, and no order of rank, which may change."""
        return {
            **self.search.identity(),
            "anytime": self.anytime,
            "max_pairs": None if self.anytime else self.max_pairs,
            "finalists": sorted(finalist.setting.digest for finalist in self.finalists),
            "baseline": self.baseline.setting.digest,
        }

    def _described(self) -> dict[str, Any]:
        return {
            "max_pairs": self.max_pairs,
            "anytime": self.anytime,
            "n_challengers": self.n_challengers,
            "finalists": [finalist.to_dict() for finalist in self.finalists],
        }

    def run(
        self,
        study: optuna.Study,
        trainer: Trainer,
        *,
        timeout: float | None = None,
        observers: Sequence[Observer] = (),
        team: Team = ALONE,
    ) -> tuple[tuple[Run, ...], str]:
        """Train pair after pair until the decision is final; the runs, and why it ended.

        Args:
            study: From ``opened``.
            trainer: Trains the settings.
            timeout: Seconds after which no further run begins.
            observers: Are told of every run.
            team: The processes that train along.

        Returns:
            The runs, and ``done``, ``time`` or ``interrupted``.

        Raises:
            StorageError: The storage failed; what was finished is kept.
        """
        most = len(self.finalists) * self.rule.looks[-1]
        try:
            with quiet_optuna(), storage_errors():
                watch = ConfirmationWatch(self, most, observers, study)
            runs, ended = RunQueue(study, trainer, timeout=timeout, watch=watch, team=team).train(self.missing)
            return tuple(runs), ended
        finally:
            for observer in observers:
                observer.closed()

    def missing(self, runs: Sequence[Run]) -> list[WantedRuns]:
        """The runs that the next look lacks, pair after pair, or pack after pack.

        Which pairs make a pack never changes, so the last one may go beyond the pairs that are looked at.
        """
        values, wanted = self.values(runs), self.decision(runs).wanted
        size = self.search.packs.confirmation
        return [
            WantedRuns(
                finalist.setting,
                tuple((self.seed(pair), self.seed(pair)) for pair in range(first, first + size)),
                finalist.name,
            )
            for first in range(0, max(wanted.values(), default=0), size)
            for finalist in self.finalists
            if any(
                pair not in values[finalist.order]
                for pair in range(first, min(first + size, wanted.get(finalist.order, 0)))
            )
        ]


def study_name(search: Searched, number: int) -> str:
    """What the study of a round is called.

    Example:
        >>> from types import SimpleNamespace
        >>> study_name(SimpleNamespace(name="digits-conv"), 1), study_name(SimpleNamespace(name="digits-conv"), 2)
        ('digits-conv-confirm', 'digits-conv-confirm-2')
    """
    return f"{search.name}-confirm" + (f"-{number}" if number > 1 else "")


def last_confirmation(storage: BaseStorage, search: Searched) -> tuple[Confirmation, bool] | None:
    """The last confirmation of a search as it was kept, and whether its verdict stands; None where there is none."""
    name = re.compile(re.escape(f"{search.name}-confirm") + r"(?:-(\d+))?")
    with quiet_optuna(), storage_errors():
        found = [match for match in map(name.fullmatch, optuna.get_all_study_names(storage)) if match]
        for match in sorted(found, key=lambda match: int(match[1] or 1), reverse=True):
            study = optuna.load_study(study_name=match[0], storage=storage)
            if Attribute.CONFIRMATION in study.user_attrs:
                kept = _from_kept(search, study.user_attrs[Attribute.CONFIRMATION], int(match[1] or 1))
                return kept, kept.decision(queued_runs(study)).is_final
    return None


def _from_kept(search: Searched, kept: Mapping[str, Any], number: int) -> Confirmation:
    return Confirmation(
        search,
        tuple(Finalist.from_dict(finalist) for finalist in kept["finalists"]),
        kept["max_pairs"],
        kept["anytime"],
        kept["n_challengers"],
        number,
    )
