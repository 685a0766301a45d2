"""What a search tells while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordersearch.results import Run
    from ordersearch.study.confirmation import Confirmation
    from ordersearch.study.result import SearchResult
    from ordersearch.study.search import Search


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        n_trained: Trials that are complete or pruned.
        n_trials: How many there are to be; None where the time decides.
        n_pruned: Those of them that were pruned.
        n_failed: Trials that failed, besides.
        n_reused: Proposals that were known networks, hence not trained again.
        seconds: Since this process began to search.
        seconds_left: Until the last trial, at the speed so far; None as long as that is not known.
        runs: All runs so far, several of a trial that trains several seeds together.
    """

    n_trained: int
    n_trials: int | None
    n_pruned: int
    n_failed: int
    n_reused: int
    seconds: float
    seconds_left: float | None
    runs: Sequence[Run] = ()


@dataclass(frozen=True)
class UnderWay:
    """A trial that is being trained.

    Attributes:
        trial: Its number.
        blocks: What is trained, for each role, in the notation; empty as long as that is not known.
        n_seeds: How many seeds are trained together.
        n_epochs: How many epochs it is to have.
        values: The metric after each epoch so far.
        seconds: Since it began.
    """

    trial: int
    blocks: Mapping[str, str]
    n_seeds: int
    n_epochs: int
    values: tuple[float, ...]
    seconds: float


class Observer:
    """Told of what a search does; every method may be left as it is."""

    def search_started(self, search: Search, progress: Progress) -> None:
        """The study is open, the first trial is about to begin."""

    def confirmation_started(self, confirmation: Confirmation, progress: Progress) -> None:
        """The search is over, the finalists are about to be trained; ``n_trials`` is the most runs there will be."""

    def baseline_started(self, search: Search, progress: Progress) -> None:
        """The search is over, the baseline is about to be trained at those of its settings that were not tried."""

    def under_way(self, trials: Sequence[UnderWay]) -> None:
        """These trials are being trained, here and by other workers; told now and then, while something is trained."""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """A trial has trained an epoch (counted from 0) and reached this value of the metric."""

    def trial_finished(self, run: Run, progress: Progress) -> None:
        """A trial has ended, however it did."""

    def closed(self) -> None:
        """No more trials are told of, however that came: put back what was changed on the screen."""

    def search_finished(self, result: SearchResult) -> None:
        """The search has ended, by itself or by an interrupt."""
