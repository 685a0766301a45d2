"""Planning a search's budget from the data and from the measured speed."""

from __future__ import annotations

import time
from dataclasses import replace

from ordersearch.data.tensors import TensorSplit
from ordersearch.networks import build_network
from ordersearch.objective import Setting, Trainer
from ordersearch.space import SearchSpace
from ordersearch.training.fit import fit
from ordersearch.training.threads import suited_threads

BUDGET_SECONDS = 110.0
"""What a search plans for when it is told neither trials nor time; the rest of two minutes is for start and end."""

EXPECTED_SHARE = 0.8
"""Of an unpruned trial's epochs that a mean trial takes; 0.76 on digits with the search's pruner."""

FEWEST_TRIALS, MOST_TRIALS = 12, 200
PROBE_SAMPLES = 1024
SAMPLES_PER_TRIAL = 18_000


def planned_epochs(n_train: int) -> int:
    """Epochs a trial: as many as show it about 18 000 samples, at least 2, at most 30. A function of the data alone.

    Example:
        >>> planned_epochs(1151), planned_epochs(48000)
        (16, 2)
    """
    return min(30, max(2, round(SAMPLES_PER_TRIAL / n_train)))


def planned_trials(trainer: Trainer, space: SearchSpace, *, split: int, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many trials fill the budget here, at least 12, at most 200: from a short training's measured speed."""
    seconds = trial_seconds(trainer, space, split=split) * EXPECTED_SHARE
    return min(MOST_TRIALS, max(FEWEST_TRIALS, int(budget_seconds / seconds)))


def trial_seconds(trainer: Trainer, space: SearchSpace, *, split: int) -> float:
    """Seconds that an unpruned trial takes, measured on the first reference with at most 1024 samples.

    What is trained first pays for memory and threads that later trainings find ready, so the second of two counts.
    """
    tensors = trainer.tensors(split)
    n_train, n_val = len(tensors.x_train), len(tensors.x_val)
    short = _first(tensors, PROBE_SAMPLES)
    with suited_threads(trainer.dataset.input_shape):
        for n_epochs in (1, 2):
            started = time.perf_counter()
            _train_once(trainer, space, short, n_epochs)
            seconds = time.perf_counter() - started
    share = (n_train + n_val / 3) / (len(short.x_train) + len(short.x_val) / 3)
    return seconds / 2 * share * trainer.training.max_epochs


def _train_once(trainer: Trainer, space: SearchSpace, tensors: TensorSplit, n_epochs: int) -> None:
    setting = _a_setting(trainer, space)
    dataset = trainer.dataset
    model = build_network(trainer.network, setting.blocks, dataset.input_shape, dataset.n_outputs)
    fit(
        model,
        tensors,
        settings=replace(trainer.training, max_epochs=n_epochs),
        learning_rate=setting.learning_rate,
        seed=0,
    )


def _a_setting(trainer: Trainer, space: SearchSpace) -> Setting:
    references = space.references()
    blocks = references[0].blocks if references else space.decode(dict(next(space.settings())))
    return Setting.of(blocks, space.default_nuisance()["lr"])


def _first(tensors: TensorSplit, n: int) -> TensorSplit:
    return replace(
        tensors,
        x_train=tensors.x_train[:n],
        y_train=tensors.y_train[:n],
        x_val=tensors.x_val[: n // 4],
        y_val=tensors.y_val[: n // 4],
    )
