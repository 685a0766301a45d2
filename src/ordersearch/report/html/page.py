"""The page: a template that is given plain values, and escapes all of them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ordersearch.errors import OrdersearchError
from ordersearch.report.content import Candidate, Cell, HeatMap, Report
from ordersearch.report.headline import interval, number
from ordersearch.report.html.charts import curve_chart, interval_marks
from ordersearch.report.html.layers import Drawing, drawing
from ordersearch.report.terminal import duration
from ordersearch.spec import BlockSpec

FOLDER = Path(__file__).parent
N_RANKED = 25
N_FAILURES = 12
LEVELS = 4

STATES = {
    "complete": "trained to the end",
    "pruned": "stopped early, since others did better",
    "does-not-fit": "did not fit the data's size",
    "diverged": "diverged: the loss was no longer finite",
    "out-of-memory": "ran out of memory",
    "crashed": "crashed",
    "interrupted": "interrupted",
    "duplicate": "had by another worker already",
    "running": "under way",
    "waiting": "waiting",
}

NUMBERS = {
    "epochs_to_baseline": "epochs to yours",
    "samples_per_second": "samples/s",
    "n_parameters": "parameters",
}


def html_page(report: Report) -> str:
    """The report as one HTML file that asks the network for nothing."""
    style, script = _part("style.css"), _part("script.js")
    page = _environment().get_template("page.html.j2")
    text = page.render(
        report=report,
        style=style,
        script=script,
        policy=_policy(style, script),
        shown=report.recommended or next(iter(report.candidates), None),
        drawings=_drawings(report),
        chart=curve_chart(report.curves),
        marks=interval_marks(report.candidates),
        scores=_scores(report.candidates),
        ranked=report.ranking[:N_RANKED],
        failures=report.failures[:N_FAILURES],
        metrics=[key for key in _metrics(report) if key != report.metric],
        letters={one.letter: one for one in report.candidates},
        states=STATES,
    )
    # A name that came from elsewhere may hold half of a character, which no file can.
    return text.encode("utf-8", "replace").decode()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": lambda value: "" if value is None else number(value),
        "score": _score,
        "signed": lambda value: f"{value:+.3g}",
        "interval": interval,
        "duration": duration,
        "sentences": code_and_text,
        "ops": lambda blocks: list(_ops(blocks)),
        "level": level,
        "clear": is_clear,
        # Paper is narrow: it shows what most people ask for.
        "place": lambda key: "further" if key in NUMBERS or key.startswith("repaired/") else "",
        "heading": lambda key: NUMBERS.get(key, key),
    }
    return made


def _part(name: str) -> Markup:
    """A file of the page itself, which is no text from elsewhere."""
    return Markup(FOLDER.joinpath(name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """What a browser may load for the page: its own style and script, by their digests, and nothing else."""
    own = f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    return f"default-src 'none'; {own}; img-src data:; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def code_and_text(text: str) -> list[tuple[str, bool]]:
    """A text in parts, each with whether it is code: an order that stood in quotes, or an option.

    Example:
        >>> code_and_text("Keep 'conv > relu': it won. Or --confirm 9.")
        [('Keep ', False), ('conv > relu', True), (': it won. Or ', False), ('--confirm 9', True), ('.', False)]
    """
    parts: list[tuple[str, bool]] = []
    end = 0
    for found in re.finditer(r"'([^']* > [^']*)'|(?<!\S)(--[a-z-]+(?: \d+)?)", text):
        parts += [(text[end : found.start()], False), (found[1] or found[2], True)]
        end = found.end()
    return [part for part in (*parts, (text[end:], False)) if part[0]]


def _ops(blocks: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For each role (its name empty where there is one), the ops as text with what they do in the block."""
    for role, text in blocks.items():
        name = role if len(blocks) > 1 else ""
        try:
            yield name, [(str(op), str(op.role)) for op in BlockSpec.parse(text)]
        except OrdersearchError:
            yield name, [(text, "")]


def _score(value: float | None, key: str) -> str:
    if value is None:
        return ""
    if key in ("n_parameters", "samples_per_second") and abs(value) < 1e15:
        return f"{value:,.0f}"
    return "never" if value == float("inf") else number(value)


def _scores(candidates: tuple[Candidate, ...]) -> list[str]:
    """The further figures of the table: those that are most asked for and that some candidate has."""
    there = {key for one in candidates for key in one.scores}
    wanted = ("val/accuracy", "val/r2", "test/loss", "test/accuracy", "test/r2", "repaired/loss", *NUMBERS)
    return [key for key in wanted if key in there]


def _metrics(report: Report) -> list[str]:
    return [key for key in (report.ranking[0].metrics if report.ranking else {}) if key.startswith("val/")]


def _drawings(report: Report) -> list[Drawing]:
    shown = report.recommended or next(iter(report.candidates), None)
    dims = {"table": 0, "signal": 1, "image": 2, "volume": 3}.get(str(report.data.get("input")), 2)
    found = []
    for role, text in (shown.blocks if shown else {}).items():
        try:
            found.append(drawing(role, BlockSpec.parse(text), dims=dims))
        except OrdersearchError:
            continue
    return found


def level(cell: Cell, heat_map: HeatMap, direction: str) -> str:
    """How a cell is shaded: by how its effect compares with the largest of its map, and which way it goes."""
    effects = [abs(c.effect) for row in heat_map.cells for c in row if c and c.effect is not None]
    if cell.effect is None:
        return "same" if cell.same_network else "empty"
    largest = max(effects, default=0.0)
    share = abs(cell.effect) / largest if largest else 0.0
    # What may be noise is pale, however large it is.
    strength = max(1, round((LEVELS if is_clear(cell) else LEVELS / 2) * share))
    is_better = (cell.effect < 0) == (direction == "minimize")
    return f"{'better' if is_better else 'worse'}-{strength}" if cell.effect else "even"


def is_clear(cell: Cell) -> bool:
    """Whether a cell's interval leaves out 0."""
    return cell.n_contexts > 2 and cell.low is not None and cell.high is not None and cell.low * cell.high > 0
