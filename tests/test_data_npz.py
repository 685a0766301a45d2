"""What .npz files hold beside inputs and classes; the rest of their reading stands with the other sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data import load_dataset
from ordersearch.data.npz import read_npz
from ordersearch.errors import DataError

LABELS = np.array([0, 0, 1, 1])


def images(n: int = 4, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 9), dtype=np.uint8)


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


@pytest.mark.parametrize("keys", ["x_val y_val", "X_val y_val"])
def test_a_validation_part_is_used(tmp_path: Path, keys: str) -> None:
    part = dict(zip(keys.split(), (images(2, 1), [1, 0]), strict=True))
    dataset = load_dataset(save(tmp_path, x_train=images(), y_train=LABELS, **part))
    assert dataset.x_val is not None
    assert dataset.y_val is not None
    np.testing.assert_array_equal(dataset.x_val[:, 0], images(2, 1))
    assert (dataset.y_val.tolist(), dataset.notes) == ([1, 0], ())
    assert "the source's own 2 to validate" in dataset.describe()[-1]


def test_half_a_validation_part_is_not_used(tmp_path: Path) -> None:
    path = save(tmp_path, x=images(), y=LABELS, x_val=images(2, 1))
    assert load_dataset(path).x_val is None
    assert read_npz(path).notes[0].startswith("x_val is not used: ")


def test_numbers_to_predict_and_labels(tmp_path: Path) -> None:
    y = np.arange(12).reshape(6, 2) / 8
    numbers = load_dataset(save(tmp_path, x=images(6), y=y, y_test=y[:2], x_test=images(2, 1)))
    assert (numbers.task, numbers.n_outputs) == ("regression", 2)
    np.testing.assert_array_equal(numbers.y, y)
    labels = load_dataset(save(tmp_path, x=images(6), y=(y > y[:, ::-1]) | (y > 0.5), classes=["cat", "dog"]))
    assert (labels.task, labels.target_names) == ("multilabel", ("cat", "dog"))


def test_objects_as_targets_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, x=images(), y=np.array(["a", None, "b", "a"], dtype=object))
    with pytest.raises(DataError, match=r"mine\.npz: y holds Python objects, .* unpickling runs code"):
        load_dataset(path)


def test_labels_from_1_to_k_are_renumbered_and_it_is_said(tmp_path: Path) -> None:
    dataset = load_dataset(save(tmp_path, x=images(6), y=np.array([1, 2, 3, 3, 2, 1])))
    assert dataset.y.tolist() == [0, 1, 2, 2, 1, 0]
    assert dataset.class_names == ("1", "2", "3")
    assert dataset.notes == ("The labels 1..3 were renumbered 0..2.",)
