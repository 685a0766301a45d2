"""The terminal: a live screen where there is one, plain lines elsewhere, and the table at the end."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from ordersearch.ranking import Place
from ordersearch.results import Run, State, in_one_line
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.result import SearchResult, reference_names
from ordersearch.study.search import Search
from ordersearch.study.verdict import Standing, Verdict

N_SHOWN = 10
WIDE = 140


def duration(seconds: float) -> str:
    """Seconds as people read them.

    Example:
        >>> duration(75.2), duration(3700)
        ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counts_line(progress: Progress) -> str:
    """How many trials there are of which kind."""
    parts = [f"{progress.n_pruned} pruned", f"{progress.n_reused} known networks not trained again"]
    if progress.n_failed:
        parts.append(f"{progress.n_failed} failed")
    return ", ".join(parts)


class LiveScreen(Observer):
    """One screen that is kept current: trials done and pruned, the best so far, the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task("Searching", total=None, left="")
        self._live: Live | None = None
        self._metric = ""
        self._best = self._counts = self._now = Text("")

    def search_started(self, search: Search, progress: Progress) -> None:
        """Open the screen."""
        self._open("Searching", search.training.metric, progress)

    def confirmation_started(self, confirmation: Confirmation, progress: Progress) -> None:
        """Open the screen anew."""
        self._best = Text("")
        self._open("Confirming", confirmation.search.training.metric, progress)

    def _open(self, what: str, metric: str, progress: Progress) -> None:
        self._metric = metric
        self._bar.reset(self._task, description=what)
        self._live = Live(console=self._console, get_renderable=self._screen, refresh_per_second=4)
        self._live.start()
        self._update(progress)

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Show how far the trial is."""
        self._now = Text(f"  trial {trial}: epoch {epoch + 1}, {self._metric} {value:.4g}", style="dim")

    def trial_finished(self, run: Run, progress: Progress) -> None:
        """Show what it came to."""
        self._update(progress)

    def closed(self) -> None:
        """Close the screen."""
        self._now = Text("")
        if self._live is not None:
            self._live.stop()

    def _update(self, progress: Progress) -> None:
        left = "" if progress.seconds_left is None else f"about {duration(progress.seconds_left)} left"
        self._bar.update(self._task, total=progress.n_trials, completed=progress.n_trained, left=left)
        self._counts = Text(f"  {counts_line(progress)}")
        if progress.best is not None and progress.best.value is not None:
            blocks = in_one_line(progress.best.blocks)
            self._best = Text.assemble(
                f"  best run: {self._metric} ", (f"{progress.best.value:.4g}", "bold"), f"  {blocks}"
            )

    def _screen(self) -> Group:
        return Group(self._bar, *(line for line in (self._counts, self._best, self._now) if line.plain))


class PlainLines(Observer):
    """A line a finished trial, for logs and pipes."""

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
        left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
        done = f"[{progress.n_trained}/{progress.n_trials or '?'}{left}]"
        self._console.print(
            f"{done} trial {run.trial} {run.state}{value}: {in_one_line(run.blocks)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def result_table(search: Search, result: SearchResult) -> Table:
    """The orders, best first, each at its best setting."""
    metric = search.training.metric
    scores = [key for key in _metric_keys(result) if key.startswith("val/") and key != metric]
    table = Table(title=f"Orders of {escape(search.dataset.name)} by {metric}", title_justify="left", expand=False)
    batches = ["batch"] if any(run.batch_size is not None for run in result.runs) else []
    for heading in ("", metric, *scores, "runs", "lr", *batches):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("order (as trained)", overflow="fold")
    names = reference_names(result)
    for number, place in enumerate(result.places[:N_SHOWN], 1):
        known_as = names.get(place.order, "")
        row = _row(number, place, result, scores)
        table.add_row(*row[:-1], f"{row[-1]}\n[dim]known as: {escape(known_as)}[/dim]" if known_as else row[-1])
    return table


def _metric_keys(result: SearchResult) -> list[str]:
    return list(result.metrics_of(result.places[0])) if result.places else []


def _row(number: int, place: Place, result: SearchResult, scores: list[str]) -> list[str]:
    run, metrics = result.runs_of(place)[0], result.metrics_of(place)
    spread = f" ± {place.spread:.2g}" if place.spread is not None else ""
    return [
        str(number),
        f"{place.mean:.4g}{spread}",
        *(f"{metrics[key]:.4f}" if key in metrics else "" for key in scores),
        str(place.n_runs),
        f"{run.learning_rate:g}",
        *([str(run.batch_size)] if run.batch_size is not None else []),
        escape(in_one_line(run.blocks)),
    ]


def standings_table(search: Search, verdict: Verdict, *, width: int) -> Table:
    """The finalists after the confirmation, best first; those that cannot be told from the best are marked.

    Args:
        search: Whose finalists they are.
        verdict: The verdict on them.
        width: Columns of the screen; further scores are shown from 140 on.
    """
    metric = search.training.metric
    keys = set.intersection(*(set(standing.scores) for standing in verdict.standings))
    further = (f"val/{_score(search)}", f"test/{_score(search)}", "repaired/loss")
    scores = [key for key in further if key in keys and key != metric and width >= WIDE]
    table = Table(
        title=f"Confirmed on fresh pairs, by {metric} (=: may be the best)", title_justify="left", expand=False
    )
    for heading in ("", metric, "against yours", "pairs", "best", *scores):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("order (as trained)", overflow="fold", min_width=24)
    for standing in verdict.standings:
        table.add_row(*_standing_row(standing, verdict, scores))
    return table


def _score(search: Search) -> str:
    return "r2" if search.dataset.task == "regression" else "accuracy"


def _standing_row(standing: Standing, verdict: Verdict, scores: list[str]) -> list[str]:
    found, finalist = standing.comparison, standing.finalist
    against = f"{found.low:+.2g} to {found.high:+.2g}" if found else "yours" if finalist.is_baseline else ""
    notes = [finalist.name and f"known as: {finalist.name}", "recommended" * (finalist is verdict.recommended)]
    told = ", ".join(note for note in notes if note)
    return [
        "=" if standing.is_together else "",
        f"{standing.mean:.4g}",
        against,
        str(standing.n_pairs),
        f"{standing.probability:.0%}",
        *(f"{standing.scores[key]:.4g}" for key in scores),
        escape(finalist.trained) + (f"\n[dim]{escape(told)}[/dim]" if told else ""),
    ]


def states_line(result: SearchResult) -> str:
    """How many trials ended how, and what reuse saved."""
    found = result.counts()
    # References beyond what was asked for stay in the queue; to a reader they are no trials yet.
    parts = [f"{found[state]} {state.value}" for state in State if found[state] and state is not State.WAITING]
    return f"Trials:  {', '.join(parts)}."


def savings_line(search: Search, result: SearchResult) -> str:
    """What knowing the identities saved."""
    n_reused = sum(run.n_reused for run in result.runs)
    return (
        f"Saved:   {search.space.n_settings_as_written} settings as written are {search.space.n_settings} distinct "
        f"ones; {n_reused} proposals were known networks and not trained again."
    )
