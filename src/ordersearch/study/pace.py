"""How long a search's trials take, and so how long the rest will."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from ordersearch.results import State, run_of
from ordersearch.study.halving import mean_share


@dataclass
class Pace:
    """Counts what trials cost: probes and whole trainings apart, since those come first and these take far longer.

    Attributes:
        max_epochs: Of a whole training.
        probe_epochs: Of a probe; None where every training is whole.
        n_settings: How many settings the space has.
        n_trainings: How many trainings with other seeds a setting has at most.
    """

    max_epochs: int
    probe_epochs: int | None = None
    n_settings: int = 1
    n_trainings: int = 1
    _seconds: dict[State, list[float]] = field(default_factory=dict)
    _beside: list[float] = field(default_factory=list)

    def count(self, trial: FrozenTrial) -> None:
        """Take a trial that has ended into account."""
        run = run_of(trial)
        if trial.duration is None or run.state not in (State.COMPLETE, State.PRUNED):
            return
        seconds = trial.duration.total_seconds()
        self._seconds.setdefault(run.state, []).append(seconds)
        # In a pack, each run is given its share of the time.
        self._beside.append(max(0.0, seconds - run.seconds * max(1, len(run.pack))))

    def seconds_left(self, *, n_trials: int, n_trained: int, n_probed: int, seconds: float) -> float | None:
        """Seconds until the last trial; None before the first has ended.

        Args:
            n_trials: How many there are to be.
            n_trained: How many there are.
            n_probed: How many of these were probes.
            seconds: In which the counted ones were trained, by however many workers.
        """
        spent = math.fsum(map(math.fsum, self._seconds.values()))
        if not spent or not seconds:
            return None
        n_left = max(0, n_trials - n_trained)
        n_probes = min(n_left, max(0, round(self._expected_probes(n_trials)) - n_probed))
        left = n_probes * self._mean(State.PRUNED) + (n_left - n_probes) * self._mean(State.COMPLETE)
        return left * seconds / spent

    def _expected_probes(self, n_trials: int) -> float:
        """How many of so many trials are probes, about."""
        if self.probe_epochs is None or self.probe_epochs >= self.max_epochs:
            return 0.0
        saved = 1 - mean_share(self.max_epochs, n_trials, self.n_settings, self.n_trainings)
        return n_trials * saved / (1 - self.probe_epochs / self.max_epochs)

    def _mean(self, kind: State) -> float:
        """What a trial of this kind takes; from the other kind as long as there was none."""
        if kind in self._seconds:
            return _mean(self._seconds[kind])
        other = _mean(next(iter(self._seconds.values())))
        if self.probe_epochs is None:
            return other
        beside = min(other, _mean(self._beside))
        share = self.max_epochs / self.probe_epochs
        return beside + (other - beside) * (share if kind is State.COMPLETE else 1 / share)


def _mean(seconds: list[float]) -> float:
    """The mean; the first of several pays for memory and threads that later ones find ready."""
    counted = seconds[1:] if len(seconds) > 2 else seconds
    return math.fsum(counted) / len(counted)
