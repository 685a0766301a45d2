"""Text and small drawings as a terminal can show them, in the signs that its encoding has."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

JOINER = "\u200d"
"""Joins the parts of an emoji."""

LONGEST_NAME = 40


@dataclass(frozen=True)
class Signs:
    """The signs that drawings are made of.

    Attributes:
        levels: Of a sparkline, lowest first.
        done: Of a progress bar.
        left: The rest of it.
        plus_minus: Before half the width of an interval.
        dots: Where text was cut off.
    """

    levels: str
    done: str
    left: str
    plus_minus: str
    dots: str


UNICODE = Signs("▁▂▃▄▅▆▇█", "━", "─", "±", "…")
ASCII = Signs("_.-=+*%#", "#", ".", "+-", "...")


def signs_of(encoding: str) -> Signs:
    """The signs for an encoding.

    Example:
        >>> signs_of("utf-8").plus_minus, signs_of("cp1252").plus_minus
        ('±', '+-')
    """
    try:
        "".join((UNICODE.levels, UNICODE.done, UNICODE.left, UNICODE.plus_minus, UNICODE.dots)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def shown(text: str) -> str:
    r"""Text of unknown origin as one line that no terminal takes for a command.

    Example:
        >>> print(shown("two" + chr(10) + "lines, " + chr(27) + "[31m"))
        two lines, \x1b[31m
    """
    return "".join(sign if sign.isprintable() or sign == JOINER else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return " " if sign.isspace() else sign.encode("unicode_escape").decode("ascii")


def cut(text: str, width: int, signs: Signs) -> str:
    """Text that takes at most ``width`` columns.

    Example:
        >>> cut("digits", 4, UNICODE), cut("digits", 6, UNICODE), cut("digits", 2, ASCII)
        ('dig…', 'digits', 'di')
    """
    if cell_len(text) <= width:
        return text
    dots = signs.dots if width > len(signs.dots) else ""
    kept = text[: max(0, width - len(dots))]
    while cell_len(kept) > width - len(dots):
        kept = kept[:-1]
    return kept + dots


def order_lines(order: str, width: int) -> list[str]:
    """An order in the notation, broken behind its arrows where it is longer than a line.

    Example:
        >>> order_lines("conv > batch_norm > relu", 20)
        ['conv > batch_norm >', 'relu']
    """
    lines = [""]
    for word in re.split(r"(?<=[>;]) ", order):
        longer = f"{lines[-1]} {word}".lstrip()
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line[start : start + width] for line in lines for start in range(0, max(1, len(line)), max(1, width))]


def duration(seconds: float) -> str:
    """Seconds as people read them.

    Example:
        >>> duration(75.2), duration(3700)
        ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sparkline(values: Sequence[float], width: int, signs: Signs) -> str:
    """A line of bars between the lowest and the highest value, in proportion to their logarithms where they have them.

    Of more values than fit, each bar is the last of a few.

    Example:
        >>> sparkline([4.0, 2.0, 1.0, 0.5], 8, UNICODE), sparkline([1, 2, 3, 4, 5, 6], 3, ASCII)
        ('█▆▃▁', '_*#')
    """
    if all(value > 0 for value in values):
        # A loss falls to a hundredth, and most of that in the first epochs.
        values = [math.log(value) if math.isfinite(value) else value for value in values]
    n = min(len(values), width)
    kept = [values[math.ceil((bar + 1) * len(values) / n) - 1] for bar in range(n)]
    finite = [value for value in kept if math.isfinite(value)]
    if not finite:
        return " " * n
    low, high = min(finite), max(finite)
    top = len(signs.levels) - 1

    def level(value: float) -> str:
        if not math.isfinite(value):
            return " "
        # Halves, since the largest numbers lie further apart than a number is large.
        share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return signs.levels[min(top, int(share * len(signs.levels)))]

    return "".join(map(level, kept))


def progress_bar(share: float, width: int, signs: Signs) -> tuple[str, str]:
    """The done and the other part of a progress bar.

    Example:
        >>> progress_bar(0.5, 6, ASCII)
        ('###', '...')
    """
    n = round(min(1.0, max(0.0, share)) * width)
    return signs.done * n, signs.left * (width - n)


def in_one_scale(values: Sequence[float]) -> list[str]:
    """Figures with as many decimals as the smallest of them needs for four digits, but at most six.

    Example:
        >>> in_one_scale([0.03154, 0.2]), in_one_scale([98.25, 97.5]), in_one_scale([3e9])
        (['0.03154', '0.20000'], ['98.25', '97.50'], ['3e+09'])
    """
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    if not sizes or max(sizes) >= 1e6 or min(sizes) < 1e-6:
        return [f"{value:.4g}" for value in values]
    decimals = min(6, max(0, 3 - math.floor(math.log10(min(sizes)))))
    return [f"{value:.{decimals}f}" for value in values]
