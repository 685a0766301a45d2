"""What ``search`` prints besides its progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ordersearch.cli.confirming import print_end, written
from ordersearch.cli.dashboard_command import Watched
from ordersearch.cli.interrupts import ignore
from ordersearch.cli.runs import ARTIFACTS
from ordersearch.data.description import few_notes
from ordersearch.report.fields import print_field

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from ordersearch.study import Observer, Search, SearchResult
    from ordersearch.workers import Sharing

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
    from ordersearch.report.terminal import screen_on

    return screen_on(console)


def print_start(console: Console, search: Search) -> None:
    """Print what was found: data, space, network."""
    space, dataset = search.space, search.dataset
    for line in [*dataset.describe(), *few_notes(dataset), *dataset.notes]:
        print_field(console, "Data", line)
    print_field(
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
    print_field(console, "Network", f"{search.network.name}: {search.network.summary}{f' ({chosen})' * bool(chosen)}")


def print_plan(
    console: Console,
    search: Search,
    n_trials: int | None,
    timeout: float | None,
    location: str,
    folder: Path,
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
    print_field(console, "Plan", plan)
    if told := packs_told(search):
        print_field(console, "Packs", f"{told} ({why_packed})")
    watched = Watched(location, folder / ARTIFACTS)
    print_field(console, "Watch", watched.own_command(folder))
    print_field(console, "", f"or {watched.command}")


def print_workers(console: Console, sharing: Sharing) -> None:
    """Print how many processes share the work, where there are several or one would expect several."""
    if sharing.n > 1:
        threads = f"{sharing.threads} thread{'s' * (sharing.threads != 1)}"
        print_field(console, "Workers", f"{sharing.n} processes of {threads} each; --workers 1 takes one")
    if sharing.note:
        print_field(console, "Workers", sharing.note)


def print_notes(console: Console, notes: Sequence[str]) -> None:
    """Print what went wrong with the workers."""
    for note in notes:
        print_field(console, "Workers", note)


def print_problem(console: Console, problem: str) -> None:
    """Print what went wrong with what the dashboard shows."""
    if problem:
        print_field(console, "Watch", problem)


def packs_told(search: Search) -> str:
    """Which seeds are trained together; nothing where none are."""
    packs = search.packs
    parts = []
    if packs.search > 1:
        parts.append(f"every setting with {packs.search} seeds at once, judged by their mean")
    if packs.confirmation > 1:
        parts.append(f"{packs.confirmation} pairs of the confirmation at once")
    return ", ".join(parts)


def print_found(
    search: Search, result: SearchResult, folder: Path, console: Console, *, told: bool, storage: BaseStorage
) -> bool:
    """Print and write what the search found; whether it found anything.

    Args:
        search: What was searched.
        result: What came out.
        folder: Where the files go.
        console: What to print on.
        told: Whether this is the end, so that the verdict and the files are told of.
        storage: Where the study is kept.
    """
    from ordersearch.report.terminal import result_table, savings_line, states_line
    from ordersearch.study.outputs import verdict

    is_over = told or result.ended == "interrupted" or not result.places
    if result.ended == "interrupted":
        ignore()
    paths = written(folder, search, result, storage=storage)
    if result.places:
        console.print(result_table(search, result))
    print_field(console, "Trials:", states_line(result))
    print_field(console, "Saved:", savings_line(search, result))
    print_field(console, "Ended:", ENDINGS[result.ended])
    if is_over:
        print_end(console, verdict(search, result), paths, search, result.runs)
    if result.ended == "interrupted":
        raise KeyboardInterrupt
    return bool(result.places)
