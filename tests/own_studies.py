"""Studies as users have them before they meet ordersearch: a learning rate and a width, tuned on a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event

from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

OLD_ORDER = BlockSpec.parse("linear > batch_norm > relu > dropout(p=0.1)")
STORAGES = ("memory", "sqlite", "journal")


def storage_of(kind: str, folder: Path) -> BaseStorage:
    """A storage of a kind, with its file in a folder."""
    if kind == "sqlite":
        return _sqlite(folder / "studies.db")
    return (
        JournalStorage(JournalFileBackend(str(folder / "studies.journal"))) if kind == "journal" else InMemoryStorage()
    )


def _sqlite(path: Path) -> BaseStorage:
    """A database file that is not forced to the disk at every step, which takes some disks 25 ms each time."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    storage.engine.dispose()

    @event.listens_for(storage.engine, "connect")
    def hurry(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    return storage


def own_part(trial: optuna.Trial) -> float:
    """What a user's own objective asks for, and what that is worth: best are a rate of 0.01 and a width of 64."""
    rate = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    return 0.3 * abs(math.log10(rate) + 2) + (0.2 if trial.suggest_categorical("width", [16, 64]) == 16 else 0.0)


def old_objective(trial: optuna.Trial) -> float:
    """The value, reported on the way; of ten trials one is pruned and one fails."""
    value = own_part(trial)
    trial.report(2 * value, 0)
    trial.set_user_attr("note", f"trial {trial.number}")
    trial.set_constraint("size", -1.0)
    if trial.number % 10 == 4:
        raise optuna.TrialPruned
    if trial.number % 10 == 7:
        raise RuntimeError("out of patience")
    trial.report(value, 1)
    return value


def old_study(
    n_trials: int = 20,
    *,
    storage: BaseStorage | None = None,
    name: str = "mine",
    objective: Callable[[optuna.Trial], float] = old_objective,
) -> optuna.Study:
    """A study with so many trials of random parameters."""
    study = optuna.create_study(study_name=name, storage=storage, sampler=RandomSampler(seed=0))
    study.optimize(objective, n_trials=n_trials, catch=(RuntimeError,))
    return study


def going_on(study: optuna.Study, sampler: BaseSampler) -> optuna.Study:
    """The study with another sampler."""
    study.sampler = sampler
    return study


def dense() -> SearchSpace:
    """The space of the orders of a fully connected block."""
    return SearchSpace.load("dense")
