"""A table of orders: figures in columns, and each order behind its figures or, where room lacks, below them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from ordersearch.report.shown import cut, order_lines, signs_of

GAP = 2
COMFORTABLE = 60
"""Columns for an order behind its figures; with fewer, it stands below them."""

DEEPEST = 4
"""Columns by which an order below its figures is indented at most."""


@dataclass(frozen=True)
class Column:
    """A column of figures.

    Attributes:
        heading: Its first line.
        rank: Where room lacks, the column with the highest rank is left out first; one of 0 never is.
        is_left: Whether its figures stand to the left.
    """

    heading: str
    rank: int = 0
    is_left: bool = False


@dataclass(frozen=True)
class Row:
    """An order with its figures.

    Attributes:
        cells: A figure for each column.
        order: In the notation.
        note: What it is known as, and the like.
        is_marked: Whether it is the one to look at.
    """

    cells: tuple[str, ...]
    order: str
    note: str = ""
    is_marked: bool = False


@dataclass(frozen=True)
class RankedTable:
    """The orders, best first; rich prints it at any width.

    Attributes:
        title: What it shows.
        columns: Of figures.
        rows: One an order.
        told: What the title does not say, in small print.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    told: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Its lines, with an empty one around them."""
        yield Text()
        yield from self.lines(options.max_width, encoding=options.encoding)
        yield Text()

    @lru_cache(maxsize=4)  # noqa: B019 - a table is small, and there are few
    def lines(self, width: int, *, encoding: str = "utf-8", most: int | None = None) -> tuple[Text, ...]:
        """Its lines, none longer than ``width``; of the rows as many whole ones as ``most`` lines hold."""
        signs = signs_of(encoding)
        kept = self._kept(width)
        sizes = [max(cell_len(text) for text in self._column(place)) for place in kept]
        figures = sum(sizes) + GAP * len(sizes)
        is_beside = self._is_beside(width - figures)
        indent = figures if is_beside else min(sizes[0] + GAP, DEEPEST)
        lines = [Text(cut(self.title, width, signs), style="bold")]
        lines += [Text(line, style="dim") for line in _words(self.told, width)]
        head = _joined([self.columns[place].heading for place in kept], [self.columns[place] for place in kept], sizes)
        lines.append(Text(cut(head + " " * GAP + "order" if is_beside else head, width, signs), style="dim"))
        for row in self.rows:
            own = self._row(row, kept, sizes, width, indent, is_beside=is_beside)
            if most is not None and len(lines) + len(own) > most:
                break
            lines += own
        return tuple(lines if most is None else lines[: max(0, most)])

    def _column(self, place: int) -> Iterator[str]:
        yield self.columns[place].heading
        for row in self.rows:
            yield row.cells[place]

    def _kept(self, width: int) -> list[int]:
        """The columns that there is room for; those in which nothing stands are left out."""
        kept = [place for place in range(len(self.columns)) if any(row.cells[place] for row in self.rows)]
        while len(kept) > 1 and sum(max(map(cell_len, self._column(place))) + GAP for place in kept) > width:
            last = max(kept, key=lambda place: (self.columns[place].rank, place))
            if self.columns[last].rank == 0:
                break
            kept.remove(last)
        return kept

    def _is_beside(self, room: int) -> bool:
        longest = max((len(row.order) for row in self.rows), default=0)
        return room >= min(longest, COMFORTABLE)

    def _row(
        self, row: Row, kept: Sequence[int], sizes: Sequence[int], width: int, indent: int, *, is_beside: bool
    ) -> list[Text]:
        figures = _joined([row.cells[place] for place in kept], [self.columns[place] for place in kept], sizes)
        room = max(8, width - indent)
        order = [_told_order(line) for line in order_lines(row.order, room)]
        first = Text(figures[:width], style="bold" if row.is_marked else "")
        note = Text(row.note, style="dim")
        if is_beside:
            first.append(" " * GAP).append_text(order.pop(0))
        elif row.note and cell_len(figures) + GAP + cell_len(row.note) <= width:
            first.append(" " * GAP).append_text(note)
            note = Text()
        lines = [first, *(Text(" " * indent).append_text(line) for line in order)]
        if note and is_beside and cell_len(lines[-1].plain) + GAP + cell_len(note.plain) <= width:
            lines[-1].append(" " * GAP).append_text(note)
        elif note:
            lines += [Text(" " * indent + line, style="dim") for line in _words(note.plain, room)]
        return lines


def _joined(texts: Sequence[str], columns: Sequence[Column], sizes: Sequence[int]) -> str:
    padded = []
    for text, column, size in zip(texts, columns, sizes, strict=True):
        space = " " * (size - cell_len(text))
        padded.append(text + space if column.is_left else space + text)
    return (" " * GAP).join(padded)


def _told_order(line: str) -> Text:
    """A line of an order, its arrows faint and the names of its roles bold."""
    text = Text(line)
    text.highlight_regex(r"[>;]", "dim")
    text.highlight_regex(r"\b\w+:", "bold")
    return text


def _words(text: str, width: int) -> Iterable[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".lstrip()
        if cell_len(longer) > width and line:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line
