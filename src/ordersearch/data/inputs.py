"""Whether inputs can be learnt from: samples in every part, alike, finite; and which of them stand there twice."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arranged import Samples, chunks_of, is_whole
from ordersearch.errors import DataError

if TYPE_CHECKING:
    from ordersearch.data.arrays import Part


def require_samples(part: Part) -> None:
    """Nothing when this part has samples, and as many targets.

    Raises:
        DataError: It has not.
    """
    for array, at in ((part.x, part.x_at), (part.y, part.y_at)):
        if len(array.shape) == 0:
            value = array.item() if isinstance(array, np.ndarray) else array
            raise DataError(f"{at} is the single value {value!r}, but an array with the samples first is needed.")
        if 0 in array.shape:
            raise DataError(f"{at} is empty: its shape is {array.shape}. Every sample needs at least one value.")
    if len(part.x) != len(part.y):
        raise DataError(f"{part.x_at} has {len(part.x)} samples and {part.y_at} {len(part.y)}, but each has one label.")


def require_alike(train: Part, other: Part) -> None:
    """Nothing when the samples of both parts have one shape and, as far as dtypes tell, one scale.

    Raises:
        DataError: They have not.
    """
    if train.x.shape[1:] != other.x.shape[1:]:
        raise DataError(
            f"A sample of {train.x_at} has shape {train.x.shape[1:]} and one of {other.x_at} {other.x.shape[1:]}, "
            "but both parts are read by the same network."
        )
    # Whole numbers beside floats are most often 0..255 beside 0..1, which would make the test scores worthless.
    if (train.x.dtype.kind == "f") != (other.x.dtype.kind == "f"):
        raise DataError(
            f"{train.x_at} holds {train.x.dtype} and {other.x_at} {other.x.dtype}, so that their scales may differ. "
            "Store both in one dtype and on one scale."
        )


def input_dtype(*parts: Part | None) -> np.dtype[Any]:
    """uint8 when every part holds bytes or truth values, else float32.

    Raises:
        DataError: A part holds no numbers.
    """
    given = [part for part in parts if part is not None]
    for part in given:
        if part.x.dtype.kind not in "biuf":
            raise DataError(
                f"{part.x_at} holds {part.x.dtype}, but inputs are numbers: uint8, another integer or a float."
            )
    return np.dtype(np.uint8 if all(part.x.dtype in (np.uint8, np.bool_) for part in given) else np.float32)


def require_finite(x: Samples, source: Samples, at: str, *, may_miss: bool) -> None:
    """Nothing when all values are finite; rows that are decoded as they are read are not looked at.

    Args:
        x: The inputs in the data set's dtype.
        source: The same samples as they were read, for the error.
        at: Where they came from.
        may_miss: Whether NaN stands for a missing number.

    Raises:
        DataError: A value is infinite, too large for float32 or, unless it may be, NaN.
    """
    if source.dtype.kind != "f" or not is_whole(x):
        return
    n_bad, n_read, first = 0, 0, 0
    for chunk in chunks_of(x):
        good = _is_good(chunk, may_miss=may_miss)
        if not good.all():
            first = first if n_bad else n_read + int(good.reshape(len(good), -1).all(axis=1).argmin())
            n_bad += int(chunk.size - np.count_nonzero(good))
        n_read += len(chunk)
    if n_bad == 0:
        return
    sample = source[np.array([first])]
    with np.errstate(over="ignore"):
        place = np.argwhere(~_is_good(sample.astype(np.float32), may_miss=may_miss))[0]
    where = ", ".join(map(str, [first, *place[1:].tolist()]))
    raise DataError(
        f"{at} holds {n_bad} values that are {'' if may_miss else 'NaN, '}infinite or too large for float32; the "
        f"first is {sample[tuple(place)].item()!r} at [{where}]. Fill them in or drop their samples first."
    )


def sameness_notes(x: Samples) -> tuple[str, ...]:
    """That all inputs are one value, when they are; rows that are decoded as they are read are not looked at."""
    if not is_whole(x):
        return ()
    first = np.asarray(x[np.array([0])]).flat[0]
    if not all(bool((chunk == first).all()) for chunk in chunks_of(x)):
        return ()
    return (f"Every value of every sample is {first.item()!r}, so there is nothing to learn from them.",)


def missing_notes(x: Samples, x_val: Samples | None, x_test: Samples | None) -> tuple[str, ...]:
    """What becomes of the missing numbers of a table, when there are any."""
    parts = [part for part in (x, x_val, x_test) if part is not None and part.dtype.kind == "f" and is_whole(part)]
    n_missing = sum(int(np.isnan(chunk).sum()) for part in parts for chunk in chunks_of(part))
    if n_missing == 0:
        return ()
    return (f"{n_missing} missing numbers (NaN) count as the mean of their feature over the samples that train.",)


def duplicate_notes(x: Samples, x_val: Samples | None, x_test: Samples | None, noun: str) -> tuple[str, ...]:
    """How many samples of each part also stand in the training part, and how many of that stand there twice.

    Args:
        x: Inputs of the training part; rows that are decoded as they are read are not compared.
        x_val: Of the validation part.
        x_test: Of the test part.
        noun: What samples are called.
    """
    if not is_whole(x):
        return ()
    digests = _digests(x)
    seen = np.unique(digests)
    notes = []
    if len(seen) < len(digests):
        harm = "" if x_val is not None else ", so that a split can validate on what it trains on"
        notes.append(f"{len(digests) - len(seen)} of {len(x)} {noun} repeat an earlier one, value for value{harm}.")
    for part, name in ((x_val, "validation"), (x_test, "test")):
        if part is not None and is_whole(part) and (n_seen := int(np.isin(_digests(part), seen).sum())):
            notes.append(f"{n_seen} of {len(part)} {name} {noun} also stand in the training part, value for value.")
    return tuple(notes)


def _is_good(values: NDArray[Any], *, may_miss: bool) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.isfinite(values)
    return finite | np.isnan(values) if may_miss and not finite.all() else finite


def _digests(x: Samples) -> NDArray[np.uint64]:
    """64 bits for each sample: that two different ones of a million share them has odds of one in 30 million."""
    rows = (row for chunk in chunks_of(x) for row in np.ascontiguousarray(chunk))
    return np.frombuffer(b"".join(hashlib.blake2b(row.data, digest_size=8).digest() for row in rows), np.uint64)
