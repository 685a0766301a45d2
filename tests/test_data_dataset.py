"""What becomes of arrays: checks, dtypes, fingerprint, and what describe() says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data import Dataset, dataset_from_arrays
from ordersearch.errors import DataError

LABELS = np.array([0, 0, 1, 1])


def images(n: int, size: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.array([[1.0], [np.nan], [np.inf], [2.0]]), r"x holds 1 values that are infinite.*first is inf at \[2, 0\]"),
        (np.full((4, 8, 8), np.nan), r"x holds 256 values that are NaN, infinite .*first is nan at \[0, 0, 0\]"),
        (np.array([[1.0], [2.0], [3.0], [1e39]]), r"x holds 1 values .*too large for float32; the first is 1e\+39"),
        (np.array([["a"], ["b"], ["c"], ["d"]]), "x holds <U1, but inputs are numbers"),
        (np.zeros((4, 2), complex), "x holds complex128, but inputs are numbers"),
        (np.zeros((4, 0, 8)), r"x is empty: its shape is \(4, 0, 8\)"),
        (np.zeros((0, 8)), r"x is empty: its shape is \(0, 8\)"),
        ([[1], [2, 3], [4], [5]], "x is no array"),
    ],
)
def test_inputs_that_nothing_can_be_learnt_from_are_told(x: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        dataset_from_arrays(x, LABELS)


def test_test_part_has_to_look_like_the_training_part() -> None:
    with pytest.raises(DataError, match=r"sample of x has shape \(8, 8\) and one of x_test \(9, 9\)"):
        dataset_from_arrays(images(4), LABELS, x_test=images(4, 9), y_test=LABELS)
    with pytest.raises(DataError, match="x holds uint8 and x_test float64, so that their scales may differ"):
        dataset_from_arrays(images(4), LABELS, x_test=images(4) / 255, y_test=LABELS)
    with pytest.raises(DataError, match="test part without y_test"):
        dataset_from_arrays(images(4), LABELS, x_test=images(4))


def test_integers_of_two_widths_become_one_dtype() -> None:
    dataset = dataset_from_arrays(images(4), LABELS, x_test=images(4, seed=1).astype(np.int64), y_test=LABELS)
    assert dataset.x_test is not None
    assert dataset.x.dtype == dataset.x_test.dtype == np.float32


def test_duplicates_between_the_parts_are_counted() -> None:
    x, x_test = images(4), images(3, seed=5)
    x_test[1:] = x[0]
    dataset = dataset_from_arrays(x, LABELS, x_test=x_test, y_test=[0, 1, 1])
    assert dataset.notes == ("2 of 3 test images also stand in the training part, value for value.",)


def tiny(**changed: Any) -> Dataset:
    arrays = {"x": images(4), "y": LABELS, "x_test": images(2, seed=1), "y_test": np.array([0, 1])} | changed
    return dataset_from_arrays(arrays["x"], arrays["y"], x_test=arrays["x_test"], y_test=arrays["y_test"])


def test_fingerprint_follows_the_arrays_and_nothing_else() -> None:
    assert len(tiny().fingerprint) == 16
    assert tiny().fingerprint == tiny().fingerprint == load_fingerprint_under_another_name()
    changed = [
        tiny(x=images(4, seed=3)),
        tiny(x=images(4).astype(np.float32), x_test=images(2, seed=1).astype(np.float32)),
        tiny(y=LABELS[::-1]),
        tiny(x_test=images(2, seed=3)),
        tiny(y_test=np.array([1, 0])),
        tiny(x_test=None, y_test=None),
    ]
    assert len({dataset.fingerprint for dataset in (tiny(), *changed)}) == 7


def load_fingerprint_under_another_name() -> str:
    return dataset_from_arrays(images(4), LABELS, x_test=images(2, seed=1), y_test=[0, 1], name="other").fingerprint


def test_arrays_of_a_dataset_cannot_be_written_and_the_callers_can() -> None:
    x = images(4)
    dataset = dataset_from_arrays(x, LABELS)
    with pytest.raises(ValueError, match="read-only"):
        dataset.x[0] = 0
    x[0] = 0


def test_describe_says_what_was_read() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3, 30))
    dataset = dataset_from_arrays(x, np.repeat(["no", "yes"], [12, 8]), name="mine", input="signal")
    assert dataset.describe() == [
        "mine: 20 signals and no test part, 3 channels of 30 steps each, float32.",
        "Read as signals: input='signal' was asked for.",
        "2 classes: no, yes.",
        "Balance: 8 to 12 samples of each class; always answering 'no' would be right for 60.0%.",
        "Split: 13 to train and 3 to validate, stratified, drawn anew for every split; 4 for the test, "
        "the same for every split.",
    ]
    assert "the source's own 2 for the test." in tiny().describe()[-1]
    assert "1 feature each" in dataset_from_arrays(np.arange(4.0)[:, None], LABELS).describe()[0]
