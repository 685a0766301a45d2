"""Plotly figures in plain values: their colours, axes and texts."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Any

from ordersearch.report.dashboard.markdown import one_line

Figure = dict[str, Any]

# Colours that people tell apart whatever their eyes (Okabe and Ito 2008), each with a dash and a marker of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
MARKERS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "x", "star", "cross")
LABEL_WIDTH = 30


def wrapped(text: str) -> str:
    """The text in lines that fit beside a plot, at most four."""
    return "\n".join(textwrap.wrap(one_line(text), LABEL_WIDTH, break_on_hyphens=False, max_lines=4, placeholder=" …"))


def plain_text(text: str) -> str:
    """The text as plotly takes it: it reads a few tags as HTML, and drops the others."""
    return html.escape(text, quote=False).replace("\n", "<br>")


def axis_of(title: str, *, log: bool = False) -> dict[str, Any]:
    """An axis of this title."""
    return {"title": {"text": plain_text(title)}, "automargin": True, **({"type": "log"} if log else {})}


def figure_of(traces: Sequence[Figure], title: str, **layout: Any) -> Figure:
    """A figure of these traces; the layout is what differs from that of the others."""
    shared = {
        "title": {"text": title, "font": {"size": 13}, "x": 0.02, "xanchor": "left"},
        # Without them a dark dashboard shines through, and what is black cannot be read.
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#fafafa",
        "font": {"color": "#222222", "size": 11},
        "margin": {"l": 60, "r": 20, "t": 60, "b": 50},
        "hovermode": "closest",
    }
    return {"data": list(traces), "layout": {**shared, **layout}}


def rounded_value(value: float) -> float:
    """The value with five digits: a figure's size is mostly that of its numbers."""
    return float(f"{value:.5g}")


def rounded(values: Sequence[float]) -> list[float]:
    """The values with five digits."""
    return [rounded_value(value) for value in values]
