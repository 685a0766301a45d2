"""A database that is away for a while is waited for; PostgreSQL and Optuna's proxy, real ones."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from ordersearch.errors import StorageError
from ordersearch.study.patient import patient
from ordersearch.study.storage import open_storage, storage_errors
from tests.postgres import Postgres

Opened = Callable[[str], BaseStorage]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def proxy(storage: str, port: int) -> Iterator[str]:
    """The address of a proxy that ``ordersearch serve`` starts."""
    command = [sys.executable, "-m", "ordersearch", "serve", "--storage", storage, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        told = served.stdout.readline()
        found = re.search(r"--storage (grpc://127\.0\.0\.1:\d+)", told)
        assert found, told
        try:
            yield found[1]
        finally:
            served.kill()


def test_a_database_and_its_trials_survive_a_restart(database: str, postgres: Postgres, opened: Opened) -> None:
    storage = opened(database)
    study = optuna.create_study(storage=storage, study_name="one")
    trial = study.ask()
    postgres.stop()
    again = threading.Timer(1.5, postgres.start)
    again.start()
    started = time.monotonic()
    trial.set_user_attr("a", 1)
    assert time.monotonic() - started > 1
    again.join()
    study.tell(trial, 0.5)
    kept = optuna.load_study(storage=opened(database), study_name="one").trials
    assert [(one.value, one.user_attrs) for one in kept] == [(0.5, {"a": 1})]


def test_one_that_stays_away_is_given_up(database: str, postgres: Postgres, opened: Opened) -> None:
    storage = patient(opened(database)._storage, seconds=0.3)  # type: ignore[attr-defined]
    study = optuna.create_study(storage=storage, study_name="one")
    postgres.stop()
    try:
        with pytest.raises(StorageError, match=r"^The study's storage failed \(OperationalError: .*the same command"):
            note(study)
    finally:
        postgres.start()
    note(study)


@storage_errors()
def note(study: optuna.Study) -> None:
    study.set_user_attr("a", 1)


def test_an_end_that_came_through_without_an_answer_is_an_end(database: str, opened: Opened) -> None:
    study = optuna.create_study(storage=opened(database), study_name="one")
    trial = study.ask()
    inner = study._storage._storage  # type: ignore[attr-defined]
    tell, calls = inner.set_trial_state_values, []

    def lost(*arguments: object, **named: object) -> bool:
        calls.append(tell(*arguments, **named))
        if len(calls) == 1:
            raise optuna.exceptions.StorageInternalError from operational_error()
        raise AssertionError("the second call was answered")

    inner.set_trial_state_values = lost
    study.tell(trial, 0.5)
    assert study.trials[0].state is TrialState.COMPLETE
    assert calls == [True]


def operational_error() -> Exception:
    from sqlalchemy.exc import OperationalError

    return OperationalError("COMMIT", {}, Exception("the connection is closed"))


def test_a_proxy_makes_sqlite_safe_for_several_and_is_waited_for(tmp_path: Path, opened: Opened) -> None:
    file, port = tmp_path / "study.db", free_port()
    with proxy(f"sqlite:///{file}", port) as address:
        study = optuna.create_study(storage=opened(address), study_name="one")
        trial = study.ask()
    noted = threading.Thread(target=trial.set_user_attr, args=("a", 1))
    noted.start()
    with proxy(f"sqlite:///{file}", port):
        noted.join()
        study.tell(trial, 0.5)
    kept = optuna.load_study(storage=f"sqlite:///{file}", study_name="one").trials
    assert [(one.value, one.user_attrs) for one in kept] == [(0.5, {"a": 1})]


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("study.journal", r"--storage: got 'study\.journal', but the proxy serves databases"),
        ("grpc://localhost:1", r"--storage: got 'grpc://localhost:1', but the proxy serves databases"),
    ],
)
def test_what_is_no_database_is_not_served(storage: str, message: str) -> None:
    from ordersearch.cli.serve_command import ServeError, run_serve

    with pytest.raises(ServeError, match=message):
        run_serve(storage, "127.0.0.1", free_port())


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    from ordersearch.cli.serve_command import ServeError, run_serve

    file = tmp_path / "study.db"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=rf"--host 127\.0\.0\.1, --port {port}: cannot be listened on"):
            run_serve(f"sqlite:///{file}", "127.0.0.1", port)


@pytest.mark.parametrize("address", ["grpc://", "grpc://host", "grpc://host:1/path", "grpc://user@host:1"])
def test_an_address_of_a_proxy_is_host_and_port(address: str) -> None:
    with pytest.raises(StorageError, match=r"a proxy's address is grpc://host:port"):
        open_storage(address)
