"""Checks of inputs: what repeats, what is missing, what is not finite."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data import dataset_from_arrays
from ordersearch.data.arrays import Part, SourceArrays, assemble
from ordersearch.data.inputs import duplicate_notes
from ordersearch.errors import DataError
from tests.listed_rows import ListedRows


def images(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 9), dtype=np.uint8)


def test_duplicates_inside_of_the_training_part_and_between_parts() -> None:
    x, x_val, x_test = images(6), images(4, 1), images(3, 2)
    y, y_val, y_test = np.arange(6) % 2, np.arange(4) % 2, [0, 1, 1]
    assert dataset_from_arrays(x, y, x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test).notes == ()
    x[1] = x[4] = x[0]
    x_val[3] = x[2]
    x_test[:2] = x[5]
    repeated = "2 of 6 images repeat an earlier one, value for value"
    between = tuple(
        f"{n} {part} images also stand in the training part, value for value."
        for n, part in (("1 of 4", "validation"), ("2 of 3", "test"))
    )
    whole = dataset_from_arrays(x, y, x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test)
    assert whole.notes == (f"{repeated}.", *between)
    drawn = dataset_from_arrays(x, y, x_test=x_test, y_test=y_test)
    assert drawn.notes == (f"{repeated}, so that a split can validate on what it trains on.", between[1])


def test_repeated_tests_and_validations_alone_are_no_harm() -> None:
    x, x_test = images(6), images(4, 1)
    x_test[0] = x_test[1]
    assert dataset_from_arrays(x, np.arange(6) % 2, x_test=x_test, y_test=np.arange(4) % 2).notes == ()


def test_rows_are_not_compared() -> None:
    rows = ListedRows(np.zeros((6, 1, 8, 9), np.uint8))
    part = Part(rows, np.arange(6) % 2, "x", "y")
    assert assemble(SourceArrays("a", part, test=part)).notes == ()
    assert rows.n_read == 0


def test_duplicates_of_many_images_are_found_at_once() -> None:
    x = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
    x[59_999] = x[3]
    start = time.perf_counter()
    notes = duplicate_notes(x, None, x[:5], "images")
    assert time.perf_counter() - start < 2
    assert notes[0].startswith("1 of 60000 images repeat")
    assert notes[1].startswith("5 of 5 test images also stand")


def test_missing_numbers_are_for_tables() -> None:
    x = np.arange(24.0).reshape(6, 4)
    x[1, 2] = x[5, 0] = np.nan
    table = dataset_from_arrays(x, np.arange(6) % 2, x_test=x, y_test=np.arange(6) % 2)
    assert np.isnan(table.x).sum() == 2
    assert "4 missing numbers (NaN) count as the mean of their feature over the samples that train." in table.notes
    with pytest.raises(DataError, match=r"x holds 2 values that are NaN, infinite .*first is nan at \[1, 2\]"):
        dataset_from_arrays(x, np.arange(6) % 2, input="signal")


@pytest.mark.parametrize("at_once", [100, 2**22])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_the_first_bad_value_is_found(at_once: int, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersearch.data.arranged._BYTES_AT_ONCE", at_once)
    x = np.zeros((9, 2, 8, 9), dtype)
    x[4, 1, 6, 7] = np.nan
    x[7:] = np.inf
    with pytest.raises(DataError, match=r"x holds 289 values that are NaN, .* the first is nan at \[4, 1, 6, 7\]"):
        dataset_from_arrays(x, np.arange(9) % 2)


def test_where_channels_move_the_place_is_that_of_the_source() -> None:
    x = np.zeros((4, 8, 9, 3))
    x[2, 5, 6, 1] = 1e39
    with pytest.raises(DataError, match=r"too large for float32; the first is 1e\+39 at \[2, 5, 6, 1\]"):
        dataset_from_arrays(x, [0, 1, 0, 1])


def test_the_validation_part_is_checked_as_the_others_are() -> None:
    x, y = images(4), np.array([0, 0, 1, 1])
    with pytest.raises(DataError, match=r"x has shape \(8, 9\) and one of x_val \(72,\)"):
        dataset_from_arrays(x, y, x_val=x.reshape(4, -1), y_val=y)
    with pytest.raises(DataError, match="x_val has 3 samples and y_val 4"):
        dataset_from_arrays(x, y, x_val=x[:3], y_val=y)
    with pytest.raises(DataError, match="y_val: 2 is a label that y does not hold"):
        dataset_from_arrays(x, y, x_val=x, y_val=y + 1)
    with pytest.raises(DataError, match="y holds whole numbers and y_val text"):
        dataset_from_arrays(x, y, x_val=x, y_val=["a"] * 4)
