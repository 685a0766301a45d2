"""A real pseudo-terminal with an emulated screen, for what the tests of the terminal look at."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence

import pyte


class Terminal:
    """A Python script in a terminal of its own.

    Args:
        words: What follows ``python``.
        columns: Of the screen.
        lines: Of the screen.
        environ: Variables besides those of this process.
        folder: Where it runs.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        environ: Mapping[str, str] | None = None,
        folder: str = ".",
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=2000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.code: int | None = None
        own = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        variables = {**own, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1", **(environ or {})}
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.execve(sys.executable, [sys.executable, *words], variables)
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        """Another size of the window, while nothing is on its way to it: that would be shown in the wrong width."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)
        while select.select([self._fd], [], [], 0)[0] and self._read():
            pass
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)
        os.kill(self.pid, signal.SIGCONT)

    def send(self, text: bytes) -> None:
        """Press keys."""
        os.write(self._fd, text)

    def kill(self, signum: int) -> None:
        """Send a signal."""
        os.kill(self.pid, signum)

    def wait_for(self, pattern: str, *, seconds: float = 300) -> None:
        """Read until the screen shows what a regular expression finds; long, since the machine may be busy."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, "\n".join(self.shown())):
            assert time.monotonic() < deadline, f"{pattern!r} did not come:\n" + "\n".join(self.shown())
            if not self._read():
                raise AssertionError(f"it ended without {pattern!r}:\n" + "\n".join(self.all()))

    def read_for(self, seconds: float) -> None:
        """Read for some time, or until it ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read():
            pass

    def finish(self, *, seconds: float = 300) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, "it does not end:\n" + "\n".join(self.shown())
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def shown(self) -> list[str]:
        """The lines on the screen."""
        return [line.rstrip() for line in self.screen.display]

    def all(self) -> list[str]:
        """What has scrolled away, and the screen."""
        columns = range(self.screen.columns)
        gone = ["".join(line[column].data for column in columns).rstrip() for line in self.screen.history.top]
        return [*gone, *self.shown()]

    def _read(self) -> bool:
        """Take what was written, if anything was; False at the end."""
        if not select.select([self._fd], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)
