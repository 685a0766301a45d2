"""Where a study is kept: a journal file by default, or any storage that Optuna takes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from json import JSONDecodeError
from pathlib import Path
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from sqlalchemy.exc import SQLAlchemyError

from ordersearch.errors import OrdersearchError, StorageError, without_password
from ordersearch.journal import NotedJournal
from ordersearch.study.patient import is_away, patient

JOURNAL_ENDINGS = (".journal", ".log")

STORAGE_ERRORS = (OSError, SQLAlchemyError, StorageInternalError, JSONDecodeError)

PROXY_SECONDS = 10.0
"""How long to wait for a proxy that is just being started."""


def run_folder(out: Path, name: str) -> Path:
    """The folder of a run, made if need be.

    Raises:
        StorageError: It cannot be made or written.
    """
    folder = out / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as cause:
        raise StorageError(
            f"{folder}: cannot be written ({cause.strerror or cause}). Choose another parent folder with --out."
        ) from cause
    return folder


def open_storage(location: str) -> BaseStorage:
    """The storage at a location: a journal file's path, a database URL that Optuna takes, or ``grpc://host:port``.

    What is opened once is waited for when it is away for a while; SQLite is not, which cannot be.

    Args:
        location: A path that ends in ``.journal`` or ``.log``, a URL such as ``postgresql://user@host/studies`` or
            ``sqlite:///study.db``, or the address of Optuna's proxy, which ``python -m ordersearch serve`` starts.

    Raises:
        StorageError: It cannot be opened; a password in the URL is not shown.
    """
    try:
        if location.endswith(JOURNAL_ENDINGS) and "://" not in location:
            return _read_once(_open_journal(Path(location)))
        if "://" not in location:
            raise ValueError("a storage is a path that ends in .journal or .log, or a URL such as sqlite:///study.db")
        if location.startswith("grpc://"):
            # A proxy of Optuna's waits ever longer before it looks again for one that was away.
            return patient(_read_once(_open_proxy(location)), reopened=partial(_proxy, location))
        storage = _read_once(optuna.storages.get_storage(_with_driver(location)))
        return storage if location.startswith("sqlite") else patient(storage)
    except Exception as cause:
        raise StorageError(f"Storage {without_password(location)!r} cannot be opened ({_told(cause)}).") from cause


def _open_proxy(location: str) -> BaseStorage:
    """Optuna's proxy at ``grpc://host:port``."""
    parts = urlsplit(location)
    if not parts.hostname or parts.port is None or parts.path.strip("/") or parts.username is not None:
        raise ValueError("a proxy's address is grpc://host:port")
    if find_spec("grpc") is None or find_spec("google.protobuf") is None:
        raise ModuleNotFoundError("it takes grpcio and protobuf: pip install 'ordersearch[grpc]'")
    proxy = _proxy(location)
    proxy.wait_server_ready(PROXY_SECONDS)
    return proxy


def _proxy(location: str) -> optuna.storages.GrpcStorageProxy:
    parts = urlsplit(location)
    with quiet_optuna():
        return optuna.storages.GrpcStorageProxy(host=parts.hostname or "", port=parts.port or 0)


def _with_driver(location: str) -> str:
    """The URL with a driver that is installed: SQLAlchemy's default for PostgreSQL is psycopg2, its newest psycopg."""
    scheme, _, rest = location.partition("://")
    if scheme not in ("postgresql", "postgres"):
        return location
    if find_spec("psycopg") is not None:
        return f"postgresql+psycopg://{rest}"
    if find_spec("psycopg2") is not None:
        return f"postgresql+psycopg2://{rest}"
    raise ModuleNotFoundError("PostgreSQL takes a driver: pip install 'ordersearch[postgres]'")


def _read_once(storage: BaseStorage) -> BaseStorage:
    storage.get_all_studies()
    return storage


def _open_journal(path: Path) -> BaseStorage:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    journal = NotedJournal(path)
    journal.drop_torn_line()
    return JournalStorage(journal)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a failing storage raises into a StorageError that says how to go on."""
    try:
        yield
    except OrdersearchError:
        raise
    except Exception as error:
        # Optuna meets an OSError in the middle of ending a trial with an AssertionError of its own.
        cause = error.__context__ if isinstance(error, AssertionError) else error
        if cause is None or not (isinstance(cause, STORAGE_ERRORS) or is_away(cause)):
            raise
        raise StorageError(
            f"The study's storage failed ({_told(cause)}). What was finished before is kept; the same command goes on "
            f"when the storage is well again."
        ) from error


def _told(error: BaseException) -> str:
    """A storage's error in one line, without passwords."""
    # Optuna's own says that something failed in the database, and the one behind it says what.
    told = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
    details = getattr(told, "details", None)
    text = str(details()) if callable(details) else str(told)
    return without_password(f"{type(told).__name__.lstrip('_')}: {text}".splitlines()[0])[:300]


@contextmanager
def plain_interrupts() -> Iterator[None]:
    """Let an interrupt that reaches Optuna while it ends a trial come out as one, and not as another error.

    Ending a trial, Optuna meets a value that was never set; giving a lock back, a file that is gone already.
    """
    try:
        yield
    except (UnboundLocalError, OSError, RuntimeError) as error:
        if _is_interrupt(error):
            raise KeyboardInterrupt from None
        raise


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an error was raised while an interrupt was answered."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


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
