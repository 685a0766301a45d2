"""Pictures of a trial, as SVG: its learning curve, and a finalist's confusion matrix."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from html import escape

from ordersearch.report.dashboard.markdown import one_line

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 45
COLOUR, FAINT = "#0072B2", "#9ab8cc"
N_TICKS = 6
LARGEST = 1e30
"""What is larger is on its way to infinity, and is not drawn."""

# Characters that XML has no way to write.
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


def learning_curve(curves: Sequence[Sequence[float]], metric: str, title: str) -> str:
    """The metric after each epoch: a line for each seed and, of several, their mean in bold. Empty without values."""
    finite = [[value for value in curve if math.isfinite(value) and abs(value) < LARGEST] for curve in curves]
    shown = [curve for curve in finite if curve]
    if not shown:
        return ""
    n_epochs = max(map(len, shown))
    scale = _Scale([value for curve in shown for value in curve])
    marks = [_text(LEFT - 8, scale.y(at) + 4, f"{at:g}", anchor="end") + _rule(scale.y(at)) for at in scale.ticks()]
    epochs = sorted({1, n_epochs, (1 + n_epochs) // 2})
    marks += [_text(_x(n, n_epochs), HEIGHT - BOTTOM + 18, str(n)) for n in epochs]
    several = len(shown) > 1
    end = f"{len(shown)} seeds; bold: their mean" if several else f"ends at {shown[0][-1]:.4g}"
    labels = [
        _text(LEFT, 18, f"{one_line(title, 60)}: {end}", anchor="start", size=14),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "epoch"),
        _text(LEFT, TOP, metric + (" (logarithmic)" if scale.is_log else ""), anchor="start"),
    ]
    lines = [
        _polyline(curve, n_epochs, scale, FAINT if several else COLOUR, 1.5 if several else 2.5) for curve in shown
    ]
    if several:
        means = [sum(at) / len(at) for at in zip(*shown, strict=False)]
        lines.append(_polyline(means, n_epochs, scale, COLOUR, 3))
    return _svg(WIDTH, HEIGHT, f"Learning curve of {title}: {metric} by epoch", [*marks, *lines, *labels])


def confusion_matrix(counts: Sequence[Sequence[int]], names: Sequence[str], title: str) -> str:
    """How often each class was taken for which: rows are the true classes, columns the predicted ones."""
    n = len(counts)
    cell = max(24, min(48, 480 // max(1, n)))
    shown = [one_line(name, 20) for name in names]
    left = 40 + 7 * max(map(len, shown), default=1)
    width, height = max(380, left + n * cell + 20), 80 + n * cell + 40
    parts = [_text(12, 20, one_line(title, 60), anchor="start", size=14), _text(left + n * cell / 2, 48, "predicted")]
    for i, row in enumerate(counts):
        y = 80 + i * cell
        parts.append(_text(left - 6, y + cell / 2 + 4, shown[i], anchor="end"))
        parts.append(_text(left + i * cell + cell / 2, 72, one_line(shown[i], max(2, cell // 7))))
        parts += [_cell(left + j * cell, y, cell, count, count / (sum(row) or 1)) for j, count in enumerate(row)]
    right = sum(counts[i][i] for i in range(n))
    told = f"{right} of {sum(map(sum, counts))} are right, those on the diagonal. Rows: the true class."
    parts.append(_text(12, height - 14, told, anchor="start"))
    return _svg(width, height, f"Confusion matrix of {title}", parts)


def _cell(x: int, y: int, size: int, count: int, share: float) -> str:
    colour = f"rgb({round(255 - 255 * share)},{round(255 - 141 * share)},{round(255 - 77 * share)})"
    ink = "#ffffff" if share > 0.5 else "#222222" if count else "#bbbbbb"
    return f'<rect x="{x}" y="{y}" width="{size}" height="{size}" fill="{colour}" stroke="#dddddd"/>' + _text(
        x + size / 2, y + size / 2 + 4, str(count), colour=ink, size=min(12, size // 2)
    )


def confusion_table(counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """The same as CSV: a column for the true class, one for each predicted one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *names])
    writer.writerows([name, *row] for name, row in zip(names, counts, strict=True))
    return text.getvalue()


class _Scale:
    """Values to heights; logarithmic where they lie far apart."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        self.is_log = low > 1 / LARGEST and high / low > 5
        low, high = self._at(low), self._at(high)
        # Of values that are equal, or as good as, the scale is made up.
        spread = high - low if high - low > 1e-9 * max(abs(high), abs(low)) else 0.0
        room = spread * 0.05 or abs(high) * 0.05 or 1.0
        self.low, self.high = low - room, high + room

    def _at(self, value: float) -> float:
        return math.log10(value) if self.is_log else value

    def y(self, value: float) -> float:
        return TOP + 10 + (self.high - self._at(value)) / (self.high - self.low) * (HEIGHT - TOP - 10 - BOTTOM)

    def ticks(self) -> list[float]:
        if self.is_log:
            n = math.ceil(self.high - self.low)
            decades = range(math.floor(self.low), math.ceil(self.high) + 1, math.ceil(n / N_TICKS))
            steps = (1,) if n > 3 else (1, 2, 5)
            found = [float(f"{step * 10.0**decade:.6g}") for decade in decades for step in steps]
        else:
            size = 10.0 ** math.floor(math.log10((self.high - self.low) / 2))
            step = next(size * n for n in (1, 2, 5, 10) if (self.high - self.low) / (size * n) <= N_TICKS)
            first = math.ceil(self.low / step)
            found = [float(f"{n * step:.6g}") for n in range(first, math.floor(self.high / step) + 1)]
        return [value for value in found if self.low <= self._at(value) <= self.high]


def _x(epoch: int, n_epochs: int) -> float:
    room = WIDTH - LEFT - RIGHT - 20
    return LEFT + 10 + (room * (epoch - 1) / (n_epochs - 1) if n_epochs > 1 else room / 2)


def _rule(y: float) -> str:
    return f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e5e5"/>'


def _polyline(curve: Sequence[float], n_epochs: int, scale: _Scale, colour: str, width: float) -> str:
    points = [f"{_x(n, n_epochs):.1f},{scale.y(value):.1f}" for n, value in enumerate(curve, 1)]
    # A single point is a line of no length, which only its round cap shows.
    points = points if len(points) > 1 else points * 2
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="{width}" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 12, colour: str = "#222222") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="{colour}">{_xml(text)}</text>'


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" role="img"><title>{_xml(one_line(title))}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )
