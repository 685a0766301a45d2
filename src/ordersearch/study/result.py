"""What a search found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optuna import Study

from ordersearch.ranking import Observation, Place, rank
from ordersearch.results import Run, State, count_trained, distinct_runs, read_runs


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        runs: Every trial's run.
        places: The classes, best first, from the complete runs.
        ended: Why it stopped: ``trials``, ``time``, ``exhausted``, ``failures`` or ``interrupted``.
        seconds: How long this process searched.
    """

    runs: tuple[Run, ...]
    places: tuple[Place, ...]
    ended: str
    seconds: float

    def runs_of(self, place: Place) -> list[Run]:
        """The complete runs of a place's setting, which its mean is over."""
        return [run for run in distinct_runs(self.runs) if run.setting == place.setting]

    def metrics_of(self, place: Place) -> dict[str, float]:
        """The means of all metrics over the runs of a place's setting."""
        runs = self.runs_of(place)
        shared = [key for key in runs[0].metrics if all(key in run.metrics for run in runs)]
        return {key: sum(run.metrics[key] for run in runs) / len(runs) for key in shared}

    def counts(self) -> Counter[State]:
        """How many trials ended in which state; one of several seeds counts once, as the best of them."""
        states: dict[int, State] = {}
        for run in self.runs:
            states[run.trial] = min(states.get(run.trial, run.state), run.state, key=list(State).index)
        return Counter(states.values())


def has_trained(study: Study, n_trials: int | None) -> bool:
    """Whether a study has so many trained runs; False without a number."""
    return n_trials is not None and count_trained(read_runs(study)) >= n_trials


def ranked(runs: Sequence[Run], *, minimise: bool) -> list[Place]:
    """The classes that the complete runs are evidence for, best first.

    A setting of which a run diverged is left out: the mean of the runs that did well would flatter it.
    """
    spoilt = {run.setting for run in runs if run.state is State.DIVERGED}
    seen = [
        Observation(run.order, run.setting, run.value, run.seed)
        for run in distinct_runs(runs)
        if run.value is not None and run.setting not in spoilt
    ]
    return rank(seen, minimise=minimise)


def reference_names(result: SearchResult) -> dict[str, str]:
    """Classes that are references to their names."""
    named: dict[str, str] = {}
    for run in result.runs:
        if run.reference and run.canonical:
            named.setdefault(run.order, run.reference)
    return named
