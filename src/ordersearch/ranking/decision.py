"""What paired runs of a few classes show: who is beaten, who cannot be told apart, and how far from the baseline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ordersearch.ranking.stopping import StoppingRule

Values = Mapping[str, Mapping[int, float]]
"""Class to pair number to metric; a run that failed has NaN."""

_DRAWS = 4_000


@dataclass(frozen=True)
class Comparison:
    """One class against another, over the pairs that both have.

    Attributes:
        order: The class.
        versus: What it is compared with.
        n_pairs: Over how many pairs.
        difference: Mean of the class's values minus the other's, in the metric's unit.
        deviation: Standard deviation of the difference from pair to pair.
        low: Lower end of the interval.
        high: Upper end.
        is_believed: Whether the interval leaves out 0.
        means: Of the class and of the other, over these pairs.
    """

    order: str
    versus: str
    n_pairs: int
    difference: float
    deviation: float
    low: float
    high: float
    is_believed: bool
    means: tuple[float, float] = (math.nan, math.nan)


@dataclass(frozen=True)
class Decision:
    """What the runs show so far.

    Attributes:
        n_pairs: Pairs at the last look that all classes still in question have reached; 0 before the first.
        looked: How many pairs of each class were looked at.
        is_final: Whether no further pair would be looked at.
        means: The mean of each class over the pairs at which it was last looked at.
        best: The class with the best mean among those still in question; None before the first look.
        together: The classes that cannot be told from the best, itself included, best first.
        beaten: Each class that another one was shown to beat: to the number of pairs then.
        failed: Classes of which a run gave no finite value; they are out.
        comparisons: Each class against the baseline: at the look at which it was told from it, else at the last at
            which both were trained.
        probabilities: For each class in ``together``, how probable it is that its mean is the best.
        wanted: For each class that goes on, how many pairs it needs for the next look.
    """

    n_pairs: int
    looked: Mapping[str, int]
    is_final: bool
    means: Mapping[str, float]
    best: str | None
    together: tuple[str, ...]
    beaten: Mapping[str, int]
    failed: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    probabilities: Mapping[str, float]
    wanted: Mapping[str, int]


def decide(values: Values, *, baseline: str, rule: StoppingRule, minimise: bool = True) -> Decision:
    """What the paired values show at the last look that they reach: a function of the values alone.

    At each look, a class is beaten when another one is better by more than the rule's bound; it is then out, and needs
    no further pairs. A baseline that is beaten goes on while some class in question is not told from it.

    The error is divided among as many comparisons as there are other classes. So, with at most the rule's error each,
    the set that is left misses the class that is truly best, and some false difference to the baseline is believed.
    It is not divided among all pairs of classes: that *some* class is falsely taken to be worse than *some* other has
    a greater chance (8 % with 4 equal classes and 15 pairs), so that a class is out says no more than that it is not
    among the possible best.

    Args:
        values: Of each class, its pairs 0, 1, 2, ... as far as they are there.
        baseline: The class that all are compared with.
        rule: When to look, and what to believe.
        minimise: Whether less is better.

    Example:
        >>> from ordersearch.ranking.stopping import GroupSequential
        >>> a, b = {i: 1.0 + i / 100 for i in range(6)}, {i: 2.0 + i % 2 / 100 for i in range(6)}
        >>> found = decide({"a": a, "b": b}, baseline="b", rule=GroupSequential(15))
        >>> found.best, found.together, found.n_pairs, found.is_final
        ('a', ('a',), 6, True)
    """
    failed = tuple(sorted(name for name, runs in values.items() if not all(map(math.isfinite, runs.values()))))
    sign = 1.0 if minimise else -1.0
    sound = {name: values[name] for name in sorted(values) if name not in failed}
    race = _Race(sound, baseline, rule, len(values) - 1, sign)
    race.run()
    alive = sorted(race.alive, key=lambda name: (sign * race.mean(name), name)) if race.n_pairs else []
    return Decision(
        n_pairs=race.n_pairs,
        looked=race.looked,
        is_final=race.next_look is None,
        means={name: race.mean(name) for name in race.values if race.n_pairs},
        best=alive[0] if alive else None,
        together=tuple(alive),
        beaten=dict(race.beaten),
        failed=failed,
        comparisons=tuple(race.compared[name] for name in sorted(race.compared)),
        probabilities=_probabilities(race.matrix(alive), alive, sign),
        wanted={} if race.next_look is None else dict.fromkeys(sorted(race.racing()), race.next_look),
    )


class _Race:
    """The looks, one after another, as far as the values go."""

    def __init__(self, values: Values, baseline: str, rule: StoppingRule, n_comparisons: int, sign: float) -> None:
        self.values = values
        self.baseline = baseline
        self.rule = rule
        self.n_comparisons = max(1, n_comparisons)
        self.sign = sign
        self.alive = set(values)
        self.beaten: dict[str, int] = {}
        self.looked: dict[str, int] = dict.fromkeys(values, 0)
        self.compared: dict[str, Comparison] = {}
        self.n_pairs = 0
        self.next_look: int | None = None

    def run(self) -> None:
        for look in self.rule.looks:
            racing = self.racing()
            if len(racing) < 2:
                return
            if not all(look <= self._reached(name) for name in racing):
                self.next_look = look
                return
            self.n_pairs = look
            self.looked |= dict.fromkeys(racing, look)
            self._compare_with_baseline(racing, look)
            beaten = {b for a in racing for b in self.alive if a != b and self._beats(a, b, look)}
            self.beaten |= dict.fromkeys(sorted(beaten), look)
            self.alive -= beaten

    def racing(self) -> set[str]:
        """Those in question; and the baseline while one of these is not told from it."""
        untold = [name for name in self.alive if name not in self.compared or not self.compared[name].is_believed]
        return self.alive | ({self.baseline} & set(self.values) if untold else set())

    def _compare_with_baseline(self, racing: set[str], look: int) -> None:
        if self.baseline not in racing:
            return
        for name in racing - {self.baseline}:
            if name not in self.compared or not self.compared[name].is_believed:
                self.compared[name] = self._compared(name, self.baseline, look)

    def _reached(self, name: str) -> int:
        """How many pairs, from 0 on without a gap, the class has."""
        return next(i for i in itertools.count() if i not in self.values[name])

    def _beats(self, a: str, b: str, look: int) -> bool:
        found = self._compared(a, b, look)
        return found.is_believed and self.sign * found.difference < 0

    def _compared(self, a: str, b: str, look: int) -> Comparison:
        first, second = self._first(a, look), self._first(b, look)
        mean, deviation = float((first - second).mean()), float((first - second).std(ddof=1))
        reach = self.rule.critical(look, self.n_comparisons) * deviation / math.sqrt(look) if deviation else 0.0
        low, high = mean - reach, mean + reach
        is_believed = low > 0 or high < 0
        means = (float(first.mean()), float(second.mean()))
        return Comparison(a, b, look, mean, deviation, low, high, is_believed, means)

    def mean(self, name: str) -> float:
        return float(self._first(name, self.looked[name]).mean())

    def _first(self, name: str, n: int) -> NDArray[np.float64]:
        return np.array([self.values[name][i] for i in range(n)])

    def matrix(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The values at the last look that all of these had, ``(pairs, classes)``."""
        n = min((self.looked[name] for name in names), default=0)
        return np.array([self._first(name, n) for name in names]).T


