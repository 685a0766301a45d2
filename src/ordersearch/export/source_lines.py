"""Calls as lines of Python, broken as ``ruff format`` breaks them at its default width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ordersearch.export.names import is_plain, quoted

WIDTH = 88
STEP = 4


@dataclass(frozen=True)
class SourceCall:
    """A call, whose arguments may be calls.

    Attributes:
        name: What is called, and what stands before it: ``self.conv = nn.Conv2d``.
        arguments: As written.
        ending: What stands behind the closing bracket.
    """

    name: str
    arguments: Sequence[SourceCall | str] = ()
    ending: str = ""

    def lines(self, indent: int = 0, ending: str = "") -> list[str]:
        r"""The call in as few lines as its width allows.

        Args:
            indent: Blanks before it.
            ending: What stands behind it on its last line.

        Example:
            >>> print(*SourceCall("layers", ["a" * 60, "b" * 30]).lines(), sep="\n")
            layers(
                aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
                bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,
            )
        """
        blanks, inner = " " * indent, " " * (indent + STEP)
        flat = f"{blanks}{self}{ending}"
        if len(flat) <= WIDTH or not self.arguments:
            return [flat]
        head = f"{blanks}{self.name}({self._content()})("
        if self.ending.startswith("(") and len(head) <= WIDTH:
            return [head, f"{inner}{self.ending[1:-1]}", f"{blanks}){ending}"]
        content = f"{inner}{self._content()}"
        told = [content] if len(content) <= WIDTH else list(self._one_each(indent + STEP))
        return [f"{blanks}{self.name}(", *told, f"{blanks}){self.ending}{ending}"]

    def _one_each(self, indent: int) -> Iterator[str]:
        for argument in self.arguments:
            yield from [f"{' ' * indent}{argument},"] if isinstance(argument, str) else argument.lines(indent, ",")

    def _content(self) -> str:
        return ", ".join(map(str, self.arguments))

    def __str__(self) -> str:
        return f"{self.name}({self._content()}){self.ending}"


def registered(owner: str, name: str, made: SourceCall) -> SourceCall:
    """The call that makes a layer as a statement that gives it to a module under a name.

    Example:
        >>> print(registered("self", "relu", SourceCall("nn.ReLU")), registered("self", "0", SourceCall("nn.ReLU")))
        self.relu = nn.ReLU() self.add_module("0", nn.ReLU())
    """
    if is_plain(name):
        return SourceCall(f"{owner}.{name} = {made.name}", made.arguments)
    return SourceCall(f"{owner}.add_module", (quoted(name), made))
