"""What ``search`` prints besides its progress."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ordersearch.cli.confirming import print_end, written
from ordersearch.cli.interrupts import ignore
from ordersearch.data.description import few_notes
from ordersearch.errors import without_password

if TYPE_CHECKING:
    from ordersearch.study import Observer, Search, SearchResult

ENDINGS = {
    "trials": "All trials are trained; more with --trials.",
    "time": "The time is up; the same command goes on.",
    "exhausted": "Every setting of the space has had its runs: the search is complete.",
    "failures": "Stopped after too many failed trials; trials.csv says why each failed.",
    "interrupted": "Stopped by an interrupt.",
    "unfinished": "First the confirmation that is not finished; then the same command searches on.",
}


def console_of(*, quiet: bool) -> Console:
    """What is printed on."""
    return Console(quiet=quiet, highlight=False, soft_wrap=False)


def observer_on(console: Console) -> Observer:
    """A live screen in a terminal, plain lines elsewhere."""
    from ordersearch.report.terminal import LiveScreen, PlainLines

    return LiveScreen(console) if console.is_terminal else PlainLines(console)


def print_start(console: Console, search: Search) -> None:
    """Print what was found: data, space, network."""
    space, dataset = search.space, search.dataset
    for line in [*dataset.describe(), *few_notes(dataset), *dataset.notes]:
        _print_field(console, "Data", line)
    _print_field(
        console,
        "Space",
        f"{space.name}: {space.n_specs} orders (rates counted) are {space.n_classes} distinct networks; with the "
        f"learning rates {space.n_settings} settings",
    )
    network = search.network.described()
    chosen = ", ".join(
        key if value is True else f"{key} {value}"
        for key, value in network.items()
        if key != "name" and value is not False
    )
    _print_field(console, "Network", f"{search.network.name}: {search.network.summary}{f' ({chosen})' * bool(chosen)}")


def print_plan(
    console: Console,
    search: Search,
    n_trials: int | None,
    timeout: float | None,
    location: str,
    *,
    is_confirmed: bool,
    why_packed: str,
) -> None:
    """Print how much is trained, and how to watch it."""
    training = search.training
    count = "trials" if n_trials is None else f"{n_trials} trial{'s' * (n_trials != 1)}"
    during = "" if timeout is None else f", {timeout:g} s long"
    epochs = f"{training.max_epochs} epoch{'s' * (training.max_epochs != 1)}"
    then = ", then the best few anew on fresh pairs" if is_confirmed else ""
    plan = f"{count} of up to {epochs} on {training.device}{during}, by {training.metric}{then}"
    _print_field(console, "Plan", plan)
    if told := packs_told(search):
        _print_field(console, "Packs", f"{told} ({why_packed})")
    _print_field(console, "Watch", f"optuna-dashboard {shlex.quote(without_password(location))}")


def packs_told(search: Search) -> str:
    """Which seeds are trained together; nothing where none are."""
    packs = search.packs
    parts = []
    if packs.search > 1:
        parts.append(f"every setting with {packs.search} seeds at once, judged by their mean")
    if packs.confirmation > 1:
        parts.append(f"{packs.confirmation} pairs of the confirmation at once")
    return ", ".join(parts)


def _print_field(console: Console, name: str, text: str) -> None:
    console.print(f"{name:<8} {text}", markup=False, soft_wrap=True)


def print_found(search: Search, result: SearchResult, folder: Path, console: Console, *, told: bool) -> bool:
    """Print and write what the search found; whether it found anything.

    Args:
        search: What was searched.
        result: What came out.
        folder: Where the files go.
        console: What to print on.
        told: Whether this is the end, so that the verdict and the files are told of.
    """
    from ordersearch.report.terminal import result_table, savings_line, states_line
    from ordersearch.study.outputs import verdict

    is_over = told or result.ended == "interrupted" or not result.places
    if result.ended == "interrupted":
        ignore()
    paths = written(folder, search, result)
    if result.places:
        console.print(result_table(search, result))
    for line in (states_line(result), savings_line(search, result), f"Ended:   {ENDINGS[result.ended]}"):
        console.print(line, markup=False, soft_wrap=True)
    if is_over:
        print_end(console, verdict(search, result), paths, search, result.runs)
    if result.ended == "interrupted":
        raise KeyboardInterrupt
    return bool(result.places)
