"""Where a study is kept: a journal file by default, or any storage that Optuna takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from ordersearch.errors import StorageError

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
            return _open_journal(Path(location))
        if "://" not in location:
            raise ValueError("a storage is a path that ends in .journal or .log, or a URL such as sqlite:///study.db")
        return optuna.storages.get_storage(location)
    except Exception as cause:
        reason = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])
        raise StorageError(f"Storage {without_password(location)!r} cannot be opened ({reason[:300]}).") from cause


def _open_journal(path: Path) -> BaseStorage:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    # The default lock is a symbolic link, which Windows lets only administrators make.
    lock = JournalFileOpenLock(str(path)) if sys.platform == "win32" else None
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def without_password(text: str) -> str:
    """The text with the passwords of the URLs in it replaced.

    Example:
        >>> without_password("postgresql://ada:secret@localhost/studies")
        'postgresql://ada:***@localhost/studies'
    """
    return re.sub(r"(\w+://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
