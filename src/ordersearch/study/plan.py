"""Planning a search's budget from the data and from the measured speed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from ordersearch.data.tensors import Split
from ordersearch.errors import DivergedError, ShapeError, SpecError
from ordersearch.networks.ends import entered_sizes
from ordersearch.objective import Setting, Trainer
from ordersearch.space import SearchSpace
from ordersearch.study.halving import mean_share
from ordersearch.study.packs import train_together
from ordersearch.study.trainable import settings_to_try
from ordersearch.training.threads import suited_threads

BUDGET_SECONDS = 90.0
"""What a search plans for when told neither trials nor time; at 100 s, digits took 180 s with its confirmation."""

FEWEST_TRIALS, MOST_TRIALS = 12, 200
PROBE_SAMPLES = 1024
MOST_PROBED = 20
SAMPLES_PER_TRIAL, FEWEST_SAMPLES = 18_000, 4_000
POSITIONS = 1024


CONFIRMATION_SECONDS = 45.0
"""What a confirmation may take when it is told nothing, or half of the search's time where that is more."""

CONFIRMATIONS = (
    (3, 15),
    (3, 12),
    (2, 15),
    (2, 12),
    (3, 10),
    (2, 10),
    (1, 15),
    (1, 12),
    (1, 10),
    (2, 8),
    (1, 8),
    (1, 6),
)
"""Challengers and pairs, the more telling plan first. With one challenger 6 pairs tell a difference of 2 deviations, 15
one of 1; more challengers need a few pairs more."""


def planned_confirmation(run_seconds: float, search_seconds: float) -> tuple[int, int] | None:
    """How many challengers are confirmed on how many pairs, from what a run takes; None if even the least is too much.

    Example:
        >>> planned_confirmation(0.4, 80), planned_confirmation(20, 120), planned_confirmation(3, 120)
        ((3, 15), None, (1, 10))
    """
    budget = max(CONFIRMATION_SECONDS, search_seconds / 2)
    fitting = (plan for plan in CONFIRMATIONS if (plan[0] + 1) * plan[1] * run_seconds <= budget)
    return next(fitting, None)


def planned_epochs(n_train: int, sizes: Sequence[int] = ()) -> int:
    """Epochs a trial: as many as show it about 18 000 samples, fewer of large ones; at least 2, at most 30.

    A function of the data alone, so that the same command plans the same on every machine.

    Args:
        n_train: Samples to train on.
        sizes: The spatial sizes of one; above 1024 positions, as the network takes it in, samples count in proportion.

    Example:
        >>> planned_epochs(1151, (8, 8)), planned_epochs(48000, (28, 28)), planned_epochs(960, (100, 100))
        (16, 2, 8)
    """
    positions = math.prod(entered_sizes(sizes)) if sizes else 1
    n_samples = max(FEWEST_SAMPLES, SAMPLES_PER_TRIAL * min(1.0, POSITIONS / positions))
    return min(30, max(2, round(n_samples / n_train)))


def planned_trials(
    trainer: Trainer,
    space: SearchSpace,
    *,
    split: int,
    max_seeds: int,
    pack: int = 1,
    budget_seconds: float = BUDGET_SECONDS,
    most: int = MOST_TRIALS,
) -> int:
    """How many trials fill the budget here, at least 12, at most ``most``: from a short training's measured speed."""
    seconds = trial_seconds(trainer, space, split=split, pack=pack)
    if seconds is None:
        return FEWEST_TRIALS
    n_whole = budget_seconds / seconds
    max_epochs, n_settings = trainer.training.max_epochs, space.n_settings

    def cost(n: int) -> float:
        return n * mean_share(max_epochs, n, n_settings, math.ceil(max_seeds / pack))

    return next((n for n in range(most, FEWEST_TRIALS, -1) if cost(n) <= n_whole), FEWEST_TRIALS)


def trial_seconds(trainer: Trainer, space: SearchSpace, *, split: int, pack: int = 1) -> float | None:
    """Seconds that an unpruned trial takes, measured on at most 1024 samples; None when none of a few orders trains.

    The first reference is measured, or another order where that one does not fit or diverges. What is trained first
    pays for memory and threads that later trainings find ready, so the second of two counts.
    """
    data = trainer.data(split)
    short = data.first(PROBE_SAMPLES, PROBE_SAMPLES // 4)
    share = (data.n_train + data.n_val / 3) / (short.n_train + short.n_val / 3)
    for setting in islice(settings_to_try(space, trainer.network), MOST_PROBED):
        seconds = 0.0
        try:
            with suited_threads(trainer.dataset.input_shape):
                for n_epochs in (1, 2):
                    started = time.perf_counter()
                    _train_once(trainer, setting, short, n_epochs, pack)
                    seconds = time.perf_counter() - started
        except (ShapeError, SpecError, DivergedError, MemoryError, RuntimeError):
            # Not the plan's to judge: the search will meet it again and write it down as a result.
            continue
        return seconds / 2 * share * trainer.training.max_epochs
    return None


def _train_once(trainer: Trainer, setting: Setting, data: Split, n_epochs: int, pack: int) -> None:
    settings = replace(trainer.settings(setting), max_epochs=n_epochs)
    train_together(trainer, setting, data, range(pack), settings)
