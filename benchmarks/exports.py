"""What each format of export expresses of the orders of the conv and dense spaces, and why not the rest.

``python benchmarks/exports.py`` prints the tables of docs/export.md; ``--write`` puts them there.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ordersearch.export.format import Format, find_format, format_names, nearest_expressible, reason_against
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
SPACES = ("conv", "dense")
DIMS = 2
BEGIN, END = "<!-- counts -->\n", "<!-- end of counts -->\n"


@dataclass
class Count:
    """How many orders a format expresses as they are, how many by another order of the same network, and reasons."""

    exact: int = 0
    equal: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, spec: BlockSpec, to: Format) -> None:
        """Counts one order."""
        reason = reason_against(spec, to, DIMS)
        if not reason:
            self.exact += 1
            return
        self.reasons[reason] += 1
        if nearest_expressible(spec, to, DIMS) is None:
            self.refused += 1
        else:
            self.equal += 1


def orders(space: str) -> tuple[BlockSpec, ...]:
    """Every order of a space, rates left out."""
    return tuple(spec for members in SearchSpace.load(space).orders().values() for spec in members)


def counted(space: str, to: str) -> Count:
    """What a format expresses of a space."""
    count, found = Count(), find_format(to)
    for spec in orders(space):
        count.add(spec, found)
    return count


def tables() -> str:
    """Both tables in Markdown: the counts, and the reasons."""
    counts = {to: {space: counted(space, to) for space in SPACES} for to in format_names()}
    return "\n".join([*_counts(counts), "", *_reasons(counts), ""])


def _counts(counts: dict[str, dict[str, Count]]) -> Iterator[str]:
    heads = [f"{space}: {what}" for space in SPACES for what in ("as it is", "as an equal order", "refused")]
    yield f"| format | {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * len(heads)}"
    for to, found in counts.items():
        cells = [n for space in SPACES for n in (found[space].exact, found[space].equal, found[space].refused)]
        yield f"| {to} | {' | '.join(map(str, cells))} |"


def _reasons(counts: dict[str, dict[str, Count]]) -> Iterator[str]:
    yield "| format | why an order is not expressed as it is | conv | dense |"
    yield "| --- | --- | ---: | ---: |"
    for to, found in counts.items():
        reasons = sum((found[space].reasons for space in SPACES), Counter[str]())
        for reason, _ in reasons.most_common():
            yield f"| {to} | {reason} | {' | '.join(str(found[space].reasons[reason]) for space in SPACES)} |"


def with_tables(page: str) -> str:
    """The page with the tables between its marks."""
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{tables()}\n{END}", page)


def main() -> None:
    if "--write" in sys.argv[1:]:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(tables())


if __name__ == "__main__":
    main()
