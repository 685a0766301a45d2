"""A worker: takes the search over from the process that started it, and trains along until that one says stop."""

from __future__ import annotations

import os
import signal
from collections import deque
from multiprocessing.connection import Connection
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from ordersearch.data.rows import set_decoding_threads
from ordersearch.objective import Trainer
from ordersearch.study import Observer, Search
from ordersearch.study.opening import worker_name
from ordersearch.study.run_queue import RunQueue
from ordersearch.study.storage import open_storage, quiet_optuna, storage_errors
from ordersearch.study.team import Team, trials_under_way, worker_of
from ordersearch.training.allocation import keep_freed_memory
from ordersearch.training.threads import limited_threads
from ordersearch.workers.handover import take_over
from ordersearch.workers.orders import Failed, Idle, Phase, Ready, SearchAlong, Start, Stop, TrainQueued

_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(connection: int, file: int, parent: int) -> None:
    """Work until the parent hangs up, is gone, or a signal to stop comes. Nothing is printed.

    Args:
        connection: The number of the socket to the parent.
        file: The number of the file with the search's arrays.
        parent: The parent's process id.
    """
    line = Line(Connection(connection), parent)
    keep_freed_memory()
    try:
        start = line.first()
        with limited_threads(start.threads):
            set_decoding_threads(start.threads)
            search = take_over(start.parcel, file)
            os.close(file)
            _listen(line)
            Worker(search, open_storage(start.location), line, start.number).work()
    except (KeyboardInterrupt, EOFError):
        # The parent has nothing more to do, was told to stop, too, or is gone: nothing is wrong, and nothing is left
        # to put away. Taking torch apart takes long.
        os._exit(0)
    except Exception as cause:
        line.tell(Failed(f"{type(cause).__name__}: {cause}"))
        raise


def _listen(line: Line) -> None:
    """Take the first signal to stop for an interrupt, and do not listen to further ones."""

    def interrupt(_signum: int, _frame: object) -> None:
        # Raised inside of a destructor it would be lost: the end of the epoch raises it once more.
        line.is_cut = True
        for signum in _STOPPING:
            signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    for signum in _STOPPING:
        signal.signal(signum, interrupt)


class Line:
    """What the parent says.

    Args:
        connection: To the parent.
        parent: Its process id.

    Attributes:
        is_cut: Whether a signal to stop came.
    """

    def __init__(self, connection: Connection[Any, Any], parent: int) -> None:
        self._connection, self._parent = connection, parent
        self.is_cut = False
        self._waiting: deque[Any] = deque()
        self._is_stopped = False

    def first(self) -> Start:
        """The first message."""
        start = self._connection.recv()
        assert isinstance(start, Start)
        return start

    def next_phase(self) -> Phase:
        """The next thing to do, waited for.

        Raises:
            EOFError: The parent has hung up.
        """
        while not self._waiting:
            self._waiting.append(self._connection.recv())
        said = self._waiting.popleft()
        self._is_stopped = False
        return self.next_phase() if isinstance(said, Stop) else said

    def is_stopped(self) -> bool:
        """Whether the phase that is on is over.

        Raises:
            KeyboardInterrupt: The parent is gone, or there is no time to hear it out.
        """
        if self.is_cut:
            raise KeyboardInterrupt
        try:
            while self._connection.poll():
                self._waiting.append(self._connection.recv())
        except (EOFError, OSError):
            raise KeyboardInterrupt from None
        # A process that was forked from the parent may hold the line open.
        if os.getppid() != self._parent:
            raise KeyboardInterrupt
        if self._waiting and isinstance(self._waiting[0], Stop):
            self._waiting.popleft()
            self._is_stopped = True
        return self._is_stopped

    def tell(self, message: object) -> None:
        """Say something to the parent, if it is still there."""
        try:
            self._connection.send(message)
        except OSError:
            return


class Member(Team):
    """The team as one of its workers sees it: who leads it says when to stop.

    Args:
        line: To the parent.
        number: Of this worker.
    """

    def __init__(self, line: Line, number: int) -> None:
        self.line, self.number = line, number

    def n_under_way(self, study: optuna.Study) -> int:
        """How many trials other processes have under way, as far as they have said whose they are."""
        return sum(worker_of(trial) not in ("", worker_name()) for trial in trials_under_way(study))

    def is_over(self) -> bool:
        """Whether the parent has said stop."""
        return self.line.is_stopped()


class Watcher(Observer):
    """Ends a training at the end of an epoch when the parent is gone; tells nobody anything.

    Args:
        line: To the parent.
    """

    def __init__(self, line: Line) -> None:
        self.line = line

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Look whether the parent is there."""
        self.line.is_stopped()


class QueueWatcher:
    """The same for what a queue trains.

    Args:
        line: To the parent.
    """

    def __init__(self, line: Line) -> None:
        self.line = line

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Look whether the parent is there."""
        self.line.is_stopped()

    def trial_finished(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Nobody is told."""

    def catch_up(self, study: optuna.Study) -> None:
        """Nobody is told."""


class Worker:
    """Works for a search in another process.

    Args:
        search: What is searched.
        storage: Where its studies are.
        line: To the parent.
        number: Of this worker.
    """

    def __init__(self, search: Search, storage: BaseStorage, line: Line, number: int) -> None:
        self.search, self.storage, self.line = search, storage, line
        self.team = Member(line, number)
        self.trainer = Trainer(search.dataset, search.network, search.training)

    def work(self) -> None:
        """Do what the parent says, phase after phase.

        Raises:
            EOFError: The parent has hung up.
            KeyboardInterrupt: A signal to stop came, or the parent is gone.
        """
        self.line.tell(Ready())
        while True:
            phase = self.line.next_phase()
            if not self.line.is_stopped():
                if isinstance(phase, SearchAlong):
                    self._search(phase)
                else:
                    self._train_queued(phase)
            self.line.tell(Idle(phase.phase))

    def _search(self, phase: SearchAlong) -> None:
        study = self._study(self.search.name)
        result = self.search.run(
            study,
            n_trials=phase.n_trials,
            n_expected=phase.n_expected,
            timeout=phase.timeout,
            trainer=self.trainer,
            observers=[Watcher(self.line)],
            team=self.team,
        )
        if result.ended == "interrupted":
            raise KeyboardInterrupt

    def _train_queued(self, phase: TrainQueued) -> None:
        queue = RunQueue(
            self._study(phase.study),
            self.trainer,
            timeout=phase.timeout,
            watch=QueueWatcher(self.line),
            is_final=phase.is_final,
            team=self.team,
        )
        if queue.serve() == "interrupted":
            raise KeyboardInterrupt

    def _study(self, name: str) -> optuna.Study:
        with quiet_optuna(), storage_errors():
            return optuna.load_study(study_name=name, storage=self.storage)
