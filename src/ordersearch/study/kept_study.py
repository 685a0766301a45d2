"""A study read back from its storage: what was searched, its runs, its confirmation. The data set is not needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ordersearch.errors import OrdersearchError, StorageError, unknown_name
from ordersearch.results import KNOWN_STATES, Attribute, Run, State, runs_of
from ordersearch.study.confirmation import Confirmation, last_confirmation, study_name
from ordersearch.study.record import Record, read_record
from ordersearch.study.result import SearchResult, ranked
from ordersearch.study.run_queue import queued_runs
from ordersearch.study.storage import quiet_optuna, storage_errors
from ordersearch.study.verdict import Verdict, verdict_of

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, LookupError)
"""What attributes of another version bring about."""


@dataclass(frozen=True)
class KeptConfirmation:
    """The last confirmation of a search.

    Attributes:
        confirmation: Who, on which pairs.
        runs: Its runs.
        verdict: What they show.
        study: The name of its study.
        ended: When the last of them ended.
    """

    confirmation: Confirmation
    runs: tuple[Run, ...]
    verdict: Verdict
    study: str
    ended: datetime | None


@dataclass(frozen=True)
class KeptStudy:
    """A search and what came out of it, as its storage holds them.

    Attributes:
        record: What was searched.
        result: The runs, and the ranking of those that this version can read.
        curves: For each trial of the search, the metric after each epoch, as Optuna keeps it.
        confirmed: The last confirmation, where there is one.
        started: When the first trial began, if one did.
        ended: When the last one ended.
        notes: What could not be read, or is not known here.
    """

    record: Record
    result: SearchResult
    curves: Mapping[int, tuple[float, ...]]
    confirmed: KeptConfirmation | None
    started: datetime | None
    ended: datetime | None
    notes: tuple[str, ...]


def search_names(storage: BaseStorage) -> list[str]:
    """The names of the studies that are searches of their own, no confirmations and nothing else's."""
    with quiet_optuna(), storage_errors():
        return [
            study.study_name
            for study in storage.get_all_studies()
            if Attribute.SEARCH in study.user_attrs and Attribute.CONFIRMATION not in study.user_attrs
        ]


def read_study(storage: BaseStorage, name: str) -> KeptStudy:
    """The search of this name.

    Args:
        storage: Where it is kept.
        name: Of its study.

    Raises:
        UnknownNameError: The storage has no such study.
        StudyMismatchError: ordersearch did not make it, or it is no search of its own.
        StorageError: The storage failed.
    """
    with quiet_optuna(), storage_errors():
        if name not in optuna.get_all_study_names(storage):
            raise unknown_name("study", name, search_names(storage), where="In the storage")
        study = optuna.load_study(study_name=name, storage=storage)
        record = read_record(study)
        trials = study.get_trials(deepcopy=False)
        notes = [*record.notes, *_unknown_states(trials)]
        runs = _readable(trials, notes)
        confirmed = _confirmed(storage, record, notes)
    seconds = sum(run.seconds for run in runs)
    places = ranked(runs, minimise=record.direction == "minimize")
    begun = [trial.datetime_start for trial in trials if trial.datetime_start]
    ends = (_last_end(trials), confirmed.ended if confirmed else None)
    return KeptStudy(
        record,
        SearchResult(tuple(runs), tuple(places), "", seconds),
        {trial.number: tuple(trial.intermediate_values.values()) for trial in trials if trial.intermediate_values},
        confirmed,
        min(begun, default=None),
        max(filter(None, ends), default=None),
        tuple(notes),
    )


def _readable(trials: Sequence[FrozenTrial], notes: list[str]) -> list[Run]:
    """The runs; what one of another version has that cannot be read is left out of it, or it is left out."""
    runs: list[Run] = []
    unread: Counter[str] = Counter()
    for trial in trials:
        try:
            found = runs_of(trial)
            for run in found:
                _ = run.order, f"{run.learning_rate + run.seconds:g}{run.seed + run.n_epochs + run.n_reused:d}"
            runs += found
        except (OrdersearchError, *UNREADABLE) as cause:
            unread[str(cause) if isinstance(cause, OrdersearchError) else "its attributes have another form"] += 1
            runs.append(Run(trial.number, State.INTERRUPTED, reason="written by another version"))
    notes += [
        f"{n} trial{'s' * (n != 1)} cannot be read by this version, and count{'s' * (n == 1)} as interrupted ({why})."
        for why, n in unread.most_common(3)
    ]
    return runs


def _last_end(trials: Sequence[FrozenTrial]) -> datetime | None:
    return max((trial.datetime_complete for trial in trials if trial.datetime_complete), default=None)


def _unknown_states(trials: Sequence[FrozenTrial]) -> list[str]:
    ended = (trial.user_attrs.get(Attribute.STATE) for trial in trials if trial.state is TrialState.FAIL)
    unknown = Counter(str(state) for state in ended if state is not None and state not in KNOWN_STATES)
    return [
        f"{n} trial{'s' * (n != 1)} ended as {state[:80]!r}, which this version does not know: counted as interrupted."
        for state, n in unknown.most_common(3)
    ]


def _confirmed(storage: BaseStorage, record: Record, notes: list[str]) -> KeptConfirmation | None:
    try:
        found = last_confirmation(storage, record)
        if found is None:
            return None
        confirmation = found[0]
        name = study_name(record, confirmation.round)
        study = optuna.load_study(study_name=name, storage=storage)
        runs = tuple(queued_runs(study))
        ended = _last_end(study.get_trials(deepcopy=False))
        return KeptConfirmation(confirmation, runs, verdict_of(confirmation, runs), name, ended)
    except StorageError:
        raise
    except (OrdersearchError, *UNREADABLE) as cause:
        told = f"{type(cause).__name__}: {cause}"[:200]
        notes.append(f"The confirmation was written by another version and cannot be read here ({told}).")
        return None
