"""The second half of ``search``: the finalists on fresh pairs, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ordersearch.cli.interrupts import ignore
from ordersearch.errors import StorageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from ordersearch.cli.search_command import SearchOptions
    from ordersearch.objective import Trainer
    from ordersearch.results import Run
    from ordersearch.study import Observer, Search, SearchResult
    from ordersearch.study.confirmation import Confirmation
    from ordersearch.study.verdict import Verdict


@dataclass(frozen=True)
class Confirming:
    """What a confirmation is made of.

    Attributes:
        search: What was searched.
        result: What came out.
        trainer: Trains the finalists.
        storage: Where the search's study is kept.
        folder: Where the files go.
        options: As given.
        timeout: Seconds after which no further run begins, or None.
    """

    search: Search
    result: SearchResult
    trainer: Trainer
    storage: BaseStorage
    folder: Path
    options: SearchOptions
    timeout: float | None


def confirm(given: Confirming, console: Console, observers: Sequence[Observer]) -> None:
    """Train the finalists until the verdict stands, print and write it.

    Raises:
        KeyboardInterrupt: It was interrupted; what was trained is kept, printed and written.
    """
    from ordersearch.report.terminal import standings_table
    from ordersearch.study.outputs import verdict
    from ordersearch.study.verdict import verdict_of

    confirmation = _planned(given)
    if isinstance(confirmation, str):
        told = f"{verdict(given.search, given.result)} {confirmation}"
        print_end(console, told, written(given.folder, given.search, given.result))
        return
    runs, ended = confirmation.run(
        confirmation.open_study(given.storage), given.trainer, timeout=given.timeout, observers=observers
    )
    if ended == "interrupted":
        ignore()
    found = verdict_of(confirmation, runs)
    if found.standings:
        console.print(standings_table(given.search, found, width=console.width))
    console.print(f"Scope:   {found.scope}", markup=False, soft_wrap=True)
    text = found.text if ended != "time" else f"{found.text} The time is up; the same command goes on."
    print_end(console, text, written(given.folder, given.search, given.result, found, runs))
    if ended == "interrupted":
        raise KeyboardInterrupt


def _planned(given: Confirming) -> Confirmation | str:
    """The confirmation, or why there is none."""
    from ordersearch.results import State
    from ordersearch.study.confirmation import Confirmation
    from ordersearch.study.finalists import N_CHALLENGERS, default_baseline, finalists, parse_baseline
    from ordersearch.study.opening import kept_confirmation
    from ordersearch.study.plan import planned_confirmation

    search, result, options = given.search, given.result, given.options
    baseline = parse_baseline(options.baseline, search) if options.baseline else default_baseline(search, result)
    if options.confirm.isdigit():
        plan: tuple[int, int] | None = (N_CHALLENGERS, int(options.confirm))
    else:
        seconds = statistics.median(run.seconds for run in result.runs if run.state is State.COMPLETE)
        plan = kept_confirmation(given.storage, search.name) or planned_confirmation(seconds, result.seconds)
    if plan is None:
        return "Confirming it would take longer than the search; --confirm 6 does it all the same."
    chosen = finalists(search, result, baseline, n_challengers=plan[0])
    if len(chosen) < 2:
        return "No other order was completed, so there is nothing to confirm."
    return Confirmation(search, chosen, plan[1], anytime=options.anytime)


def written(
    folder: Path, search: Search, result: SearchResult, found: Verdict | None = None, runs: Sequence[Run] = ()
) -> list[Path]:
    """Write the run's files and give their paths.

    Raises:
        StorageError: They cannot be written.
    """
    from ordersearch.study.outputs import write_outputs

    try:
        return write_outputs(folder, search, result, found, runs)
    except OSError as cause:
        raise StorageError(f"{folder}: its files cannot be written ({cause.strerror or cause}).") from cause


def print_end(console: Console, verdict: str, paths: Sequence[Path]) -> None:
    """Print the verdict, however quiet the console is, and where the files are."""
    Console(highlight=False).print(f"Verdict: {verdict}", markup=False, soft_wrap=True)
    console.print(f"Files:   {', '.join(map(str, paths))}", markup=False, soft_wrap=True)
