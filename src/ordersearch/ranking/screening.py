"""Which order did best in a search, from numbers alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Observation:
    """The value of one run.

    Attributes:
        order: The class that it is evidence for.
        setting: The class with its rates and learning rate.
        value: The metric.
        seed: The run's seed; runs of one seed share split, initial weights and batches.
    """

    order: str
    setting: str
    value: float
    seed: int = 0


@dataclass(frozen=True)
class Place:
    """A class in the ranking, at its best setting.

    Attributes:
        order: The class.
        setting: The setting of the class with the best mean.
        mean: Mean over the runs of that setting.
        spread: Their standard deviation; None with one run.
        n_runs: How many there are.
        n_settings: How many settings of the class were trained.
    """

    order: str
    setting: str
    mean: float
    spread: float | None
    n_runs: int
    n_settings: int


def rank(observations: Iterable[Observation], *, minimise: bool = True) -> list[Place]:
    """The classes, best first, each at its best setting. Runs whose value is not finite do not count.

    What has more runs comes first: halving gave them to those that had done best by then, and a mean over three seeds
    and the value of one are not compared. Seeds differ by more than orders do, and the one value is the lowest of many,
    which the mean of as many runs would not be. The result does not depend on the order of the observations.

    Example:
        >>> places = rank([Observation("a", "a1", 0.2), Observation("a", "a2", 0.4), Observation("b", "b1", 0.3)])
        >>> [(place.order, place.mean, place.n_settings) for place in places]
        [('a', 0.2, 2), ('b', 0.3, 1)]
    """
    values: dict[str, dict[str, list[float]]] = {}
    for seen in observations:
        if math.isfinite(seen.value):
            values.setdefault(seen.order, {}).setdefault(seen.setting, []).append(seen.value)
    sign = 1 if minimise else -1
    places = [_best_setting(order, settings, sign) for order, settings in values.items()]
    return sorted(places, key=lambda place: (-place.n_runs, sign * place.mean, place.order))


def _best_setting(order: str, settings: dict[str, list[float]], sign: int) -> Place:
    means = {setting: math.fsum(values) / len(values) for setting, values in settings.items()}
    best = min(means, key=lambda setting: (-len(settings[setting]), sign * means[setting], setting))
    values = settings[best]
    spread = statistics.stdev(sorted(values)) if len(values) > 1 else None
    return Place(order, best, means[best], spread, len(values), len(settings))
