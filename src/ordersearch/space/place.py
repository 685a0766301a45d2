"""A place in a search-space file, which every error about it begins with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ordersearch.errors import SpaceError, unknown_name

MAX_CHOICES = 10_000
MAX_NUMBER = 1e6


class Place:
    """A place in a file, and the kinds of value that can stand there.

    Example:
        >>> str(Place(Path("mine.yaml"), "roles").at("conv", "dropout_rate", 2))
        'mine.yaml: roles.conv.dropout_rate[2]'
    """

    def __init__(self, path: Path, *keys: str | int) -> None:
        self.path, self.keys = path, keys

    def at(self, *keys: str | int) -> Place:
        """A place further inside."""
        return Place(self.path, *self.keys, *keys)

    def __str__(self) -> str:
        keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys)
        return f"{self.path}: {keys.removeprefix('.')}" if keys else str(self.path)

    def error(self, got: object, holds: str) -> SpaceError:
        """The error that says what was got here and what holds."""
        return SpaceError(f"{self}: got {got!r:.200}, but {holds}.")

    def filled(self, value: Any) -> str:
        """The value, a text that is not empty."""
        if not self.text(value).strip():
            raise self.error(value, "text stands here")
        return str(value).strip()

    def mapping(self, value: Any, known: Iterable[str] | None = None) -> Mapping[str, Any]:
        """The value, a mapping with plain names as keys; where ``known`` is given, with none but these."""
        if not isinstance(value, dict) or not value:
            raise self.error(value, "a mapping stands here")
        for key in value:
            if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_][\w-]{0,60}", key):
                raise self.error(key, "a key is a plain name")
            if known is not None and key not in known:
                raise SpaceError(str(unknown_name("key", key, known, where=str(self))))
        return value

    def choices(self, value: Any) -> list[Any]:
        """The value, a list in which everything stands once."""
        if not isinstance(value, list) or not value:
            raise self.error(value, "a list of at least one choice stands here")
        if len(value) > MAX_CHOICES:
            raise self.error(len(value), f"a parameter has at most {MAX_CHOICES} choices")
        seen: set[str] = set()
        for number, item in enumerate(value):
            if repr(item) in seen:
                raise self.at(number).error(item, "every choice stands once")
            seen.add(repr(item))
        return value

    def choice(self, value: Any, known: Iterable[str], what: str) -> str:
        """The value, one of the known names; ``what`` says what it is the name of."""
        known = tuple(known)
        if value not in known:
            raise self.error(value, f"{what} is one of {', '.join(known)}")
        return str(value)

    def text(self, value: Any) -> str:
        """The value, a text."""
        if not isinstance(value, str):
            raise self.error(value, "text stands here")
        return value

    def numbers(self, value: Any, holds: str, accepts: Callable[[float], bool]) -> tuple[float, ...]:
        """The value, a list of different numbers that meet a condition, which ``holds`` puts in words."""
        for number, item in enumerate(self.choices(value)):
            is_number = isinstance(item, int | float) and not isinstance(item, bool)
            if not is_number or not accepts(item) or item > MAX_NUMBER:
                raise self.at(number).error(item, holds)
            if any(item == other for other in value[:number]):
                raise self.at(number).error(item, "every choice stands once")
        return tuple(value)
