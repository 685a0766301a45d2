"""What the live screen shows, as lines for a terminal of any size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from ordersearch.report.ranked_table import RankedTable
from ordersearch.report.shown import (
    LONGEST_NAME,
    UNICODE,
    Signs,
    cut,
    duration,
    progress_bar,
    shown,
    signs_of,
    sparkline,
)
from ordersearch.results import in_one_line
from ordersearch.study.observer import Progress, UnderWay

WIDEST_BAR, NARROWEST_BAR = 40, 8
MOST_UNDER_WAY = 8
SPARKS = 16


@dataclass
class Scene:
    """The state of the live screen.

    Attributes:
        phase: What is done: ``Searching``.
        past: What is said of it when it is over: ``Searched``.
        what: Of what.
        unit: What is counted.
        is_search: Whether trials are pruned and proposals reused.
        is_bound: Whether the time left is the most that it may take, and not what it will about be.
        progress: The last that was told.
        told: When that was (monotonic).
        n_before: How many were trained when it began.
        under_way: The trials that are being trained, by number.
        heard: When something was last told of each (monotonic).
        failure: The last one, in words.
        table: The orders so far.
    """

    phase: str = ""
    past: str = ""
    what: str = ""
    unit: str = "trials"
    is_search: bool = False
    is_bound: bool = False
    progress: Progress | None = None
    told: float = 0.0
    n_before: int = 0
    under_way: dict[int, UnderWay] = field(default_factory=dict)
    heard: float = 0.0
    failure: str = ""
    table: RankedTable | None = None

    def lines(self, width: int, height: int, encoding: str) -> list[Text]:
        """The screen, at most ``height`` lines of at most ``width`` columns; the table gets what the rest leaves."""
        signs = signs_of(encoding)
        top = [*self._head(width, signs), *self._counts(width, signs), *self._running(width, height, signs)]
        room = height - len(top)
        if self.table is not None and room >= 5:
            top += [Text(), *self.table.lines(width, encoding=encoding, most=room - 1)]
        for line in top:
            line.truncate(width, overflow="crop")
        return top[:height]

    def summary(self) -> str:
        """One line that says what was done; nothing if nothing was."""
        n_new = self.progress.n_trained - self.n_before if self.progress else 0
        if n_new <= 0:
            return ""
        return f"{cut(shown(self.past), LONGEST_NAME, UNICODE)}: {n_new} {self.unit} in {duration(self._seconds())}"

    def _seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.told if self.progress else 0.0

    def _head(self, width: int, signs: Signs) -> list[Text]:
        """Phase, bar, count and time; without the bar, and on two lines, where they do not fit on one."""
        if self.progress is None:
            return []
        title = Text.assemble((self.phase, "bold"), f" {cut(shown(self.what), LONGEST_NAME, signs)}")
        count = f"{self.progress.n_trained}/{self.progress.n_trials} {self.unit}"
        if self.progress.n_trials is None:
            count = f"{self.progress.n_trained} {self.unit}"
        tail = f"{count}  {duration(self._seconds())}{self._left()}"
        room = width - title.cell_len - cell_len(tail) - 4
        if room >= NARROWEST_BAR:
            return [self._with_bar(title.append("  "), min(room, WIDEST_BAR), tail, signs)]
        title.truncate(width, overflow="crop")
        bar = min(WIDEST_BAR, width - cell_len(tail) - 2)
        if bar >= NARROWEST_BAR:
            return [title, self._with_bar(Text(), bar, tail, signs)]
        return [title, Text(cut(tail, width, signs))]

    def _with_bar(self, line: Text, width: int, tail: str, signs: Signs) -> Text:
        done, left = progress_bar(self._share(), width, signs)
        return line.append(done, "green").append(left, "dim").append(f"  {tail}")

    def _share(self) -> float:
        assert self.progress is not None
        if self.progress.n_trials:
            return self.progress.n_trained / self.progress.n_trials
        seconds, left = self._seconds(), self._seconds_left() or 0.0
        return seconds / (seconds + left) if left else 0.0

    def _seconds_left(self) -> float | None:
        if self.progress is None or self.progress.seconds_left is None:
            return None
        return max(0.0, self.progress.seconds_left - (time.monotonic() - self.told))

    def _left(self) -> str:
        left = self._seconds_left()
        return "" if left is None else f", {'at most' if self.is_bound else 'about'} {duration(left)} left"

    def _counts(self, width: int, signs: Signs) -> list[Text]:
        if self.progress is None:
            return []
        counts = counts_told(self.progress) if self.is_search else failures_told(self.progress)
        lines = [Text(cut(line, width, signs)) for line in _broken(counts, width)]
        if self.failure:
            lines.append(Text(cut(f"Last failure: {shown(self.failure)}", width, signs), style="yellow"))
        return lines

    def _running(self, width: int, height: int, signs: Signs) -> list[Text]:
        """The trials under way: two lines of each where few run, else one; the rest is counted."""
        if not self.under_way:
            # As many lines as the trial will take.
            waited = duration(time.monotonic() - max(self.heard, self.told))
            return [Text(), Text(f"next trial, first epoch  {waited}", style="dim"), Text()]
        trials = [self.under_way[number] for number in sorted(self.under_way)]
        most = max(1, min(MOST_UNDER_WAY, height // 4))
        kept = trials[:most]
        lines = [line for trial in kept for line in self._trial(trial, width, signs, is_short=len(trials) > 2)]
        if len(trials) > most:
            lines.append(Text(f"and {len(trials) - most} more under way", style="dim"))
        return [Text(), *lines]

    def _trial(self, trial: UnderWay, width: int, signs: Signs, *, is_short: bool) -> list[Text]:
        seconds = trial.seconds + time.monotonic() - self.heard
        line = Text(f"trial {trial.trial}", "cyan")
        if trial.n_seeds > 1:
            line.append(f", {trial.n_seeds} seeds", "")
        line.append(f"  epoch {min(len(trial.values) + 1, trial.n_epochs)}/{trial.n_epochs}  ", "")
        if trial.values:
            drawn = sparkline(trial.values, SPARKS, signs).ljust(min(SPARKS, trial.n_epochs))
            line.append(f"{drawn}  ", "magenta").append(f"{trial.values[-1]:.4g}  ", "")
        line.append(duration(seconds), "dim")
        order = shown(in_one_line(trial.blocks)) if trial.blocks else ""
        room = width - line.cell_len - 2
        if cell_len(order) <= room or is_short:
            return [line.append(f"  {cut(order, max(0, room), signs)}", "")] if order else [line]
        return [line, Text(cut(f"  {order}", width, signs))]


def counts_told(progress: Progress) -> list[str]:
    """How many trials there are of which kind."""
    n_complete = progress.n_trained - progress.n_pruned
    counts = [f"{n_complete} complete", f"{progress.n_pruned} pruned", f"{progress.n_failed} failed"]
    return [*counts, f"{progress.n_reused} known networks not trained again"]


def failures_told(progress: Progress) -> list[str]:
    """How many trials failed, if any did."""
    return [f"{progress.n_failed} failed"] if progress.n_failed else []


def _broken(parts: Sequence[str], width: int) -> list[str]:
    """Parts with commas between, on as many lines as they need."""
    lines = [""] if parts else []
    for part in parts:
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
