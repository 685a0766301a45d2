"""Named lines of text: as wide as the terminal and broken between words there, one line each elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ordersearch.report.shown import shown

NAME_COLUMNS = 9


def print_field(console: Console, name: str, text: str, *, is_command: bool = False) -> None:
    """Print a name and what it is, as text: neither markup nor what a terminal takes for a command counts.

    Args:
        console: Where.
        name: At most eight characters.
        text: Of any length.
        is_command: Whether it is to be copied, so that it is never broken.
    """
    text = shown(text)
    if is_command or not console.is_terminal:
        console.print(f"{name:<{NAME_COLUMNS - 1}} {text}", markup=False, highlight=False, soft_wrap=True)
        return
    line = Table.grid()
    line.add_column(width=NAME_COLUMNS)
    line.add_column(overflow="fold")
    line.add_row(Text(name, style="dim" if not name.endswith(":") else "bold"), Text(text))
    console.print(line)
