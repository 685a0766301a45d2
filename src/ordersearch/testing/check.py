"""One thing that has to hold of what a plugin adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn


@dataclass(frozen=True)
class Check:
    """A test without arguments, which raises an ``AssertionError`` that says what does not hold.

    Attributes:
        about: The name of what is checked.
        name: What is checked of it.
        run: Does it.

    Example:
        >>> print(Check("relu", "monotone", lambda: None))
        relu-monotone
    """

    about: str
    name: str
    run: Callable[[], object] = field(repr=False)

    def __call__(self) -> None:
        """Check it."""
        self.run()

    def __str__(self) -> str:
        return f"{self.about}-{self.name}"


def require(holds: bool, complaint: str) -> None:
    """Raise an ``AssertionError`` unless it holds; an assert statement would be left out under ``python -O``."""
    if not holds:
        fail(complaint)


def fail(complaint: str) -> NoReturn:
    """Raise an ``AssertionError``."""
    raise AssertionError(complaint)
