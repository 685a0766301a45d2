"""The table of OrderBench, as it was measured."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ordersearch.errors import unknown_name

PARTS = ("orders", "rates")
HERE = Path(__file__).parent / "orderbench"


@dataclass(frozen=True)
class Training:
    """One training: an order at a learning rate, with one seed and split, on one data set.

    Attributes:
        data: ``fashion_mnist`` or ``cifar10``, 2400 samples of it.
        order: The canonical order of the class, in the notation, with its rate.
        learning_rate: The highest of the one cycle.
        seed: Of initial weights, batch order, noise and split.
        train_losses: Mean of each epoch's batches, in training mode.
        validation_losses: After each epoch; NaN throughout where the training diverged.
        validation_accuracies: After each epoch.
        seconds: Of each epoch, its validation included, on one thread of a busy machine: good for ratios at best.
        scores: ``test/loss``, ``test/accuracy`` and, where there is a batch norm, ``repaired/loss`` and
            ``repaired/accuracy`` (on the validation part, with the norms' statistics estimated again without dropout).
        n_parameters: Trainable parameters.
    """

    data: str
    order: str
    learning_rate: float
    seed: int
    train_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    validation_accuracies: tuple[float, ...]
    seconds: tuple[float, ...]
    scores: Mapping[str, float]
    n_parameters: int


def table_path(part: str = "orders") -> Path:
    """The file of a part, a gzipped CSV with a row a training, as ``pandas.read_csv`` takes it.

    Args:
        part: ``orders`` (28 classes at one rate and learning rate, 30 seeds) or ``rates`` (more rates and learning
            rates, Fashion-MNIST alone, 1 seed).

    Raises:
        UnknownNameError: There is no such part.
    """
    if part not in PARTS:
        raise unknown_name("part of OrderBench", part, PARTS)
    return HERE / f"{part}.csv.gz"


@lru_cache(maxsize=len(PARTS))
def load(part: str = "orders") -> tuple[Training, ...]:
    """Every training of a part, in the order of its file.

    Args:
        part: As for ``table_path``.

    Example:
        >>> trainings = load()
        >>> len({training.order for training in trainings}), len({training.seed for training in trainings})
        (28, 30)

    Raises:
        UnknownNameError: There is no such part.
    """
    with gzip.open(table_path(part), "rt", newline="") as file:
        return tuple(map(_training, csv.DictReader(file)))


def _training(row: Mapping[str, str]) -> Training:
    return Training(
        data=row["data"],
        order=row["order"],
        learning_rate=float(row["learning_rate"]),
        seed=int(row["seed"]),
        train_losses=_curve(row, "train/loss"),
        validation_losses=_curve(row, "val/loss"),
        validation_accuracies=_curve(row, "val/accuracy"),
        seconds=_curve(row, "seconds"),
        scores={key: float(row[key]) for key in row if key.partition("/")[0] in ("test", "repaired") and row[key]},
        n_parameters=int(row["n_parameters"] or 0),
    )


def _curve(row: Mapping[str, str], name: str) -> tuple[float, ...]:
    cells = [value for key, value in row.items() if key.startswith(f"{name}@")]
    return tuple(float(value) if value else math.nan for value in cells)
