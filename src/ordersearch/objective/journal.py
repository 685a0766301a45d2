"""A journal file that takes what a trial notes together in one write: each write is a lock, a flush and a wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.storages.journal import JournalFileBackend

Logs = list[dict[str, Any]]


class _Held(threading.local):
    journals: dict[JournalFileBackend, Logs] | None = None


_held = _Held()


class NotedJournal(JournalFileBackend):
    """Optuna's journal file, whose writes of a thread wait while it is in ``noted_together``."""

    def append_logs(self, logs: Logs) -> None:
        """Append lines to the file, or hold them until the notes are complete."""
        if _held.journals is None:
            super().append_logs(logs)
        else:
            _held.journals.setdefault(self, []).extend(logs)


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
