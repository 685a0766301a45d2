"""Successive halving: which setting has earned more training, first in epochs, then in seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ordersearch.results import Run, State, next_seed

REDUCTION = 4
"""One in so many goes on to the next rung (Jamieson & Talwalkar 2016, arXiv:1502.07943, name it eta)."""

PROBE_SHARE = 6
"""A probe is the first sixth of a training's epochs."""

FEWEST_PROBED = 8
"""Nothing is trained whole before so many were probed: the best of four is no better than chance would have it."""

FEWEST_TRIALS = 24
"""With fewer trials to come, each is a whole training: there would be hardly any for the probes to choose."""

Runs = Mapping[str, Sequence[Run]]


def probe_epochs(max_epochs: int) -> int:
    """How many epochs a probe has.

    Example:
        >>> probe_epochs(16), probe_epochs(5)
        (2, 1)
    """
    return max(1, max_epochs // PROBE_SHARE)


def is_probing(max_epochs: int, n_trials: int | None, n_settings: int, max_seeds: int) -> bool:
    """Whether new settings are probed first: where there are more of them than can be trained whole with every seed.

    Args:
        max_epochs: Of a whole training.
        n_trials: How many trials there will be, or None for no limit.
        n_settings: How many settings the space has.
        max_seeds: How many trainings with other seeds a setting has at most.

    Example:
        >>> is_probing(16, 60, 174, 3), is_probing(1, 60, 174, 3), is_probing(16, 12, 174, 3), is_probing(16, 60, 20, 3)
        (True, False, False, False)
    """
    if max_epochs < 2 or n_settings < FEWEST_PROBED:
        return False
    return n_trials is None or FEWEST_TRIALS <= n_trials < n_settings * max_seeds


def mean_share(max_epochs: int, n_trials: int, n_settings: int, max_seeds: int) -> float:
    """Which share of a whole training a mean trial takes, when so many trials meet so many settings.

    Example:
        >>> round(mean_share(16, 60, 174, 3), 2), round(mean_share(16, 60, 28, 3), 2), mean_share(16, 60, 12, 3)
        (0.36, 0.59, 1.0)
    """
    if not is_probing(max_epochs, n_trials, n_settings, max_seeds):
        return 1.0
    # A quarter of those probed are trained whole, and a quarter of these with the further seeds.
    n_probes = min(n_settings, n_trials / (1 + 1 / REDUCTION + (max_seeds - 1) / REDUCTION**2))
    return 1 - n_probes / n_trials * (1 - probe_epochs(max_epochs) / max_epochs)


@dataclass(frozen=True)
class Halving:
    """The rungs that a setting climbs: a probe, a whole training, further seeds.

    A quarter of the probed are trained whole, by turns the best of them and the first that were tried, and the best
    quarter of these with further seeds, each as soon as it is due (asynchronously: Li et al. 2020, arXiv:1810.05934),
    the higher rung first. What is promoted is trained anew from its first epoch, so that a run's
    value depends on its setting, its pack of seeds and its split alone.

    Attributes:
        metric: What the rungs go by.
        minimise: Whether less of it is better.
        seed: The search's first seed.
        max_seeds: How many seeds of a setting are trained at most.
        probe_epochs: How many epochs a probe has; what was pruned at another one is no probe.
        pack: How many seeds of a setting are trained together; a setting is judged by the mean of the first so many.
    """

    metric: str
    minimise: bool
    seed: int
    max_seeds: int
    probe_epochs: int
    pack: int = 1

    def promoted(self, runs: Runs) -> str | None:
        """The setting that should be trained further before a new one is tried, or None.

        Args:
            runs: All runs of every setting, by its digest.
        """
        whole, probed = self._whole(runs), self._probed(runs)
        n_whole = sum(digest in whole for digest in probed)
        is_due = len(probed) >= FEWEST_PROBED and n_whole < len(probed) // REDUCTION
        candidates = (*self._best_quarter(whole), *(self._not_whole(runs, whole, probed) if is_due else ()))
        return next((digest for digest in candidates if self._is_open(runs[digest])), None)

    def best_left(self, runs: Runs) -> str | None:
        """The setting to train further when there is no new one to try; None when all have had their runs."""
        whole, probed = self._whole(runs), self._probed(runs)
        best = self._best_first(whole)
        others = self._not_whole(runs, whole, probed)
        # Further seeds of a first few would leave the rest without a rank.
        better_half = best[: len(best) // 2] if len(best) >= REDUCTION else []
        return next((digest for digest in (*better_half, *others, *best) if self._is_open(runs[digest])), None)

    def _not_whole(self, runs: Runs, whole: Mapping[str, float], probed: Mapping[str, float]) -> list[str]:
        """The probed that are not trained whole yet: by turns the best probe comes first, and the first that was tried.

        Some orders start slowly and end well: on digits, norm before the activation is 0.29 worse than behind it after
        2 of 16 epochs, and no worse at the end. What is tried first is what is worth it without a probe.
        """

        def first_tried(digest: str) -> tuple[int, str]:
            return min(run.trial for run in runs[digest]), digest

        n_whole = sum(digest in whole for digest in probed)
        ordered = self._best_first(probed) if n_whole % 2 == 0 else sorted(probed, key=first_tried)
        return [digest for digest in ordered if digest not in whole]

    def class_values(self, runs: Runs) -> dict[str, float]:
        """The best that each class has shown so far, less being better: whole trainings before probes."""
        sign = 1 if self.minimise else -1
        found: dict[str, float] = {}
        for rung in (self._probed(runs), self._whole(runs)):
            best: dict[str, float] = {}
            for digest in self._best_first(rung):
                best.setdefault(runs[digest][0].order, sign * rung[digest])
            found |= best
        return found

    def _whole(self, runs: Runs) -> dict[str, float]:
        """The value of each setting whose first seeds are complete."""
        return self._means(runs, State.COMPLETE, lambda run: run.value)

    def _probed(self, runs: Runs) -> dict[str, float]:
        """The metric at the end of each setting's probe."""
        return self._means(
            runs, State.PRUNED, lambda run: run.metrics.get(self.metric) if run.n_epochs == self.probe_epochs else None
        )

    def _means(self, runs: Runs, state: State, value: Callable[[Run], float | None]) -> dict[str, float]:
        """The mean over a setting's first seeds, of the settings that have all of them in this state."""
        first = range(self.seed, self.seed + self.pack)
        means: dict[str, float] = {}
        for digest, own in runs.items():
            values = {run.seed: value(run) for run in own if run.state is state and run.seed in first}
            finite = [each for each in values.values() if each is not None and math.isfinite(each)]
            if len(finite) == self.pack:
                means[digest] = math.fsum(finite) / self.pack
        return means

    def _best_first(self, values: Mapping[str, float]) -> list[str]:
        sign = 1 if self.minimise else -1
        return sorted(values, key=lambda digest: (sign * values[digest], digest))

    def _best_quarter(self, values: Mapping[str, float]) -> list[str]:
        return self._best_first(values)[: len(values) // REDUCTION]

    def _is_open(self, runs: Sequence[Run]) -> bool:
        return next_seed(runs, self.seed, self.max_seeds, self.pack) is not None
