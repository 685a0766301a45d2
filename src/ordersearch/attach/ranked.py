"""The ranking of the orders that a user's own objective has trained."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from ordersearch.errors import StudyMismatchError
from ordersearch.ranking.interval import FEWEST_FOR_INTERVAL, told_half_width
from ordersearch.results import Attribute, Run, distinct_runs, in_one_line, read_runs


@dataclass(frozen=True)
class RankedOrder:
    """A class in the ranking, at its best setting. As text, it is one line.

    Attributes:
        order: The class.
        blocks: What was trained, for each role, in the notation.
        params: The other parameters of the setting.
        mean: Of the values of its runs.
        half_width: Of the mean's 95 % interval; None with fewer than three runs.
        n_runs: How many seeds the setting was trained with.
        n_settings: How many settings of the class were trained.
    """

    order: str
    blocks: Mapping[str, str]
    params: Mapping[str, Any]
    mean: float
    half_width: float | None
    n_runs: int
    n_settings: int

    def __str__(self) -> str:
        reach = "" if self.half_width is None else f" ± {self.half_width:.2g}"
        params = ", ".join(f"{name} {_shown(value)}" for name, value in self.params.items())
        return f"{self.mean:.4g}{reach}  n={self.n_runs}  {in_one_line(self.blocks)}" + f"  ({params})" * bool(params)


def ranked(study: Study) -> list[RankedOrder]:
    """The classes that the trials of ``begin_run`` and ``backfill`` are evidence for, best first.

    Each stands at its best setting. Of settings, those with three seeds or more come first, then those with two: the
    best of many single values is low by luck. The interval says how sure a mean is, not whether the first is truly
    better than the second; ``ordersearch.ranking.decide`` does, from paired seeds.

    Raises:
        StudyMismatchError: The study has several objectives.

    Example:
        >>> import optuna
        >>> from ordersearch.attach import begin_run
        >>> from ordersearch.space import SearchSpace
        >>> study, space = optuna.create_study(), SearchSpace.load("dense")
        >>> for value in (0.5, 0.4, 0.3):
        ...     study.enqueue_trial({**space.encode(space.references()[0].blocks), "lr": 0.01})
        ...     trial = study.ask()
        ...     run = begin_run(trial, space)
        ...     _ = study.tell(trial, value)
        >>> print(ranked(study)[0])
        0.4 ± 0.25  n=3  linear > batch_norm > relu > dropout(p=0.1)  (lr 0.01)
    """
    if len(study.directions) > 1:
        raise StudyMismatchError(
            f"Study {study.study_name!r} has {len(study.directions)} objectives, but a ranking is by one value. "
            "ordersearch.results.read_runs gives its runs."
        )
    sign = 1 if study.direction is StudyDirection.MINIMIZE else -1
    classes: dict[str, dict[str, list[Run]]] = {}
    for run in distinct_runs(read_runs(study)):
        classes.setdefault(run.order, {}).setdefault(run.setting, []).append(run)
    trials = study.get_trials(deepcopy=False)
    places = [
        _ranked(min(settings.values(), key=lambda runs: _place(runs, sign)), len(settings), trials)
        for settings in classes.values()
    ]
    return sorted(places, key=lambda one: (-min(one.n_runs, FEWEST_FOR_INTERVAL), sign * one.mean, one.order))


def _place(runs: Sequence[Run], sign: int) -> tuple[float, ...]:
    return -min(len(runs), FEWEST_FOR_INTERVAL), sign * statistics.fmean(_values(runs))


def _values(runs: Sequence[Run]) -> list[float]:
    return sorted(run.value for run in runs if run.value is not None)


def _ranked(runs: Sequence[Run], n_settings: int, trials: Sequence[FrozenTrial]) -> RankedOrder:
    run, values = runs[0], _values(runs)
    rate = {} if math.isnan(run.learning_rate) else {"lr": run.learning_rate}
    size = {} if run.batch_size is None else {"batch_size": run.batch_size}
    params = {**rate, **size, **trials[run.trial].user_attrs.get(Attribute.OWN, {})}
    return RankedOrder(
        run.order, run.blocks, params, statistics.fmean(values), told_half_width(values), len(values), n_settings
    )


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
