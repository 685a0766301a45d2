"""Labels as sources write them (text, 1..K, floats, one-hot) to class indices 0..K-1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.errors import DataError

_LARGEST_EXACT_FLOAT = 2**53
_KINDS = {"b": "truth values", "i": "whole numbers", "U": "text"}


@dataclass(frozen=True, eq=False)
class Labels:
    """Class indices of all parts, with what the source called them.

    Attributes:
        y: Class indices of the training part, int64 ``(n,)``; every one of 0..K-1 occurs.
        y_test: Those of the test part, or None.
        y_val: Those of the validation part, or None.
        class_names: K names.
        notes: What was changed.
    """

    y: NDArray[np.int64]
    y_test: NDArray[np.int64] | None
    y_val: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def index_labels(
    y: NDArray[Any],
    y_test: NDArray[Any] | None = None,
    y_val: NDArray[Any] | None = None,
    *,
    names: tuple[str, ...] | None = None,
    at: str = "y",
    test_at: str = "y_test",
    val_at: str = "y_val",
) -> Labels:
    """Class indices 0..K-1 in the sorted order of the labels that the training part holds.

    Args:
        y: Whole numbers (as floats too), truth values or text, ``(n,)`` or ``(n, 1)``, or one-hot rows ``(n, K)``.
        y_test: The same for the test part.
        y_val: The same for the validation part.
        names: What label 0, 1, ... is called, when the source says so.
        at: Where ``y`` came from, for errors.
        test_at: Where ``y_test`` came from.
        val_at: Where ``y_val`` came from.

    Example:
        >>> index_labels(np.array(["dog", "cat", "dog"])).y
        array([1, 0, 1])
        >>> index_labels(np.array([1, 2, 3])).notes
        ('The labels 1..3 were renumbered 0..2.',)

    Raises:
        DataError: The labels are no classes, are all the same, or another part has one that training lacks.
    """
    flat, notes = _flat(y, at)
    flat_test = None if y_test is None else _flat_like(y, flat, at, y_test, test_at)
    flat_val = None if y_val is None else _flat_like(y, flat, at, y_val, val_at)
    values, indices = np.unique(flat, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"{at}: every label is {_text(values[0])}, but orders are compared on two classes or more.")
    class_names, name_notes = _class_names(values, names, at)
    return Labels(
        indices.astype(np.int64),
        None if flat_test is None else _indices(values, flat_test, at, test_at),
        None if flat_val is None else _indices(values, flat_val, at, val_at),
        class_names,
        (*notes, *_renumbered(values), *name_notes),
    )


def _flat(y: NDArray[Any], at: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """One label per sample, as int64, bool or text."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if is_one_hot(y):
        return y.argmax(axis=1), (f"The one-hot rows of {y.shape[1]} columns were read as class numbers.",)
    if y.ndim != 1:
        raise DataError(
            f"{at}: got labels of shape {y.shape}, but each sample has one label, (n,), or a one-hot row, (n, K), "
            "with a single 1 and zeros."
        )
    if y.dtype.kind == "f":
        return _whole_numbers(y, at), ()
    if y.dtype.kind == "S":
        return _decoded(y, at), ()
    if y.dtype.kind == "T" or (y.dtype.kind == "O" and all(isinstance(label, str) for label in y)):
        return y.astype(np.str_), ()
    if y.dtype.kind not in "biuU":
        raise DataError(f"{at}: labels of dtype {y.dtype} cannot be read; they are whole numbers or text.")
    return y, ()


def is_one_hot(y: NDArray[Any]) -> bool:
    """Whether this is a 2-D array whose rows hold a single 1 and zeros."""
    if y.ndim != 2 or y.dtype.kind not in "biuf" or y.shape[1] < 2:
        return False
    return bool((((y == 0) | (y == 1)).all(axis=1) & ((y == 1).sum(axis=1) == 1)).all())


def _whole_numbers(y: NDArray[Any], at: str) -> NDArray[np.int64]:
    # In float64, since float16 has no number as large as the bound.
    whole = np.isfinite(y) & (np.abs(y.astype(np.float64)) <= _LARGEST_EXACT_FLOAT)
    whole[whole] = y[whole] == np.floor(y[whole])
    if not whole.all():
        first = int(np.argmin(whole))
        raise DataError(
            f"{at}: label {first} is {float(y[first])!r}, but a class is a whole number or text. Drop such samples, "
            "or bin the numbers into classes; task='regression' predicts them as numbers."
        )
    return y.astype(np.int64)


def _decoded(y: NDArray[Any], at: str) -> NDArray[np.str_]:
    try:
        return np.char.decode(y, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{at}: a label of bytes is not UTF-8 ({error}). Store the labels as text.") from error


def _flat_like(y: NDArray[Any], flat: NDArray[Any], at: str, other: NDArray[Any], other_at: str) -> NDArray[Any]:
    """The labels of another part, one per sample, written as those of the training part are."""
    flat_other, _ = _flat(other, other_at)
    kind, other_kind = (array.dtype.kind.replace("u", "i") for array in (flat, flat_other))
    if kind != other_kind:
        raise DataError(
            f"{at} holds {_KINDS[kind]} and {other_at} {_KINDS[other_kind]}, but both parts name the classes alike."
        )
    if y.ndim == other.ndim == 2 and y.shape[1] != other.shape[1]:
        raise DataError(
            f"{at} has {y.shape[1]} one-hot columns and {other_at} {other.shape[1]}, but each class has one."
        )
    return flat_other


def _indices(values: NDArray[Any], flat: NDArray[Any], at: str, other_at: str) -> NDArray[np.int64]:
    unseen = np.setdiff1d(flat, values)
    if len(unseen):
        shown = ", ".join(map(_text, unseen[:5])) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
        raise DataError(
            f"{other_at}: {shown} {'is a label' if len(unseen) == 1 else 'are labels'} that {at} does not hold, so no "
            "network could learn it. Add such samples to the training part, or drop them from this one."
        )
    return np.searchsorted(values, flat).astype(np.int64)


def _class_names(
    values: NDArray[Any], names: tuple[str, ...] | None, at: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    own = tuple(str(value) for value in values.tolist())
    if names is None or values.dtype.kind not in "iu":
        return own, ()
    if values[0] < 0 or values[-1] >= len(names):
        return own, (f"The {len(names)} class names were not used: the labels in {at} run from {own[0]} to {own[-1]}.",)
    return tuple(names[value] for value in values.tolist()), ()


def _renumbered(values: NDArray[Any]) -> tuple[str, ...]:
    if values.dtype.kind not in "iu" or (values[0] == 0 and values[-1] == len(values) - 1):
        return ()
    first, last, top = values[0], values[-1], len(values) - 1
    if int(last) - int(first) == top:
        return (f"The labels {first}..{last} were renumbered 0..{top}.",)
    shown = ", ".join(map(str, values[:5].tolist())) + (", ..." if len(values) > 5 else "")
    return (f"The labels have gaps ({shown}) and were renumbered 0..{top}; reports show the labels as they were.",)


def _text(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
