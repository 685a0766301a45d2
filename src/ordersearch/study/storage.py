"""Where a study is kept: a journal file by default, or any storage that Optuna takes."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock
from sqlalchemy.exc import SQLAlchemyError

from ordersearch.errors import OrdersearchError, StorageError, without_password
from ordersearch.objective.journal import NotedJournal

JOURNAL_ENDINGS = (".journal", ".log")


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
    """The storage at a location: a journal file's path, or a database URL that Optuna takes.

    Args:
        location: A path that ends in ``.journal`` or ``.log``, or a URL such as ``sqlite:///study.db``.

    Raises:
        StorageError: It cannot be opened; a password in the URL is not shown.
    """
    try:
        if location.endswith(JOURNAL_ENDINGS) and "://" not in location:
            return _read_once(_open_journal(Path(location)))
        if "://" not in location:
            raise ValueError("a storage is a path that ends in .journal or .log, or a URL such as sqlite:///study.db")
        return _read_once(optuna.storages.get_storage(location))
    except Exception as cause:
        reason = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])
        raise StorageError(f"Storage {without_password(location)!r} cannot be opened ({reason[:300]}).") from cause


def _read_once(storage: BaseStorage) -> BaseStorage:
    storage.get_all_studies()
    return storage


def _open_journal(path: Path) -> BaseStorage:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    # Absolute, since the lock is a symbolic link to the file: one to a relative path leads nowhere, and Optuna then
    # waits for ever on a lock that a killed process left. Windows lets only administrators make such links.
    file = str(path.resolve())
    lock = JournalFileOpenLock(file) if sys.platform == "win32" else JournalFileSymlinkLock(file)
    _drop_torn_line(path, lock)
    return JournalStorage(NotedJournal(file, lock_obj=lock))


def _drop_torn_line(path: Path, lock: JournalFileOpenLock | JournalFileSymlinkLock) -> None:
    """Cut off a last line that a crash left unfinished; whatever is appended to one makes the file unreadable."""
    if not path.exists() or _ends_well(path):
        return
    lock.acquire()
    try:
        if not _ends_well(path):
            content = path.read_bytes()
            os.truncate(path, content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a failing storage raises into a StorageError that says how to go on."""
    try:
        yield
    except OrdersearchError:
        raise
    except (OSError, SQLAlchemyError, StorageInternalError, JSONDecodeError, AssertionError) as error:
        # Optuna meets an OSError in the middle of ending a trial with an AssertionError of its own.
        cause = error.__context__ if isinstance(error, AssertionError) else error
        if not isinstance(cause, OSError | SQLAlchemyError | StorageInternalError | JSONDecodeError):
            raise
        reason = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])[:300]
        raise StorageError(
            f"The study's storage failed ({reason}). What was finished before is kept; the same command goes on when "
            f"the storage is well again."
        ) from error


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
