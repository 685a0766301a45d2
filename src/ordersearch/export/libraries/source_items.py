"""Literals of Python with items in brackets, broken as ``ruff format`` breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ordersearch.export.names import quoted
from ordersearch.export.source_lines import STEP, WIDTH, SourceCall


@dataclass(frozen=True)
class SourceItems(SourceCall):
    """A tuple or a dict: on one line, or one item a line.

    Attributes:
        brackets: That open and close it.
    """

    brackets: str = "()"

    def lines(self, indent: int = 0, ending: str = "") -> list[str]:
        """The literal in one line where it fits; see ``SourceCall.lines``."""
        blanks = " " * indent
        if len(flat := f"{blanks}{self}{ending}") <= WIDTH:
            return [flat]
        told: list[str] = []
        for item in self.arguments:
            told += [f"{blanks}{' ' * STEP}{item},"] if isinstance(item, str) else item.lines(indent + STEP, ",")
        return [f"{blanks}{self.name}{self.brackets[0]}", *told, f"{blanks}{self.brackets[1]}{ending}"]

    def __str__(self) -> str:
        return f"{self.name}{self.brackets[0]}{', '.join(map(str, self.arguments))}{self.brackets[1]}"


def mapping(start: str, items: Mapping[str, str]) -> SourceItems:
    """A dict with text keys.

    Example:
        >>> print(mapping("act_kwargs=", {"negative_slope": "0.2"}))
        act_kwargs={"negative_slope": 0.2}
    """
    return SourceItems(start, [f"{quoted(key)}: {value}" for key, value in items.items()], brackets="{}")


def named_with(start: str, name: str, items: Mapping[str, str]) -> SourceCall | str:
    """A name, or a tuple of a name and a dict of its arguments where it has any.

    Example:
        >>> print(named_with("act=", '"relu"', {}), named_with("act=", '"elu"', {"alpha": "2.0"}))
        act="relu" act=("elu", {"alpha": 2.0})
    """
    return SourceItems(start, [name, mapping("", items)]) if items else f"{start}{name}"


def partial_of(start: str, name: str, items: Mapping[str, str]) -> SourceCall | str:
    """A class, or ``functools.partial`` of it where arguments are given.

    Example:
        >>> print(partial_of("act_cls=", "nn.ReLU", {}), partial_of("act_cls=", "nn.ELU", {"alpha": "2.0"}))
        act_cls=nn.ReLU act_cls=partial(nn.ELU, alpha=2.0)
    """
    if not items:
        return f"{start}{name}"
    return SourceCall(f"{start}partial", [name, *(f"{key}={value}" for key, value in items.items())])
