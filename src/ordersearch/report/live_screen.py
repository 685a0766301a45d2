"""The live screen: what a search does, kept current in the terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from ordersearch.report.painter import Painter
from ordersearch.report.ranked_table import RankedTable
from ordersearch.report.scene import Scene
from ordersearch.report.tables import best_so_far, interim_table
from ordersearch.results import FAILED, Run
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.observer import Observer, Progress, UnderWay
from ordersearch.study.search import Search

Ranked = Callable[[Sequence[Run]], RankedTable | None]
"""Gives the table of these runs."""

SHARE_OF_TABLES = 0.005
"""Of the time that ranking the orders may take."""


class LiveScreen(Observer):
    """One screen that is kept current: the phase, the time left, what is being trained, the orders so far.

    What is told is only taken down here; a thread of the painter's ranks, draws and prints, so that an interrupt finds
    no line half written.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._painter = Painter(console, self._lines, self._is_new)
        self._lock = threading.Lock()
        self._scene = Scene()
        self._version = self._painted = 0
        self._ranked: Ranked = lambda _: None
        self._runs: Sequence[Run] | None = None
        self._ranking_due = 0.0

    def search_started(self, search: Search, progress: Progress) -> None:
        """Open the screen."""
        name = search.dataset.name
        scene = Scene("Searching", f"Searched {name}", name, is_search=True)
        self._open(scene, progress, lambda runs: best_so_far(search, runs))

    def baseline_started(self, search: Search, progress: Progress) -> None:
        """Open the screen anew."""
        self._open(Scene("Tuning your order", "Tuned your order", unit="settings"), progress, lambda _: None)

    def confirmation_started(self, confirmation: Confirmation, progress: Progress) -> None:
        """Open the screen anew."""
        scene = Scene("Confirming", "Confirmed the best", "the best", "runs", is_bound=True)
        self._open(scene, progress, lambda runs: interim_table(confirmation, runs))

    def under_way(self, trials: Sequence[UnderWay]) -> None:
        """Show what is being trained."""
        with self._lock:
            scene, self._version = self._scene, self._version + 1
            # What an epoch of this process has just told may not be in the storage's answer yet.
            scene.under_way = {trial.trial: _longer(trial, scene.under_way.get(trial.trial)) for trial in trials}
            scene.heard = time.monotonic()

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Show how far the trial is."""
        with self._lock:
            scene, self._version = self._scene, self._version + 1
            known = scene.under_way.get(trial)
            if known is not None and len(known.values) == epoch:
                scene.under_way[trial] = replace(known, values=(*known.values, value))

    def trial_finished(self, run: Run, progress: Progress) -> None:
        """Show what it came to."""
        with self._lock:
            scene, self._version = self._scene, self._version + 1
            scene.progress, scene.told = progress, time.monotonic()
            scene.under_way.pop(run.trial, None)
            if run.state in FAILED:
                scene.failure = f"trial {run.trial} {run.state}{f': {run.reason}' * bool(run.reason)}"
            self._runs = progress.runs

    def closed(self) -> None:
        """Close the screen."""
        with self._lock:
            told, self._scene = self._scene.summary(), Scene()
        self._painter.stop(Text(told, style="dim") if told else None)

    def _open(self, scene: Scene, progress: Progress, ranked: Ranked) -> None:
        scene.progress, scene.told, scene.n_before = progress, time.monotonic(), progress.n_trained
        with self._lock:
            self._scene, self._runs = scene, progress.runs
            self._ranked, self._ranking_due = ranked, 0.0
            self._version += 1
        self._painter.start()

    def _is_new(self) -> bool:
        return self._version != self._painted

    def _lines(self, width: int, height: int) -> list[Text]:
        self._rank()
        with self._lock:
            self._painted = self._version
            return self._scene.lines(width, height, self._console.encoding)

    def _rank(self) -> None:
        """Rank the orders anew where there are new runs, but not all the time where there are many."""
        if self._runs is None or time.monotonic() < self._ranking_due:
            return
        with self._lock:
            scene, runs, self._runs, ranked = self._scene, self._runs, None, self._ranked
        cpu = time.thread_time()
        table = ranked(runs or ())
        self._ranking_due = time.monotonic() + (time.thread_time() - cpu) / SHARE_OF_TABLES
        with self._lock:
            scene.table = table


def _longer(told: UnderWay, known: UnderWay | None) -> UnderWay:
    return replace(told, values=known.values) if known and len(known.values) > len(told.values) else told
