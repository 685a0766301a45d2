"""Planning a search's budget from the data and from the measured speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from ordersearch.data.tensors import TensorSplit
from ordersearch.errors import DivergedError, OrdersearchError, ShapeError, SpecError
from ordersearch.networks import build_network
from ordersearch.objective import Setting, Trainer
from ordersearch.space import SearchSpace
from ordersearch.training.fit import fit
from ordersearch.training.threads import suited_threads

BUDGET_SECONDS = 110.0
"""What a search plans for when it is told neither trials nor time; the rest of two minutes is for start and end."""

EXPECTED_SHARE = 0.8
"""Of an unpruned trial's epochs that a mean trial takes; 0.72 on digits with the search's pruner."""

FEWEST_TRIALS, MOST_TRIALS = 12, 200
PROBE_SAMPLES = 1024
MOST_PROBED = 20
SAMPLES_PER_TRIAL = 18_000


def planned_epochs(n_train: int) -> int:
    """Epochs a trial: as many as show it about 18 000 samples, at least 2, at most 30. A function of the data alone.

    Example:
        >>> planned_epochs(1151), planned_epochs(48000)
        (16, 2)
    """
    return min(30, max(2, round(SAMPLES_PER_TRIAL / n_train)))


def planned_trials(
    trainer: Trainer, space: SearchSpace, *, split: int, budget_seconds: float = BUDGET_SECONDS, most: int = MOST_TRIALS
) -> int:
    """How many trials fill the budget here, at least 12, at most ``most``: from a short training's measured speed."""
    seconds = trial_seconds(trainer, space, split=split)
    if seconds is None:
        return FEWEST_TRIALS
    return min(most, max(FEWEST_TRIALS, int(budget_seconds / (seconds * EXPECTED_SHARE))))


def trial_seconds(trainer: Trainer, space: SearchSpace, *, split: int) -> float | None:
    """Seconds that an unpruned trial takes, measured on at most 1024 samples; None when none of a few orders trains.

    The first reference is measured, or another order where that one does not fit or diverges. What is trained first
    pays for memory and threads that later trainings find ready, so the second of two counts.
    """
    tensors = trainer.tensors(split)
    n_train, n_val = len(tensors.x_train), len(tensors.x_val)
    short = _first(tensors, PROBE_SAMPLES)
    share = (n_train + n_val / 3) / (len(short.x_train) + len(short.x_val) / 3)
    for setting in islice(_settings(space), MOST_PROBED):
        seconds = 0.0
        try:
            with suited_threads(trainer.dataset.input_shape):
                for n_epochs in (1, 2):
                    started = time.perf_counter()
                    _train_once(trainer, setting, short, n_epochs)
                    seconds = time.perf_counter() - started
        except (ShapeError, SpecError, DivergedError, MemoryError, RuntimeError):
            # Not the plan's to judge: the search will meet it again and write it down as a result.
            continue
        return seconds / 2 * share * trainer.training.max_epochs
    return None


def require_an_order_that_fits(trainer: Trainer, space: SearchSpace) -> None:
    """Raise the first order's ShapeError if none of the space's orders, or of its first 200, fits the data."""
    first: OrdersearchError | None = None
    dataset = trainer.dataset
    for setting in islice(_settings(space), 200):
        try:
            build_network(trainer.network, setting.blocks, dataset.input_shape, dataset.n_outputs)
        except (ShapeError, SpecError) as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _settings(space: SearchSpace) -> Iterator[Setting]:
    rates = space.default_nuisance()
    for reference in space.references():
        yield Setting.of(reference.blocks, rates["lr"])
    for params in space.settings():
        yield Setting.of(space.decode(params), float(params["lr"]))


def _train_once(trainer: Trainer, setting: Setting, tensors: TensorSplit, n_epochs: int) -> None:
    dataset = trainer.dataset
    model = build_network(trainer.network, setting.blocks, dataset.input_shape, dataset.n_outputs)
    fit(
        model,
        tensors,
        settings=replace(trainer.training, max_epochs=n_epochs),
        learning_rate=setting.learning_rate,
        seed=0,
    )


def _first(tensors: TensorSplit, n: int) -> TensorSplit:
    return replace(
        tensors,
        x_train=tensors.x_train[:n],
        y_train=tensors.y_train[:n],
        x_val=tensors.x_val[: n // 4],
        y_val=tensors.y_val[: n // 4],
    )
