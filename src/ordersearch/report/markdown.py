"""A report as Markdown for a pull request: the verdict, a short table, how to use what was found."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ordersearch.report.content import Candidate, RankedOrder, Report, Snippet
from ordersearch.report.headline import interval, number

N_SHOWN = 8
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(report: Report) -> str:
    """The report in short, in the Markdown that GitHub and GitLab read."""
    lines = [f"## {plain(report.study)}: {plain(report.headline)}", "", _prose(report.verdict), ""]
    if report.scope:
        lines += [f"Holds for {_prose(report.scope)}", ""]
    lines += [f"> {plain(note)}" for note in report.notes] + [""] * bool(report.notes)
    if report.is_confirmed or report.n_confirming:
        lines += [*_finalists(report), ""]
    elif report.ranking:
        lines += [*_ranking(report), ""]
    lines += _usage(report.snippets)
    return "\n".join([*lines, *_origin(report), ""])


def _finalists(report: Report) -> Iterable[str]:
    yield f"| | order, as trained | {plain(report.metric)} | against yours (95 % interval) | pairs |"
    yield "|---|---|---:|---:|---:|"
    for one in report.candidates:
        mean = "" if one.mean is None else number(one.mean)
        yield f"| {one.letter} | {code(one.order)}{_tags(one)} | {mean} | {_against(one)} | {one.n} |"


def _against(one: Candidate) -> str:
    if one.difference is None:
        return "yours" if one.is_baseline else ""
    return f"{one.difference:+.3g} ({interval(one.low, one.high)})"


def _tags(one: Candidate) -> str:
    told = [
        "**recommended**" if one.is_recommended else "",
        "your order" if one.is_baseline else "",
        "may be the best" if one.may_be_best and one.mean is not None else "",
        f"known as {plain(one.name)}" if one.name else "",
        plain(one.note),
    ]
    return "".join(f"<br>{part}" for part in [", ".join(filter(None, told))] if part)


def _ranking(report: Report) -> Iterable[str]:
    yield f"| | order, as trained | {plain(report.metric)} | runs | learning rate |"
    yield "|---:|---|---:|---:|---:|"
    yield from map(_row, report.ranking[:N_SHOWN])
    if (left := len(report.ranking) - N_SHOWN) > 0:
        yield ""
        yield f"{left} more orders are left out."


def _row(one: RankedOrder) -> str:
    spread = "" if one.spread is None else f" ± {one.spread:.2g}"
    name = f"<br>known as {plain(one.name)}" if one.name else ""
    value = f"{number(one.mean)}{spread}"
    return f"| {one.rank} | {code(one.order)}{name} | {value} | {one.n_runs} | {one.learning_rate:g} |"


def _usage(snippets: tuple[Snippet, ...]) -> list[str]:
    lines = []
    for one in snippets:
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", one.text)), 3)
        told = f"<details><summary>{_entities(one.title)}: {_entities(one.note)}</summary>"
        lines += [told, "", f"{fence}{one.language}", one.text.rstrip("\n"), fence, "", "</details>", ""]
    return lines


def _origin(report: Report) -> Iterable[str]:
    fingerprint = report.data.get("fingerprint", "")
    told = f"Data {plain(str(report.data['name']))}{f' (fingerprint {code(fingerprint)})' if fingerprint else ''}"
    versions = ", ".join(f"{plain(name)} {plain(version)}" for name, version in report.versions.items())
    yield f"{told}, network {plain(str(report.network['name']))}{f'; {versions}' if versions else ''}."
    for command in report.commands[-1:]:
        yield f"Made with {code(command)}."


def _prose(text: str) -> str:
    """A text with the orders in it, which stand in quotes, as code."""
    parts = re.split(r"'([^']* > [^']*)'", text)
    return "".join(code(part) if place % 2 else plain(part) for place, part in enumerate(parts))


def plain(text: str) -> str:
    r"""Text that Markdown shows as it is, in one line.

    Example:
        >>> plain("a|b <script> *x*")
        'a\\|b &lt;script&gt; \\*x\\*'
    """
    return _SPECIAL.sub(r"\\\1", _entities(text))


def code(text: str) -> str:
    """Text as code, in one line of a table.

    Example:
        >>> code("conv > relu"), code("a`b|c")
        ('`conv > relu`', '<code>a&#96;b&#124;c</code>')
    """
    told = " ".join(text.split())
    if not re.search(r"[`|]", told):
        return f"`{told}`" if told else ""
    return f"<code>{_entities(told).replace('`', '&#96;').replace('|', '&#124;')}</code>"


def _entities(text: str) -> str:
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], re.sub(r"\s+", " ", text))
