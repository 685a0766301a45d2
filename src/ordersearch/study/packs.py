"""How many seeds of a setting are trained together: asked for, or measured once when a study is made."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ordersearch.data.memory import memory_budget
from ordersearch.data.tensors import Split, TensorSplit
from ordersearch.errors import DivergedError, ShapeError, SpecError
from ordersearch.objective import Setting, Trainer
from ordersearch.space import SearchSpace
from ordersearch.study.trainable import settings_to_try
from ordersearch.training.fit import fit
from ordersearch.training.packed import fit_packed
from ordersearch.training.settings import TrainingSettings
from ordersearch.training.threads import suited_threads

PAIRS_TOGETHER = 3
"""Pairs in a pack of a confirmation: 15 and 12 pairs, and the looks at them, are multiples of it."""

GAIN_OF_CONFIRMATION = 1.15
GAIN_OF_SEARCH = 1.67
"""From which gain for each seed on packs are used. A confirmation trains all its seeds in any case; a search that
trains several seeds of every setting tries fewer settings, unless they cost little more than one."""

N_SAMPLES = 1024
N_EPOCHS = 2
N_REPEATS = 3
LONG_STEP_SECONDS = 0.012
"""A step that takes longer is work alone: it has no time between its parts that other seeds could use."""


@dataclass(frozen=True)
class Packs:
    """How many seeds of a setting are trained as one batched model; part of what a run's value depends on.

    Attributes:
        search: In each trial of a search, which judges a setting by the mean over them.
        confirmation: In each trial of a confirmation.
    """

    search: int = 1
    confirmation: int = 1

    def to_dict(self) -> dict[str, int]:
        """As a study's identity holds it: nothing where every seed is trained alone.

        Example:
            >>> Packs(1, 3).to_dict(), Packs().to_dict()
            ({'pack of the search': 1, 'pack of the confirmation': 3}, {})
        """
        if self == Packs():
            return {}
        return {"pack of the search": self.search, "pack of the confirmation": self.confirmation}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Packs:
        """Those of a study's identity."""
        return cls(kept.get("pack of the search", 1), kept.get("pack of the confirmation", 1))


def measured_packs(trainer: Trainer, space: SearchSpace, *, split: int, max_seeds: int) -> tuple[Packs, str]:
    """The packs that pay for these data and this network here, and in words why.

    The first of a few orders that trains is timed on at most 1024 samples, one seed against three together. What comes
    out is kept in the study, so that no run's value depends on how fast a machine was.

    Args:
        trainer: Trains the settings.
        space: Whose orders.
        split: The search's.
        max_seeds: How many seeds of a setting the search trains at most.
    """
    values = 4 * math.prod(trainer.dataset.input_shape) * sum(trainer.dataset.sizes())
    if PAIRS_TOGETHER * values > memory_budget():
        return Packs(), "the splits of several seeds would not fit into memory together"
    data = trainer.data(split)
    if not isinstance(data, TensorSplit):
        return Packs(), "the data are read batch by batch, and reading them for several seeds at once gains nothing"
    short = data.first(N_SAMPLES, N_SAMPLES // 4)
    for setting in islice(settings_to_try(space, trainer.network), 20):
        try:
            with suited_threads(trainer.dataset.input_shape):
                gain, why_not = _gain(trainer, setting, short)
        except (ShapeError, SpecError, DivergedError, MemoryError, RuntimeError):
            # Not for this to judge: the search will meet it again and write it down as a result.
            continue
        if why_not:
            return Packs(), why_not
        n_search = max_seeds if gain >= GAIN_OF_SEARCH else 1
        n_confirmation = PAIRS_TOGETHER if gain >= GAIN_OF_CONFIRMATION else 1
        return Packs(n_search, n_confirmation), f"a seed of {PAIRS_TOGETHER} trains {gain:.2f} times as fast as alone"
    return Packs(), "no order could be timed"


def _gain(trainer: Trainer, setting: Setting, data: Split) -> tuple[float, str]:
    """How many times as fast a seed is trained with two others as alone; or why it is not."""
    settings = replace(trainer.settings(setting), max_epochs=N_EPOCHS)
    models = [trainer.model(setting, seed) for seed in range(PAIRS_TOGETHER)]
    why_not = trainer.packing_obstacle(setting, models, data)

    def seconds(n: int) -> float:
        started = time.perf_counter()
        train_together(trainer, setting, data, range(n), settings)
        return time.perf_counter() - started

    seconds(1)
    if not why_not and seconds(1) > LONG_STEP_SECONDS * N_EPOCHS * math.ceil(data.n_train / settings.batch_size):
        why_not = "a step takes so long that several seeds at once gain nothing"
    if why_not:
        return 1.0, why_not
    seconds(PAIRS_TOGETHER)
    return statistics.median(PAIRS_TOGETHER * seconds(1) / seconds(PAIRS_TOGETHER) for _ in range(N_REPEATS)), ""


def train_together(
    trainer: Trainer, setting: Setting, data: Split, seeds: Sequence[int], settings: TrainingSettings
) -> None:
    """Train a setting with these seeds as a trial would, on these data, and forget what came of it."""
    models = [trainer.model(setting, seed) for seed in seeds]
    rate = setting.learning_rate
    if len(seeds) == 1:
        fit(models[0], data, settings=settings, learning_rate=rate, seed=seeds[0])
    elif trainer.packing_obstacle(setting, models, data):
        for model, seed in zip(models, seeds, strict=True):
            fit(model, data, settings=settings, learning_rate=rate, seed=seed)
    else:
        fit_packed(models, [data] * len(seeds), settings=settings, learning_rate=rate, seeds=seeds)
