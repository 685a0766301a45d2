"""What others print while the screen is live: caught, and told above it."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

MOST_REMEMBERED = 1000


class Caught(io.TextIOBase):
    """Stands in for a stream of Python: whole lines of what is written go to ``say``.

    Args:
        stream: Which it stands in for.
        say: Is given each line.
    """

    def __init__(self, stream: TextIO, say: Callable[[str], None]) -> None:
        self.stream = stream
        self._say = say
        self._begun = ""
        self._process = os.getpid()

    def __getattr__(self, name: str) -> Any:
        """What is not known here is the stream's."""
        return getattr(self.stream, name)

    @property
    def rich_proxied_file(self) -> TextIO:
        """The stream: what rich prints on when it is told to print on this one."""
        return self.stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's."""
        return self.stream.encoding

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The stream's."""
        return self.stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take text; the last line is kept until it is whole."""
        if os.getpid() != self._process:
            # A forked process has no screen, and nobody there would let go of its lock.
            return self.stream.write(text)
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._say(line.rpartition("\r")[2])
        return len(text)

    def flush(self) -> None:
        """Tell a line that is not whole, such as a question; but no progress bar that goes on."""
        if self._begun and "\r" not in self._begun and os.getpid() == self._process:
            self._say(self._begun)
            self._begun = ""


class Messages:
    """Catches what is printed, logged and warned of, as far as it would go to the terminal.

    Args:
        say: Is given each line; of a warning or of what is logged, each text once.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()
        self._streams: dict[str, Caught] = {}
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._showwarning: Callable[..., None] | None = None

    def catch(self) -> None:
        """Begin to."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, io.TextIOBase) and stream.isatty():
                self._streams[name] = Caught(stream, self._say)  # type: ignore[arg-type]
                setattr(sys, name, self._streams[name])
        for handler in _stream_handlers():
            if any(handler.stream is caught.stream for caught in self._streams.values()):
                self._handlers.append((handler, handler.setStream(Caught(handler.stream, self._say_once))))
        if "stderr" in self._streams:
            self._showwarning, warnings.showwarning = warnings.showwarning, self._warn

    def release(self) -> None:
        """Put everything back."""
        if self._showwarning is not None:
            warnings.showwarning, self._showwarning = self._showwarning, None
        for handler, stream in self._handlers:
            handler.setStream(stream)
        for name, caught in self._streams.items():
            if getattr(sys, name) is caught:
                setattr(sys, name, caught.stream)
            # Made in the meantime, such as that of a library that was imported late.
            for handler in _stream_handlers():
                if handler.stream is caught:
                    handler.setStream(caught.stream)
        self._handlers.clear()
        self._streams.clear()

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:
            file.write(warnings.formatwarning(message, category, filename, lineno, line))
        else:
            self._say_once(f"{category.__name__}: {message} ({os.path.basename(filename)}:{lineno})")

    def _say_once(self, line: str) -> None:
        if line not in self._told and len(self._told) < MOST_REMEMBERED:
            self._told.add(line)
            self._say(line)


def _stream_handlers() -> Iterator[logging.StreamHandler[Any]]:
    for logger in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from (one for one in logger.handlers if isinstance(one, logging.StreamHandler))
