"""Which samples train, which validate and which are tested: index arrays, drawn by stratum from a key."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.errors import DataError
from ordersearch.seeds import derived_seed

if TYPE_CHECKING:
    from ordersearch.data.tensors import Task

# The held-out test part leaves two samples of a class where it can (one to train, one to validate), validation one.
_LEFT_BY_TEST = 2
_LEFT_BY_VALIDATION = 1
_MOST_BINS = 10
_SAMPLES_OF_A_BIN = 20


@dataclass(frozen=True, eq=False)
class Partition:
    """Row numbers of each part, ascending, no row in two parts.

    Attributes:
        train: Rows that train.
        validation: Rows that the search's metric is computed on; none when the source has a validation part of its own.
        test: Rows held out for the finalists; None when the source has a test part of its own.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64] | None


def partition(
    y: NDArray[Any],
    *,
    split: int,
    has_test: bool,
    has_validation: bool = False,
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
) -> Partition:
    """The parts of split number ``split``: a function of its arguments alone, on every machine.

    Args:
        y: The stratum of each sample (see ``strata``), its class most often, ``(n,)``; at least two samples of each
            class that occurs.
        split: Which split; only the validation part depends on it.
        has_test: Whether the source has a test part of its own, so that none is held out here.
        has_validation: Whether it has a validation part of its own, so that all that is not held out trains.
        validation_fraction: Share of each stratum that validates, of what the test leaves; in (0, 1).
        test_fraction: Share of each stratum that is held out for the test; in (0, 1).

    Example:
        >>> parts = partition(np.repeat([0, 1], 10), split=0, has_test=False)
        >>> len(parts.train), len(parts.validation), len(parts.test)
        (12, 4, 4)

    Raises:
        DataError: A fraction lies outside of (0, 1), or nothing is left to test on.
    """
    rows, test = np.arange(len(y)), None
    if not has_test:
        rows, test = _hold_out(y, test_fraction, key="ordersearch test", left=_LEFT_BY_TEST)
        if len(test) == 0:
            raise DataError(
                f"No class has more than 2 of the {len(y)} samples, so none is left to test on. "
                "Add samples, or give a test part."
            )
    if has_validation:
        return Partition(rows, rows[:0], test)
    key = f"ordersearch split {operator.index(split)}"
    train, validation = _hold_out(y[rows], validation_fraction, key=key, left=_LEFT_BY_VALIDATION)
    return Partition(rows[train], rows[validation], test)


def partition_sizes(
    counts: NDArray[Any],
    *,
    has_test: bool,
    has_validation: bool = False,
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
) -> tuple[int, int, int]:
    """How many samples train, validate and are held out for the test, given how many each stratum has.

    A part that the source has of its own counts 0 here.

    Example:
        >>> partition_sizes(np.array([10, 10]), has_test=False)
        (12, 4, 4)
    """
    nothing = np.zeros_like(counts)
    test = nothing if has_test else _held_out_sizes(counts, test_fraction, left=_LEFT_BY_TEST)
    left = counts - test
    validation = nothing if has_validation else _held_out_sizes(left, validation_fraction, left=_LEFT_BY_VALIDATION)
    return int((left - validation).sum()), int(validation.sum()), int(test.sum())


def strata(y: NDArray[Any], task: Task) -> NDArray[np.int64]:
    """The stratum of each sample, ``(n,)``, counted from 0, so that every part gets its share of each.

    A stratum is a class; for regression one of up to ten equal shares of the samples, sorted by their first target;
    for multi-label targets, whose combinations are too many, all samples are one stratum.

    Example:
        >>> np.bincount(strata(np.linspace(0, 1, 60)[:, None], "regression"))
        array([20, 20, 20])
    """
    if task == "classification":
        return y
    if task == "multilabel":
        return np.zeros(len(y), dtype=np.int64)
    n_bins = min(max(len(y) // _SAMPLES_OF_A_BIN, 1), _MOST_BINS)
    ranks = np.empty(len(y), dtype=np.int64)
    ranks[np.argsort(y[:, 0], kind="stable")] = np.arange(len(y))
    bins: NDArray[np.int64] = ranks * n_bins // len(y)
    return bins


def require_two_of_each(counts: NDArray[Any], class_names: tuple[str, ...], *, at: str) -> None:
    """Nothing when each class has two samples.

    Raises:
        DataError: A class has fewer, so that it could not both train and validate.
    """
    rare = np.flatnonzero(counts < 2)
    if len(rare) == 0:
        return
    names = ", ".join(repr(class_names[i]) for i in rare[:5]) + (f" and {len(rare) - 5} more" if len(rare) > 5 else "")
    lacking = f"class {names} has" if len(rare) == 1 else f"classes {names} have"
    are_numbers = all(name.lstrip("-").isdecimal() for name in class_names)
    hint = ", or predict these as numbers (--task regression)" if are_numbers else ""
    raise DataError(
        f"{at}: of {len(counts)} classes, {lacking} fewer than 2 samples, but "
        f"a class needs one to train and one to validate. Add samples, or drop or merge such classes{hint}."
    )


def _held_out_sizes(counts: NDArray[Any], fraction: float, *, left: int) -> NDArray[np.int64]:
    if not 0 < fraction < 1:
        raise DataError(f"Got {fraction!r} as the fraction of samples to hold out, but it lies in (0, 1), 0.2 say.")
    wanted = np.maximum(np.floor(counts * fraction + 0.5).astype(np.int64), 1)
    sizes: NDArray[np.int64] = np.minimum(wanted, np.maximum(counts - left, 0))
    return sizes


def _hold_out(y: NDArray[Any], fraction: float, *, key: str, left: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that stay and rows that are held out, by stratum; of each stratum at least ``left`` stay."""
    counts = np.bincount(y)
    sizes = _held_out_sizes(counts, fraction, left=left)
    # RandomState: its stream is frozen for good (NEP 19), so a split means the same rows under every numpy.
    generator = np.random.RandomState(derived_seed(key) % 2**32)
    order = generator.permutation(len(y))
    by_class = order[np.argsort(y[order], kind="stable")]
    rank_in_class = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(y), dtype=bool)
    held[by_class[rank_in_class < np.repeat(sizes, counts)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
