"""Stopping signals: answered, whatever becomes of the first exception."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from ordersearch.cli.interrupts import answered_once, reminder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_got_lost_is_raised_again_after_the_next_epoch(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with answered_once():
        reminder().epoch_finished(0, 0, 1.0)
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
            pytest.fail("no KeyboardInterrupt")
        signal.raise_signal(number)  # a further one is not listened to
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            reminder().epoch_finished(0, 1, 1.0)
    assert signal.getsignal(number) is before
    with answered_once():
        reminder().epoch_finished(0, 0, 1.0)
