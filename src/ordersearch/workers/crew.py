"""The processes that share a study: this one, and the workers that it starts."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import optuna
from optuna.trial import FrozenTrial

from ordersearch.data.memory import VARIABLE as MEMORY_VARIABLE
from ordersearch.data.rows import ImageRows
from ordersearch.study import Search
from ordersearch.study.team import Team, end_lost, trials_under_way, worker_of
from ordersearch.training.threads import THREADS_VARIABLE, limited_threads
from ordersearch.workers.handover import hand_over, obstacle
from ordersearch.workers.orders import Phase, SearchAlong, Start, TrainQueued
from ordersearch.workers.process import WorkerProcess
from ordersearch.workers.sharing import Sharing, suited_sharing

START_SECONDS = 6.0
"""What a worker takes of a core before it trains: imports of torch, Lightning and Optuna, measured."""

PATIENT_SECONDS = 3.0
"""How long this process works alone when nobody asked for workers: much is over by then, and needs none."""

POLL_SECONDS, TELL_SECONDS = 0.02, 0.2


class Workers(Team):
    """This process and its workers, which share a search's study and train along.

    To be used in ``with``: at its end the workers are gone, however that came, and this process has its threads back.
    What a worker has under way when it dies is trained by another one, and ``notes`` says so.

    Args:
        search: What is searched.
        location: Of the study's storage, as ``open_storage`` takes it.
        workers: How many processes, this one included; None: as many as suit the machine, the data and the plan.
        n_trials: About how many trials there will be; read when ``workers`` is None.

    Example:
        >>> from ordersearch.data import load_dataset
        >>> from ordersearch.networks import find_network
        >>> from ordersearch.space import SearchSpace
        >>> from ordersearch.training.settings import TrainingSettings
        >>> search = Search("mine", SearchSpace.load("conv"), load_dataset("digits"), find_network("cnn"),
        ...                 TrainingSettings())
        >>> with Workers(search, "mine.journal", workers=1) as team:
        ...     team.sharing.n  # and search.run(search.open_study(open_storage("mine.journal")), team=team, ...)
        1

    Raises:
        WorkersError: More than one is asked for, and that cannot be; the message says why.
    """

    def __init__(self, search: Search, location: str, *, workers: int | None = None, n_trials: int = 0) -> None:
        self.search, self.location = search, location
        self.sharing: Sharing = suited_sharing(
            workers,
            search.dataset,
            location,
            device=search.training.device,
            n_trials=n_trials,
            n_splits=search.packs.confirmation,
            obstacle=obstacle(search),
        )
        self._workers: list[WorkerProcess] = []
        self._deaths: Counter[str] = Counter()
        self._obstacle = ""
        self._phase: Phase | None = None
        self._n_phases = 0
        self._began = self._phase_began = time.monotonic()
        self._is_started = self.sharing.n < 2
        self._stack = ExitStack()

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should be told at the end."""
        died = [
            f"{n} worker{'s' * (n > 1)} ended early ({reason}); what {'they' if n > 1 else 'it'} had under way was "
            "queued again."
            for reason, n in self._deaths.items()
        ]
        return (*died, *([self._obstacle] if self._obstacle else []))

    def __enter__(self) -> Self:
        if self.sharing.n > 1:
            self._stack.enter_context(limited_threads(self.sharing.threads))
            self._stack.enter_context(_changed_environment(MEMORY_VARIABLE, str(self.sharing.memory)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._close()
            else:
                self.interrupt()
        finally:
            self._stack.close()

    @property
    def processes(self) -> tuple[int, ...]:
        """The process ids of the workers that were started and have not ended."""
        return tuple(worker.process for worker in self._workers)

    def start(self) -> Self:
        """Start the workers now, and wait until they can train; without it they start when that pays."""
        self._start()
        while any(worker.is_starting() for worker in self._workers):
            time.sleep(POLL_SECONDS)
        return self

    def begin_search(self, *, n_trials: int | None, n_expected: int | None, timeout: float | None) -> None:
        """Have the workers search along."""
        self._n_phases += 1
        self._begin(SearchAlong(self._n_phases, n_trials, n_expected, timeout))

    def begin_queue(self, study: str, *, timeout: float | None, is_final: bool) -> None:
        """Have the workers train what waits in the study of this name."""
        self._n_phases += 1
        self._begin(TrainQueued(self._n_phases, study, timeout, is_final))

    def _begin(self, phase: Phase) -> None:
        self._phase, self._phase_began = phase, time.monotonic()
        if self._n_phases == 1:
            self._began = self._phase_began
        if self._is_started:
            for worker in self._workers:
                worker.begin(phase)
        elif self.sharing.is_asked or (phase.timeout or 0.0) > 2 * START_SECONDS:
            self._start()

    def look(self, study: optuna.Study) -> list[FrozenTrial]:
        """Start the workers once it pays; the trials of those that died are ended and returned."""
        if self._phase is not None and time.monotonic() - self._began >= PATIENT_SECONDS:
            self._start()
        lost: list[FrozenTrial] = []
        for worker in list(self._workers):
            if reason := worker.death():
                self._deaths[reason] += 1
                self._workers.remove(worker)
                worker.close()
                lost += end_lost(study, worker.name, f"its worker was gone: {reason}")
        return lost

    def n_under_way(self, study: optuna.Study) -> int:
        """How many trials the workers have under way."""
        names = {worker.name for worker in self._workers}
        return sum(worker_of(trial) in names for trial in trials_under_way(study)) if names else 0

    def end(self, study: optuna.Study, tell: Callable[[], None]) -> bool:
        """Let the workers begin no more, and wait for what they have under way."""
        self._phase = None
        n_died, was_busy, told = self._deaths.total(), False, time.monotonic()
        for worker in self._workers:
            worker.stop()
        while any(worker.is_busy() for worker in self._workers):
            was_busy = True
            time.sleep(POLL_SECONDS)
            if time.monotonic() - told > TELL_SECONDS:
                tell()
                told = time.monotonic()
        tell()
        return was_busy or self._deaths.total() > n_died

    def interrupt(self) -> None:
        """Have the workers stop at once; afterwards they are gone."""
        self._is_started = True
        for worker in self._workers:
            worker.interrupt()
        self._close()

    def _close(self) -> None:
        self._phase = None
        for worker in self._workers:
            worker.hang_up()
        while self._workers:
            self._workers[-1].close()
            self._workers.pop()

    def _start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        _decode_once(self.search, self.sharing.memory or 0)
        try:
            # A file without a name: whatever ends this process, none is left behind.
            with TemporaryFile() as arrays:
                parcel = hand_over(self.search, arrays)
                for number in range(1, self.sharing.n):
                    start = Start(number, parcel, self.location, self.sharing.threads)
                    self._workers.append(WorkerProcess(start, arrays, self._environment()))
        except OSError as cause:
            why = cause.strerror or str(cause)
            self._obstacle = f"Only {1 + len(self._workers)} of {self.sharing.n} processes could be started ({why})."
        if self._phase is not None:
            for worker in self._workers:
                worker.begin(self._phase_left(self._phase))

    def _phase_left(self, phase: Phase) -> Phase:
        """The phase with what is left of its time."""
        if phase.timeout is None:
            return phase
        return replace(phase, timeout=max(0.0, phase.timeout - (time.monotonic() - self._phase_began)))

    def _environment(self) -> dict[str, str]:
        own = {THREADS_VARIABLE: str(self.sharing.threads), MEMORY_VARIABLE: str(self.sharing.memory)}
        return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **own}


@contextmanager
def _changed_environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _decode_once(search: Search, memory: int) -> None:
    """Decode the images that are kept in memory before they are handed over, and not in every process."""
    dataset = search.dataset
    files = [x for x in (dataset.x, dataset.x_val, dataset.x_test) if isinstance(x, ImageRows) and x.decodes]
    if sum(math.prod(x.shape) for x in files) <= memory:
        for x in files:
            x.keep()
