"""Keeps the dashboard current while a search runs: now and then, between trials, and never at the search's cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from optuna.storages import BaseStorage

from ordersearch.errors import without_password
from ordersearch.report.dashboard.writing import refresh, refresh_notes
from ordersearch.results import Run
from ordersearch.space import SearchSpace
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.search import Search
from ordersearch.study.storage import quiet_optuna

FEWEST_SECONDS = 5.0
"""Between two updates."""

SHARE = 0.02
"""Of the time that updates may take: of this process's CPU time all of them together, the next one counted in; of the
clock's the last one, since a slow storage takes little else."""

GROWTH = 2.0

LONGEST_PAUSE_SECONDS = 600.0


Write = Callable[[BaseStorage, str, Path, Progress | None, SearchSpace | None], None]


class DashboardObserver(Observer):
    """Writes notes, plots and artifacts into the study's storage.

    An update is made by the thread that trains, between two trials or epochs: nothing then draws from PyTorch's
    generators or waits for the journal's lock. Within a long trial the notes of the studies alone are written. Whatever
    fails is kept in ``problem`` and does no harm.

    Args:
        storage: Where the study is kept.
        folder: Of the artifacts.

    Attributes:
        problem: Why the last update failed, in one sentence; empty when it did not.
        n_updates: How many there were.
        cpu_seconds: What they took of this process's time.
    """

    def __init__(self, storage: BaseStorage, folder: Path) -> None:
        self.storage, self.folder = storage, folder
        self.problem = ""
        self.n_updates = 0
        self.cpu_seconds = 0.0
        self._name = ""
        self._space: SearchSpace | None = None
        self._progress: Progress | None = None
        self._is_searching = False
        self._due = self._cpu_due = self._trial_ended = 0.0
        self._cpu_began = time.process_time()
        self._n_failed = 0

    def search_started(self, search: Search, progress: Progress) -> None:
        """Write what the study is."""
        self._name, self._space, self._progress, self._is_searching = search.name, search.space, progress, True
        self._update(refresh)

    def confirmation_started(self, confirmation: Confirmation, progress: Progress) -> None:
        """Write what is confirmed."""
        search = confirmation.search
        self._name, self._space, self._progress, self._is_searching = search.name, search.space, None, False
        self._update(refresh)

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Write the notes of studies whose trials are long: what is running stands in them, too."""
        if time.monotonic() >= self._trial_ended + FEWEST_SECONDS and self._is_due():
            self._update(refresh_notes)

    def trial_finished(self, run: Run, progress: Progress) -> None:
        """Write all that has changed, when it is time."""
        self._progress = progress if self._is_searching else None
        self._trial_ended = time.monotonic()
        if self._is_due():
            self._update(refresh)

    def closed(self) -> None:
        """Write all that has changed, for the last time."""
        if self._name:
            self._update(refresh)

    def _is_due(self) -> bool:
        return time.monotonic() >= self._due and time.process_time() >= self._cpu_due

    def _update(self, write: Write) -> None:
        started, cpu = time.monotonic(), time.process_time()
        try:
            with quiet_optuna():
                write(self.storage, self._name, self.folder, self._progress, self._space)
            self.problem, self._n_failed = "", 0
        except Exception as error:  # noqa: BLE001 - no note is worth a trial
            self.problem = f"The dashboard's notes and plots are not up to date ({reason_told(error)})."
            self._n_failed += 1
        seconds = time.monotonic() - started
        pause = max(FEWEST_SECONDS, seconds / SHARE) * 2**self._n_failed
        self._due = time.monotonic() + min(pause, max(LONGEST_PAUSE_SECONDS, seconds / SHARE))
        self.n_updates += 1
        cpu_seconds = time.process_time() - cpu
        self.cpu_seconds += cpu_seconds
        # The next one writes more trials' notes than the last one did.
        self._cpu_due = self._cpu_began + (self.cpu_seconds + GROWTH * cpu_seconds) / SHARE


def reason_told(error: Exception) -> str:
    """Why an update failed, in a few words and without passwords.

    Example:
        >>> reason_told(OSError(28, "No space left on device"))
        'OSError: [Errno 28] No space left on device'
    """
    return without_password(f"{type(error).__name__}: {error}".splitlines()[0])[:200]
