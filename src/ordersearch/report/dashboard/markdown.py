"""Markdown in which text from users stays text: nothing in it becomes markup, a link or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LONGEST = 300
"""Characters of a name that are shown."""

_MARKUP = re.compile(r"([\\`*_\[\]<>~&])")
_BAR = re.compile(r"(\\*)\|")
_AT_THE_START = re.compile(r"(\d*)([-+#=.)])")
_LINKS = re.compile(r"(https?:|www|ftp:|mailto:|@)", re.IGNORECASE)
# Line breaks would end a table's row; what turns the direction of writing around would reach beyond the name.
_CONTROLS = re.compile("[\\x00-\\x1f\\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def one_line(text: object, longest: int = LONGEST) -> str:
    r"""The text in one line, cut where it is too long, without characters that control how a line is shown.

    Example:
        >>> one_line("two\nlines")
        'two lines'
        >>> one_line("a" * 10, longest=4)
        'aaa…'
    """
    plain = _CONTROLS.sub(" ", str(text)).strip()
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def escaped(text: object, longest: int = 5000) -> str:
    r"""The text with everything escaped that markdown knows; not even an address becomes a link.

    Example:
        >>> print(escaped("<b>*a*</b> | b"))
        \<b\>\*a\*\</b\> | b
    """
    plain = one_line(text, longest)
    # At the start of a line, these would begin a list, a heading or a rule.
    start = _AT_THE_START.match(plain)
    head = f"{start[1]}\\{start[2]}" if start else ""
    return head + _escaped_inside(plain[start.end() if start else 0 :])


def _escaped_inside(text: str) -> str:
    # A space without width ends an address before it begins: links are made of the text that is left of escapes.
    return _MARKUP.sub(r"\\\1", _LINKS.sub("\\1\u200b", text))


def quoted_as_code(text: object) -> str:
    r"""A sentence in which what stands between single quotes, as orders do, becomes code.

    Example:
        >>> quoted_as_code("Keep 'conv > batch_norm': it is *best*.")
        'Keep `conv > batch_norm`: it is \\*best\\*.'
    """
    parts = re.split(r"(?<!\w)'([^']+)'(?!\w)", one_line(text, 5000))
    return "".join(code(part) if n % 2 else _escaped_inside(part) for n, part in enumerate(parts))


def code(text: object, longest: int = LONGEST) -> str:
    """The text as code within a line.

    Example:
        >>> code("conv > relu"), code("a`b|c")
        ('`conv > relu`', '`` a`b|c ``')
    """
    plain = one_line(text, longest)
    if not plain:
        return ""
    fence = "`" * (_longest_run(plain) + 1)
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{plain}{space}{fence}"


def fenced(lines: Iterable[object]) -> str:
    """Lines as a block of code.

    Example:
        >>> print(fenced(["conv", "relu"]))
        ```
        conv
        relu
        ```
    """
    text = "\n".join(_CONTROLS.sub(" ", str(line)) for line in lines)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}\n{text}\n{fence}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A table of cells that are markdown already; a heading that begins with ``>`` has its column set to the right.

    Example:
        >>> print(table(["order", ">runs"], [["`conv`", "3"]]).replace("\xa0", "·"))
        | order·· | ·runs· |
        | :--- | ---: |
        | `conv`·· | ·3· |
    """
    is_right = [heading.startswith(">") for heading in headings]
    rules = ["---:" if right else ":---" for right in is_right]
    lines = [_row(cells, is_right) for cells in ([heading.removeprefix(">") for heading in headings], *rows)]
    return "\n".join([lines[0], f"| {' | '.join(rules)} |", *lines[1:]])


def _row(cells: Sequence[str], is_right: Sequence[bool]) -> str:
    # The dashboard sets its tables without any room between two columns.
    room = "\u00a0"
    texts = [_BAR.sub(_escaped_bar, cell) for cell in cells]
    padded = [room + text + room if right else text + 2 * room for text, right in zip(texts, is_right, strict=True)]
    return f"| {' | '.join(padded)} |"


def _escaped_bar(found: re.Match[str]) -> str:
    # An odd backslash before it would escape that of the bar; a space without width keeps the two apart.
    return f"{found[1]}{chr(0x200B) * (len(found[1]) % 2)}\\|"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
