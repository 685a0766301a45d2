"""A real PostgreSQL for the tests: from the wheel ``pgserver``, or the one that ORDERSEARCH_TEST_POSTGRES names."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage

from ordersearch.study.storage import open_storage

VARIABLE = "ORDERSEARCH_TEST_POSTGRES"


class Postgres:
    """A server of this process alone, which can be stopped and started.

    Args:
        folder: Where it keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        # It asks for a folder of the user's session, and warns where there is none.
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
        self._pgserver: Any = import_module("pgserver")
        self._server: Any = self._pgserver.get_server(folder, cleanup_mode=None)
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        """Stop the server, as for a restart: who is connected is cut off."""
        arguments = ["-w", "-m", "fast", "stop"]
        self._pgserver.pg_ctl(arguments, pgdata=self._server.pgdata, user=self._server.system_user)

    def start(self) -> None:
        """Start the server once more."""
        self._server.ensure_postgres_running()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server that the tests of a module share, and may stop."""
    pytest.importorskip("pgserver", reason="takes the wheel pgserver, which there is for Linux and macOS")
    # Not a folder of pytest's: the server, which is no superuser's, is not let into these.
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def opened() -> Iterator[Callable[[str], BaseStorage]]:
    """Opens storages, whose connections are closed when the test is over."""
    storages: list[Any] = []

    def opening(location: str) -> BaseStorage:
        storages.append(open_storage(location))
        return storages[-1]  # type: ignore[no-any-return]

    yield opening
    for storage in storages:
        # A patient storage, Optuna's cache, the database itself; or a patient storage and a proxy.
        inner = storage._storage
        inner._backend.engine.dispose() if hasattr(inner, "_backend") else inner.close()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The URL of a new, empty database."""
    import psycopg

    server = os.environ.get(VARIABLE) or request.getfixturevalue("postgres").url
    name = f"ordersearch_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    scheme, _, rest = server.partition("://")
    at, _, query = rest.partition("?")
    return f"{scheme}://{at.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
