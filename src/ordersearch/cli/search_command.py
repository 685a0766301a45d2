"""The command ``search``."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ordersearch.cli.confirming import Confirming, confirm, unfinished_confirmation
from ordersearch.cli.interrupts import reminder
from ordersearch.cli.options import SearchOptions, check_options, parse_duration, resume_command
from ordersearch.cli.preparing import MEASURING, Prepared, prepared
from ordersearch.cli.printing import (
    console_of,
    observer_on,
    print_found,
    print_notes,
    print_plan,
    print_problem,
    print_start,
    print_workers,
)
from ordersearch.cli.runs import ARTIFACTS
from ordersearch.report.painter import waiting

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import Console

    from ordersearch.objective import Trainer
    from ordersearch.study import Observer, Search
    from ordersearch.study.team import Team

SEARCH_SHARE = 2 / 3
"""Of ``--timeout``; the rest is the confirmation's."""


def run_search(options: SearchOptions) -> int:
    """Search, print and write what came out; the exit code. Ctrl-C is answered with how to go on, whenever it comes."""
    try:
        return _run(options)
    except KeyboardInterrupt:
        print(f"Interrupted. To go on: {resume_command(options)}", file=sys.stderr)
        return 130


def _run(options: SearchOptions) -> int:
    timeout = parse_duration(options.timeout)
    check_options(options)
    ready = prepared(options)
    search, study, trainer = ready.search, ready.study, ready.trainer
    console = console_of(quiet=options.quiet)
    print_start(console, search)
    with waiting(console, MEASURING):
        n_trials, n_expected = _planned_trials(study, search, trainer, options.trials, timeout)
    print_plan(
        console,
        search,
        n_trials,
        timeout,
        ready.location,
        ready.folder,
        is_confirmed=options.confirm != "off",
        why_packed=ready.why_packed,
    )
    from ordersearch.report.dashboard import DashboardObserver
    from ordersearch.workers import Workers

    dashboard = DashboardObserver(ready.storage, ready.folder / ARTIFACTS)
    asked = None if options.workers == "auto" else int(options.workers)
    with Workers(search, ready.location, workers=asked, n_trials=n_expected) as team:
        print_workers(console, team.sharing)
        try:
            return _search_and_confirm(options, ready, console, (n_trials, n_expected), timeout, team, dashboard)
        finally:
            print_notes(console, team.notes)
            print_problem(console, dashboard.problem)


def _search_and_confirm(
    options: SearchOptions,
    ready: Prepared,
    console: Console,
    planned: tuple[int | None, int],
    timeout: float | None,
    team: Team,
    dashboard: Observer,
) -> int:
    from ordersearch.study.result import has_trained

    search, study, storage, trainer = ready.search, ready.study, ready.storage, ready.trainer
    n_trials, n_expected = planned
    is_confirmed = options.confirm != "off"
    observers = [reminder(), dashboard, *([] if options.quiet else [observer_on(console)])]
    unfinished = unfinished_confirmation(search, storage, options, ready.baseline) if is_confirmed else None
    if unfinished and timeout is None and not has_trained(study, n_trials):
        unfinished = None
    share = SEARCH_SHARE if is_confirmed else 1.0
    result = search.run(
        study,
        # Searching on would change the ranking, and with it the finalists, before their verdict stands.
        n_trials=0 if unfinished else n_trials,
        n_expected=n_expected,
        timeout=None if timeout is None else timeout * share,
        trainer=trainer,
        observers=observers[:1] if unfinished else observers,
        team=team,
    )
    if unfinished and timeout is not None:
        result = replace(result, ended="unfinished")
    if not print_found(search, result, ready.folder, console, told=not is_confirmed, storage=storage):
        return 1
    if is_confirmed:
        left = None if timeout is None else timeout * (1 if unfinished else 1 - share)
        given = Confirming(
            search, result, trainer, storage, ready.folder, options, ready.baseline, left, unfinished, team
        )
        confirm(given, console, observers)
    return 0


def _planned_trials(
    study: Study, search: Search, trainer: Trainer, asked: int | None, timeout: float | None
) -> tuple[int | None, int]:
    """How many trials to stop at, and how many there will be about; measured where the study does not say."""
    from ordersearch.results import Attribute
    from ordersearch.study.plan import planned_trials

    if asked is not None:
        return asked, asked
    planned = partial(
        planned_trials,
        trainer,
        search.space,
        split=search.seed,
        max_seeds=search.max_seeds,
        pack=search.packs.search,
    )
    if timeout is not None:
        most = search.space.n_settings * search.n_trainings
        return None, planned(budget_seconds=timeout, most=most)
    if Attribute.N_TRIALS not in study.user_attrs:
        study.set_user_attr(Attribute.N_TRIALS, planned())
    kept: int = study.user_attrs[Attribute.N_TRIALS]
    return kept, kept
