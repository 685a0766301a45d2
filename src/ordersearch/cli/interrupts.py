"""Ctrl-C and the signals by which a machine is taken away: answered once, and never in the middle of an import."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@contextmanager
def answered_once() -> Iterator[None]:
    """Raise KeyboardInterrupt for the first of the stopping signals, and do not listen to further ones."""

    def interrupt(_signum: int, _frame: object) -> None:
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
