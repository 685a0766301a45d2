"""Opening a study: made with its references in the queue, or gone on with and what was lost queued again."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ordersearch.attach.turns import age_seconds
from ordersearch.errors import StudyMismatchError
from ordersearch.objective.pack import described
from ordersearch.results import Attribute, State, read_runs, run_of, runs_of, runs_of_setting
from ordersearch.space import SearchSpace
from ordersearch.study.storage import quiet_optuna, storage_errors

RENAME = "Give this search another --name"

NAMELESS_SECONDS = 300.0
"""What trains a trial may wait for a storage that is away; of an older trial without a name nothing is expected."""


def open_study(
    storage: BaseStorage, name: str, *, identity: Mapping[str, Any], metric: str, direction: str, space: SearchSpace
) -> optuna.Study:
    """The study of this name, made or gone on with; what should be in its queue and is not is put there.

    Args:
        storage: Where it is kept.
        name: What it is called.
        identity: What must be the same for its runs to be compared, by name.
        metric: What its values are called.
        direction: ``minimize`` or ``maximize``.
        space: Whose references are tried first.

    Raises:
        StudyMismatchError: It was made with something else; the message says with what.
        StorageError: The storage failed.
    """
    with quiet_optuna(), storage_errors():
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction=direction,  # type: ignore[arg-type]
            load_if_exists=True,
        )
        if Attribute.SEARCH in study.user_attrs:
            _require_search(name, study.user_attrs)
            _check_same(name, study.user_attrs[Attribute.SEARCH], identity)
        elif study.get_trials(deepcopy=False) or study.direction.name.lower() != direction:
            raise StudyMismatchError(f"Study {name!r} exists, but ordersearch did not make it. {RENAME}.")
        else:
            study.set_metric_names([metric])
            study.set_user_attr(Attribute.SEARCH, dict(identity))
        end_abandoned(study)
        _queue_references(study, space)
        _queue_interrupted(study)
    return study


def kept_identity(storage: BaseStorage, name: str) -> dict[str, Any]:
    """What the study of this name was made with, by name; empty where there is no such study."""
    with quiet_optuna(), storage_errors():
        if name not in optuna.get_all_study_names(storage):
            return {}
        kept: dict[str, Any] = optuna.load_study(study_name=name, storage=storage).user_attrs.get(Attribute.SEARCH, {})
        return kept


def _require_search(name: str, kept: Mapping[str, Any]) -> None:
    if Attribute.CONFIRMATION in kept:
        raise StudyMismatchError(f"Study {name!r} exists, but is the confirmation of another search. {RENAME}.")


def _check_same(name: str, kept: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differing = [key for key in {**now, **kept} if kept.get(key) != now.get(key)]
    # A fingerprint says nothing to a person; the name beside it does, where that differs, too.
    told = [key for key in differing if "fingerprint" not in key] or differing
    if told:
        differences = ", ".join(f"{key} {kept.get(key)!r}, now {now.get(key)!r}" for key in told)
        raise StudyMismatchError(
            f"Study {name!r} exists, but was made with another {told[0]} ({differences}). {RENAME}, or go on with the "
            f"old one's options."
        )


def worker_name() -> str:
    """This process, as its trials name it: ``host:process``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_gone(worker: str) -> bool:
    """Whether a process of this machine has ended; of another machine's nothing is known."""
    host, _, process = worker.rpartition(":")
    if host != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def lives_here(worker: str) -> bool:
    """Whether a worker is known to be a process of this machine that has not ended."""
    return os.name == "posix" and worker.rpartition(":")[0] == socket.gethostname() and not _is_gone(worker)


def end_abandoned(study: optuna.Study, *, is_idle: bool = False) -> None:
    """End the trials under way whose process is gone, so that their runs are queued again.

    A trial says whose it is some hundredths of a second after it began; what was cut off before that is nobody's.

    Args:
        study: Whose trials.
        is_idle: Whether this process trains nothing now: what it still has under way was cut off by an interrupt.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(Attribute.WORKER, "")
        is_nobodys = not worker and age_seconds(trial) > NAMELESS_SECONDS
        if is_nobodys or _is_gone(worker) or (is_idle and worker == worker_name()):
            # Another process may have found it meanwhile, too.
            with suppress(UpdateFinishedTrialError):
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _queue_references(study: optuna.Study, space: SearchSpace) -> None:
    there = {run.reference for run in read_runs(study) if run.state is not State.INTERRUPTED}
    for reference in space.references():
        if reference.name not in there:
            params = {**space.encode(reference.blocks), **space.default_nuisance()}
            study.enqueue_trial(params, user_attrs={str(Attribute.REFERENCE): reference.name})


def _queue_interrupted(study: optuna.Study) -> None:
    trials = study.get_trials(deepcopy=False)
    waiting = [trial.system_attrs.get("fixed_params") for trial in trials if trial.state is TrialState.WAITING]
    for trial in trials:
        run = run_of(trial)
        if run.state is not State.INTERRUPTED or not run.setting or run.reference or trial.params in waiting:
            continue
        others = runs_of_setting(study, run.setting, besides=run.trial)
        if not any(other.seed == run.seed and other.state is not State.INTERRUPTED for other in others):
            queue_again(study, trial)
            waiting.append(trial.params)


def queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial's runs once more: the same setting, seeds and splits."""
    kept: dict[str, Any] = {}
    if Attribute.SEED in trial.user_attrs:
        kept |= described([(run.seed, run.split) for run in runs_of(trial)])
    if Attribute.REFERENCE in trial.user_attrs:
        kept[str(Attribute.REFERENCE)] = trial.user_attrs[Attribute.REFERENCE]
    # One that ended before it began has its parameters in the queue's place only.
    study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params}, user_attrs=kept)
