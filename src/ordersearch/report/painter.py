"""Keeps a few lines at the end of the terminal current, from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ordersearch.report.messages import Messages
from ordersearch.report.shown import duration

SHORTEST_PAUSE_SECONDS = 0.25
SHARE = 0.01
"""Of the process's CPU time that painting may take: after each frame it rests until its share is no more."""

FRESH_SECONDS = 1.0
"""A frame is painted anew after so long even if nothing was told: its clocks go on, and what tore it is mended."""

LONGEST_REST_SECONDS = 1.5
"""Where the process hardly computes, because others do, its share is let be more."""

MOST_KNOWN = 500

ERASE_LINE, ERASE_BELOW, UP = "\x1b[K", "\x1b[J", "\x1b[{}A"

Frame = Callable[[int, int], Sequence[Text]]
"""The lines for so many columns and at most so many lines."""


class Painter:
    """Paints frames in place.

    Between two frames the cursor rests, visible, in an empty line above them. So whatever others write there (a C
    library, the echo of a key) pushes the frame down instead of tearing it, what lies below may be anything once the
    window was resized, and a process that is killed leaves a terminal that is well.

    Args:
        console: The terminal.
        frame: Gives the lines.
        is_new: Whether the frame has changed since it was asked last.
    """

    def __init__(self, console: Console, frame: Frame, is_new: Callable[[], bool]) -> None:
        self._console, self._frame, self._is_new = console, frame, is_new
        self._messages = Messages(self.say)
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._painted = ""
        self._size = console.size
        self._known: dict[tuple[object, ...], str] = {}
        self._is_gone = False

    def start(self) -> None:
        """Begin to paint."""
        self._stopped.clear()
        self._messages.catch()
        self._thread = threading.Thread(target=self._paint_on, name="ordersearch-screen", daemon=True)
        self._thread.start()

    def stop(self, last: Text | None = None) -> None:
        """Take the lines away, and leave this one."""
        self._stopped.set()
        try:
            if self._thread is not None:
                self._thread.join()
        finally:
            # An interrupt may come while the thread is waited for, too.
            self._messages.release()
            if self._thread is not None:
                self._thread = None
                with self._lock:
                    self._write(f"\r{ERASE_BELOW}{self._drawn([last]) if last else ''}")

    def say(self, line: str) -> None:
        """Print a line above."""
        text = Text.from_ansi(line)
        text.expand_tabs(4)
        text.plain = "".join(sign if sign.isprintable() else " " for sign in text.plain)
        with self._lock:
            above = self._drawn([text], wrap=True)
            if self._painted and self._console.size != self._size:
                self._painted = self._fitting_frame()
            self._write(f"\r{ERASE_BELOW}{above}{self._painted}")

    def _paint_on(self) -> None:
        painted, pause, due = -LONGEST_REST_SECONDS, 0.0, 0.0
        while not self._stopped.wait(pause):
            pause = SHORTEST_PAUSE_SECONDS
            rested = time.monotonic() - painted
            is_wanted = self._is_new() or self._console.size != self._size or rested >= FRESH_SECONDS
            if (is_wanted and time.process_time() >= due) or rested >= LONGEST_REST_SECONDS:
                painted, cpu = time.monotonic(), time.thread_time()
                with self._lock:
                    self._painted = self._fitting_frame()
                    self._write(self._painted)
                due = time.process_time() + (time.thread_time() - cpu) / SHARE

    def _fitting_frame(self) -> str:
        """A frame for the size that the terminal has now, and not for the one that it had when drawing began.

        Lines of another width would wrap, and the cursor would not find back above them.
        """
        drawn = self._frame_drawn()
        while self._console.size != self._size:
            drawn = self._frame_drawn()
        return drawn

    def _frame_drawn(self) -> str:
        self._size = width, height = self._console.size
        # A line as wide as the terminal would wrap in some; the first line stays empty.
        lines = list(self._frame(width - 1, height - 1))[: height - 1]
        for line in lines:
            line.truncate(width - 1, overflow="crop")
        drawn = "".join(f"\n{line}{ERASE_LINE}" for line in map(self._line_drawn, lines))
        back = f"\r{UP.format(len(lines))}" if lines else ""
        return f"\r{ERASE_LINE}{drawn}{ERASE_BELOW}{back}"

    def _line_drawn(self, line: Text) -> str:
        """A line without its end. Most are those of the last frame, and drawing one takes 0.1 ms."""
        key = (line.plain, str(line.style), tuple(line.spans))
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = self._drawn([line]).rstrip("\n")
        return self._known[key]

    def _drawn(self, lines: Sequence[Text], *, wrap: bool = False) -> str:
        """Lines in the console's colours, each with its end."""
        with self._console.capture() as drawn:
            for line in lines:
                self._console.print(line, no_wrap=not wrap, soft_wrap=wrap, highlight=False)
        return drawn.get()

    def _write(self, text: str) -> None:
        if self._is_gone:
            return
        try:
            self._console.file.write(text)
            self._console.file.flush()
        except (OSError, ValueError):
            # The terminal was closed; what is searched goes on, or is ended by the signal that comes with it.
            self._is_gone = True


def is_live(console: Console) -> bool:
    """Whether a console is a terminal in which lines can be painted anew."""
    return console.is_interactive and console.file.isatty() and not console.legacy_windows and not console.quiet


@contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """Say what is waited for, with a clock, where the console is a terminal; it is gone afterwards."""
    if not is_live(console):
        yield
        return
    started = time.monotonic()

    def lines(_width: int, _height: int) -> list[Text]:
        return [Text.assemble((text, "bold"), f"  {duration(time.monotonic() - started)}")]

    painter = Painter(console, lines, lambda: False)
    painter.start()
    try:
        yield
    finally:
        painter.stop()
