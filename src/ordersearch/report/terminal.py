"""The terminal: a live screen where there is one, plain lines elsewhere, and what is printed at the end."""

from __future__ import annotations

from rich.console import Console

from ordersearch.report.live_screen import LiveScreen
from ordersearch.report.painter import is_live
from ordersearch.report.shown import duration, shown
from ordersearch.report.tables import result_table, standings_table
from ordersearch.results import Run, State, in_one_line
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.result import SearchResult
from ordersearch.study.search import Search

__all__ = [
    "LiveScreen",
    "PlainLines",
    "duration",
    "result_table",
    "savings_line",
    "screen_on",
    "standings_table",
    "states_line",
]


def screen_on(console: Console) -> Observer:
    """A live screen in a terminal that can show one, plain lines elsewhere."""
    return LiveScreen(console) if is_live(console) else PlainLines(console)


class PlainLines(Observer):
    """A line a finished trial, for logs and pipes.

    Args:
        console: Where they are printed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._metric = ""

    def search_started(self, search: Search, progress: Progress) -> None:
        """Take note of what probes are judged by."""
        self._metric = search.training.metric

    def trial_finished(self, run: Run, progress: Progress) -> None:
        """Print what it came to, and where the search stands."""
        value = f" {run.value:.4g}" if run.value is not None else f" {run.reason}" if run.reason else ""
        if run.state is State.PRUNED and self._metric in run.metrics:
            value = f" at {run.metrics[self._metric]:.4g} after epoch {run.n_epochs}"
        seeds = f" ({len(run.pack)} seeds)" if len(run.pack) > 1 else ""
        left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
        done = f"[{progress.n_trained}/{progress.n_trials or '?'}{left}]"
        line = f"{done} trial {run.trial} {run.state}{value}{seeds}: {in_one_line(run.blocks) if run.blocks else ''}"
        self._console.print(shown(line), markup=False, highlight=False, soft_wrap=True)


def states_line(result: SearchResult) -> str:
    """How many trials ended how; a trial of several seeds counts once."""
    # References beyond what was asked for stay in the queue; to a reader they are no trials yet.
    found = result.counts()
    del found[State.WAITING]
    n_seeds = sum(run.state is not State.WAITING for run in result.runs)
    parts = ", ".join(f"{found[state]} {state.value}" for state in State if found[state])
    seeds = f" ({n_seeds} seeds)" if n_seeds > found.total() else ""
    return f"{parts}{seeds}."


def savings_line(search: Search, result: SearchResult) -> str:
    """What knowing the identities saved."""
    n_reused = sum(run.n_reused for run in result.runs)
    return (
        f"{search.space.n_settings_as_written} settings as written are {search.space.n_settings} distinct "
        f"ones; {n_reused} proposals were known networks and not trained again."
    )
