"""A worker as the process that started it sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from tempfile import TemporaryFile
from typing import IO, Any

from ordersearch.workers.orders import Failed, Idle, Phase, Ready, Start, Stop

# A module of its own, and no function that is forked or found again in the main script: it does not matter how this
# process was started. It finds what this one finds, whatever stands in the current folder.
_CODE = (
    "import sys; sys.path[:] = sys.argv[4:]; from ordersearch.workers.child import main; main(*map(int, sys.argv[1:4]))"
)

PATIENCE_SECONDS = 10.0
"""How long a worker that has been told to end may take, which has nothing under way."""


class WorkerProcess:
    """A worker: told what to do, and watched.

    Args:
        start: Its first message.
        arrays: The file with the search's arrays.
        environ: Its environment variables.

    Raises:
        OSError: No process can be started.
    """

    def __init__(self, start: Start, arrays: IO[bytes], environ: Mapping[str, str]) -> None:
        ours, theirs = Pipe()
        self._connection: Connection[Any, Any] = ours
        # A file without a name: whatever ends this process, none is left behind.
        self._output = TemporaryFile()  # noqa: SIM115 - closed with the worker
        files = [theirs.fileno(), arrays.fileno()]
        words = [*map(str, (*files, os.getpid())), *(entry for entry in sys.path if isinstance(entry, str))]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, *words],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=dict(environ),
                pass_fds=files,
            )
        except OSError:
            self._output.close()
            ours.close()
            raise
        finally:
            theirs.close()
        self._is_ready = False
        self._idle_since = 0
        self._phase = 0
        self._reason = ""
        self._is_ending = False
        self._say(start)

    @property
    def name(self) -> str:
        """As its trials carry it."""
        return f"{socket.gethostname()}:{self._process.pid}"

    @property
    def process(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_starting(self) -> bool:
        """Whether it cannot train yet, and lives."""
        self._listen()
        return self._process.poll() is None and not self._is_ready

    def begin(self, phase: Phase) -> None:
        """Have it take part."""
        self._phase = phase.phase
        self._say(phase)

    def stop(self) -> None:
        """Have it begin nothing more."""
        self._say(Stop())

    def is_busy(self) -> bool:
        """Whether it may have a trial under way."""
        self._listen()
        return self._process.poll() is None and self._is_ready and self._idle_since < self._phase

    def death(self) -> str:
        """What it died of, once it has; nothing as long as it lives."""
        code = self._process.poll()
        if code is None or self._is_ending:
            return ""
        self._listen()
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return self._reason or self._last_line() or f"exit code {code}"

    def interrupt(self) -> None:
        """Have it stop at once."""
        self._is_ending = True
        if self._process.poll() is None:
            self._process.terminate()

    def hang_up(self) -> None:
        """Have it end as soon as it has nothing under way."""
        self._listen()
        self._is_ending = True
        self._connection.close()
        # One that is still importing does not listen yet.
        if not self._is_ready and self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        try:
            self.hang_up()
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._output.close()

    def _say(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:
            # It is gone, which is seen when it is looked for.
            return

    def _listen(self) -> None:
        try:
            while self._connection.poll():
                said = self._connection.recv()
                if isinstance(said, Ready):
                    self._is_ready = True
                elif isinstance(said, Idle):
                    self._idle_since = said.phase
                elif isinstance(said, Failed):
                    self._reason = said.reason
        except (EOFError, OSError):
            return

    def _last_line(self) -> str:
        self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, self._output.tell() - 4096))
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
