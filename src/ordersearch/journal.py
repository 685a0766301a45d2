"""A journal file that takes what a trial notes together in one write, and that no crash leaves unreadable."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock

Logs = list[dict[str, Any]]

CHUNK = 4096


class _Held(threading.local):
    journals: dict[NotedJournal, Logs] | None = None


_held = _Held()


class NotedJournal(JournalFileBackend):
    """Optuna's journal file, whose writes of a thread wait while it is in ``noted_together``.

    A write that a full disk or a crash cut in a line is taken back, under the file's lock: Optuna's own backend cannot
    read a file again, ever, once something is appended to half of a line.

    Args:
        path: Of the file; made if need be.
    """

    def __init__(self, path: Path) -> None:
        # Absolute, since the lock is a symbolic link to the file: one to a relative path leads nowhere, and Optuna then
        # waits for ever on a lock that a killed process left. Windows lets only administrators make such links.
        self._path = path.resolve()
        file = str(self._path)
        self._own_lock = JournalFileOpenLock(file) if sys.platform == "win32" else JournalFileSymlinkLock(file)
        super().__init__(file, lock_obj=self._own_lock)

    def append_logs(self, logs: Logs) -> None:
        """Append lines to the file, or hold them until the notes are complete."""
        if _held.journals is not None:
            _held.journals.setdefault(self, []).extend(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self._locked():
            end = self._end_of_last_line()
            try:
                with self._path.open("ab") as file:
                    file.write(lines)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.truncate(self._path, end)
                raise

    def drop_torn_line(self) -> None:
        """Cut off a last line that a crash left unfinished; a file that has none is only read."""
        with self._path.open("rb") as file:
            is_whole = _end_of_lines(file) == file.seek(0, os.SEEK_END)
        if not is_whole:
            with self._locked():
                self._end_of_last_line()

    def _end_of_last_line(self) -> int:
        """Where the last whole line ends; what stands behind it is cut off. The lock is held."""
        # Not made anew where it is gone: what it held would seem never to have been.
        with self._path.open("r+b") as file:
            end = _end_of_lines(file)
            if end < file.seek(0, os.SEEK_END):
                file.truncate(end)
        return end

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._own_lock.acquire()
        try:
            yield
        finally:
            self._own_lock.release()


def _end_of_lines(file: BinaryIO) -> int:
    """Where the last whole line of a file ends."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - CHUNK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


@contextmanager
def noted_together() -> Iterator[None]:
    """Write what this thread notes inside in one go at the end, also where it ends with an error.

    For attributes, parameters and the like alone: what is held is not read back, nor seen by another process. Storages
    other than a ``NotedJournal`` write as ever.
    """
    if _held.journals is not None:
        yield
        return
    _held.journals = {}
    try:
        yield
    finally:
        held, _held.journals = _held.journals, None
        for journal, logs in held.items():
            journal.append_logs(logs)
