"""Ctrl-C and the signals by which a machine is taken away: answered once, and never in the middle of an import."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordersearch.study import Observer

STOPPING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

_CAME: list[int] = []


@contextmanager
def answered_once() -> Iterator[None]:
    """Raise KeyboardInterrupt for the first of the stopping signals, and do not listen to further ones."""
    _CAME.clear()

    def interrupt(signum: int, _frame: object) -> None:
        _CAME.append(signum)
        ignore()
        raise KeyboardInterrupt

    before = {signum: signal.signal(signum, interrupt) for signum in STOPPING}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def ignore() -> None:
    """Listen to no stopping signal any more: what is finished is being written down."""
    for signum in STOPPING:
        signal.signal(signum, signal.SIG_IGN)


def reminder() -> Observer:
    """An observer that raises an interrupt once more after the next epoch, should it have been lost.

    Raised inside of a destructor or of C code that asks whether an attribute exists, a KeyboardInterrupt goes no
    further, and the search would go on to its end.
    """
    from ordersearch.study import Observer

    class Reminder(Observer):
        def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
            if _CAME:
                raise KeyboardInterrupt

    return Reminder()


@contextmanager
def put_off() -> Iterator[None]:
    """Put a stopping signal off to the end; torch does not survive one in the middle of its import."""
    came: list[int] = []
    before = {signum: signal.signal(signum, lambda number, _frame: came.append(number)) for signum in STOPPING}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if came:
        raise KeyboardInterrupt
