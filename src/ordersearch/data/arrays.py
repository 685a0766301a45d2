"""From the arrays that a source holds to a checked data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.dataset import NOUNS, Dataset
from ordersearch.data.labels import index_labels
from ordersearch.data.layout import find_layout
from ordersearch.data.partition import require_two_of_each
from ordersearch.errors import DataError


@dataclass(frozen=True, eq=False)
class Part:
    """The training or the test part as read, unchecked, and where each array came from.

    Attributes:
        x: Inputs, samples first.
        y: Labels.
        x_at: Where ``x`` stands (file and key), for errors.
        y_at: Where ``y`` stands.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    x_at: str
    y_at: str


@dataclass(frozen=True, eq=False)
class SourceArrays:
    """What a reader of one kind of source gives.

    Attributes:
        name: Short name of the data set.
        train: The part to train and validate on.
        test: The test part that the source defines, or None.
        class_names: What label 0, 1, ... is called, when the source says so.
        notes: What the reader left out.
    """

    name: str
    train: Part
    test: Part | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def assemble(source: SourceArrays, *, input: str = "auto") -> Dataset:
    """The data set that these arrays make; ``layout.find_layout`` holds the rule for shapes.

    Raises:
        DataError: The arrays are no data set that orders can be compared on.
        UnknownNameError: ``input`` is no kind of input.
    """
    train, test = source.train, source.test
    _require_samples(train)
    if test is not None:
        _require_samples(test)
        _require_alike(train, test)
    layout = find_layout(train.x.shape, input, at=train.x_at)
    labels = index_labels(
        train.y,
        None if test is None else test.y,
        names=source.class_names,
        at=train.y_at,
        test_at=train.y_at if test is None else test.y_at,
    )
    require_two_of_each(np.bincount(labels.y), labels.class_names, at=train.y_at)
    dtype = _input_dtype(train, test)
    x = _frozen(layout.arrange(_numbers(train.x, dtype, train.x_at)))
    x_test = None if test is None else _frozen(layout.arrange(_numbers(test.x, dtype, test.x_at)))
    notes = (*source.notes, *labels.notes, *layout.notes, *_duplicate_notes(x, x_test, NOUNS[layout.input]))
    return Dataset(
        source.name,
        x,
        _frozen(labels.y),
        x_test,
        None if labels.y_test is None else _frozen(labels.y_test),
        input=layout.input,
        task="classification",
        class_names=labels.class_names,
        notes=notes,
        layout=layout.rule,
    )


def _require_samples(part: Part) -> None:
    for array, at in ((part.x, part.x_at), (part.y, part.y_at)):
        if array.ndim == 0:
            raise DataError(
                f"{at} is the single value {array.item()!r}, but an array with the samples first is needed."
            )
        if array.size == 0:
            raise DataError(f"{at} is empty: its shape is {array.shape}. Every sample needs at least one value.")
    if len(part.x) != len(part.y):
        raise DataError(f"{part.x_at} has {len(part.x)} samples and {part.y_at} {len(part.y)}, but each has one label.")


def _require_alike(train: Part, test: Part) -> None:
    if train.x.shape[1:] != test.x.shape[1:]:
        raise DataError(
            f"A sample of {train.x_at} has shape {train.x.shape[1:]} and one of {test.x_at} {test.x.shape[1:]}, "
            "but both parts are read by the same network."
        )
    # Whole numbers beside floats are most often 0..255 beside 0..1, which would make the test scores worthless.
    if (train.x.dtype.kind == "f") != (test.x.dtype.kind == "f"):
        raise DataError(
            f"{train.x_at} holds {train.x.dtype} and {test.x_at} {test.x.dtype}, so that their scales may differ. "
            "Store both in one dtype and on one scale."
        )


def _input_dtype(*parts: Part | None) -> type[np.uint8 | np.float32]:
    """uint8 when every part holds bytes or truth values, else float32."""
    small = all(part.x.dtype in (np.uint8, np.bool_) for part in parts if part is not None)
    return np.uint8 if small else np.float32


def _numbers(x: NDArray[Any], dtype: type[np.uint8 | np.float32], at: str) -> NDArray[Any]:
    """``x`` in ``dtype``, every value finite."""
    if x.dtype.kind not in "biuf":
        raise DataError(f"{at} holds {x.dtype}, but inputs are numbers: uint8, another integer or a float.")
    with np.errstate(over="ignore"):
        numbers: NDArray[Any] = x.astype(dtype, copy=False)
    if x.dtype.kind != "f":
        return numbers
    finite = np.isfinite(numbers)
    if finite.all():
        return numbers
    first = np.unravel_index(int(finite.argmin()), x.shape)
    where = ", ".join(str(int(i)) for i in first)
    raise DataError(
        f"{at} holds {x.size - np.count_nonzero(finite)} values that are NaN, infinite or too large for float32; the "
        f"first is {x[first].item()!r} at [{where}]. Fill them in or drop their samples first."
    )


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    # A view, so that the caller's own array stays writable; the fingerprint is cached, so ours must not change.
    view = array.view()
    view.flags.writeable = False
    return view


def _duplicate_notes(x: NDArray[Any], x_test: NDArray[Any] | None, noun: str) -> tuple[str, ...]:
    if x_test is None:
        return ()
    seen = set(map(_digest, x))
    n_seen = sum(_digest(row) in seen for row in x_test)
    if n_seen == 0:
        return ()
    return (f"{n_seen} of {len(x_test)} test {noun} also stand in the training part, value for value.",)


def _digest(row: NDArray[Any]) -> bytes:
    return hashlib.blake2b(row.data, digest_size=16).digest()