def _probabilities(values: NDArray[np.float64], names: Sequence[str], sign: float) -> dict[str, float]:
    """How probable it is that each mean is the best: draws from the multivariate t around the means."""
    if len(names) < 2:
        return dict.fromkeys(names, 1.0)
    n = len(values)
    # Seeded, and one number a pair and not a class: renaming or reordering the classes changes nothing.
    generator = np.random.Generator(np.random.PCG64(20261121))
    normal = generator.standard_normal((_DRAWS, n)) / math.sqrt(n * (n - 1))
    scale = np.sqrt(generator.chisquare(n - 1, (_DRAWS, 1)) / (n - 1))
    means = values.mean(axis=0)
    drawn = sign * (means + normal @ (values - means) / scale)
    is_best = drawn == drawn.min(axis=1, keepdims=True)
    shares = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    return {name: float(share) for name, share in zip(names, shares, strict=True)}


def pairs_needed(found: Comparison, *, n_comparisons: int = 1, error: float = 0.05, power: float = 0.8) -> float:
    """How many pairs in all would show a difference of this size with this power; infinite for none.

    The difference is taken for the true one, which is optimistic for the best of several.

    Example:
        >>> round(pairs_needed(Comparison("a", "b", 15, 0.5, 1.0, -0.1, 1.1, False)))
        34
    """
    from scipy.stats import norm

    if found.difference == 0:
        return math.inf
    reach = norm.isf(error / (2 * n_comparisons)) + norm.isf(1 - power)
    # Two pairs more make up for the deviation being estimated.
    return math.ceil(float((reach * found.deviation / found.difference) ** 2)) + 2
