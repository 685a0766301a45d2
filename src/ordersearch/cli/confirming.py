"""The second half of ``search``: the finalists on fresh pairs, and the verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ordersearch.cli.interrupts import ignore
from ordersearch.cli.report_command import report_beside
from ordersearch.errors import StorageError
from ordersearch.report.fields import print_field
from ordersearch.spec import BlockSpec

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from ordersearch.cli.options import SearchOptions
    from ordersearch.objective import Trainer
    from ordersearch.results import Run
    from ordersearch.study import Observer, Search, SearchResult
    from ordersearch.study.confirmation import Confirmation
    from ordersearch.study.finalists import Finalist
    from ordersearch.study.team import Team
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
        baseline: The order of ``--baseline``, or None.
        timeout: Seconds after which no further run begins, or None.
        unfinished: The confirmation to go on with, or None.
        team: The processes that train along.
    """

    search: Search
    result: SearchResult
    trainer: Trainer
    storage: BaseStorage
    folder: Path
    options: SearchOptions
    baseline: Mapping[str, BlockSpec] | None
    timeout: float | None
    unfinished: Confirmation | None
    team: Team


def unfinished_confirmation(
    search: Search, storage: BaseStorage, options: SearchOptions, baseline: Mapping[str, BlockSpec] | None
) -> Confirmation | None:
    """The last confirmation of the search, if its verdict does not stand yet and the options ask for no other one."""
    from ordersearch.study.baseline import is_same_baseline
    from ordersearch.study.confirmation import last_confirmation

    last = last_confirmation(storage, search)
    if last is None:
        return None
    kept, is_decided = last
    if kept.anytime and options.confirm.isdecimal() and int(options.confirm) > kept.max_pairs:
        kept, is_decided = replace(kept, max_pairs=int(options.confirm)), False
    blocks = baseline or next((reference.blocks for reference in search.space.references()), None)
    is_other = kept.anytime != options.anytime or (
        blocks is not None and not is_same_baseline(kept.baseline, blocks, search)
    )
    if is_decided or is_other or options.confirm not in ("auto", str(kept.max_pairs)):
        return None
    return kept


def confirm(given: Confirming, console: Console, observers: Sequence[Observer]) -> None:
    """Train the finalists until the verdict stands, print and write it.

    Raises:
        KeyboardInterrupt: It was interrupted; what was trained is kept, printed and written.
    """
    from ordersearch.report.terminal import standings_table
    from ordersearch.study.outputs import verdict
    from ordersearch.study.verdict import verdict_of

    confirmation, ended = (given.unfinished, "done") if given.unfinished else _planned(given, console, observers)
    if isinstance(confirmation, str):
        if ended == "interrupted":
            ignore()
        told = f"{verdict(given.search, given.result)} {confirmation}"
        paths = written(given.folder, given.search, given.result, storage=given.storage)
        print_end(console, told, paths, given.search, given.result.runs)
    else:
        confirmation, study = confirmation.opened(given.storage)
        runs, ended = confirmation.run(
            study, given.trainer, timeout=given.timeout, observers=observers, team=given.team
        )
        if ended == "interrupted":
            ignore()
        found = verdict_of(confirmation, runs)
        if found.standings:
            console.print(standings_table(given.search, found))
        print_field(console, "Scope:", found.scope)
        paths = written(given.folder, given.search, given.result, found, runs, storage=given.storage)
        print_end(console, found.text, paths, given.search, [*given.result.runs, *runs])
    if ended == "interrupted":
        raise KeyboardInterrupt


def _planned(given: Confirming, console: Console, observers: Sequence[Observer]) -> tuple[Confirmation | str, str]:
    """The confirmation, or why there is none; and how the search for the baseline's learning rate ended."""
    from ordersearch.study.confirmation import Confirmation
    from ordersearch.study.finalists import finalists

    plan = _plan(given)
    if plan is None:
        return "Confirming it would take longer than the search; --confirm 6 does it all the same.", "done"
    baseline, ended = _baseline(given, console, observers)
    if ended == "time":
        return "The time is up before your order's learning rate is found; the same command goes on.", ended
    chosen = finalists(given.result, baseline, n_challengers=plan[0])
    if ended == "interrupted":
        return "The same command confirms it.", ended
    if len(chosen) < 2:
        return "No other order was completed, so there is nothing to confirm.", ended
    return Confirmation(given.search, chosen, plan[1], given.options.anytime, plan[0]), ended


def _plan(given: Confirming) -> tuple[int, int] | None:
    """Challengers and pairs: as asked for, as the last confirmation had them, or as the speed allows."""
    from ordersearch.results import State
    from ordersearch.study.confirmation import last_confirmation
    from ordersearch.study.finalists import N_CHALLENGERS
    from ordersearch.study.plan import planned_confirmation

    if given.options.confirm.isdecimal():
        return N_CHALLENGERS, int(given.options.confirm)
    # Measured times differ from call to call, so going on must not plan anew.
    if last := last_confirmation(given.storage, given.search):
        return last[0].n_challengers, last[0].max_pairs
    seconds = [run.seconds for run in given.result.runs if run.state is State.COMPLETE]
    return planned_confirmation(statistics.median(seconds), math.fsum(run.seconds for run in given.result.runs))


def _baseline(given: Confirming, console: Console, observers: Sequence[Observer]) -> tuple[Finalist, str]:
    """The baseline at the best of its settings; those that the search did not train whole are trained now."""
    from ordersearch.study.baseline import baseline_settings, default_baseline, tuned_baseline, untried_settings

    search, blocks = given.search, given.baseline or default_baseline(given.search, given.result)
    settings, _ = baseline_settings(search, blocks)
    untried = untried_settings(settings, given.result, search)
    if untried:
        told = f"Your order is trained once at each of its {len(settings)} settings; {len(untried)} are left."
        console.print(told, markup=False, soft_wrap=True)
    return tuned_baseline(
        search,
        given.result,
        blocks,
        given.trainer,
        given.storage,
        timeout=given.timeout,
        observers=observers,
        team=given.team,
    )


def written(
    folder: Path,
    search: Search,
    result: SearchResult,
    found: Verdict | None = None,
    runs: Sequence[Run] = (),
    *,
    storage: BaseStorage,
) -> list[Path]:
    """Write the run's files, its report last, and give their paths.

    Raises:
        StorageError: They cannot be written.
    """
    from ordersearch.study.outputs import write_outputs

    try:
        paths = write_outputs(folder, search, result, found, runs)
    except OSError as cause:
        raise StorageError(f"{folder}: its files cannot be written ({cause.strerror or cause}).") from cause
    return paths + report_beside(folder, storage, search.name)


def print_end(console: Console, verdict: str, paths: Sequence[Path], search: Search, runs: Sequence[Run]) -> None:
    """Print the verdict, however quiet the console is, what the orders' parts do, and where the files are."""
    from ordersearch.report.effects import print_effects

    print_field(Console(highlight=False), "Verdict:", verdict)
    print_effects(console, search, runs)
    print_field(console, "Files:", ", ".join(map(str, paths)))
