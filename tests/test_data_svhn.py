"""SVHN's MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from ordersearch.data import load_dataset
from ordersearch.errors import DataError
from tests.images import cut

LABELS = [1, 10, 2, 1, 10, 2]


def images(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)


def write_svhn(folder: Path, **held: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    held = held or {"X": images(6), "y": np.array(LABELS)[:, None]}
    savemat(folder / "train_32x32.mat", held, do_compression=True)
    savemat(folder / "test_32x32.mat", {"X": images(2), "y": np.array([[10], [1]])})
    return folder


def test_label_10_is_the_digit_0(tmp_path: Path) -> None:
    dataset = load_dataset(write_svhn(tmp_path / "street"))
    assert (dataset.name, dataset.input, dataset.input_shape) == ("street", "image", (3, 32, 32))
    assert dataset.x.dtype == np.uint8
    assert dataset.y.tolist() == [1, 0, 2, 1, 0, 2]
    np.testing.assert_array_equal(dataset.x, images(6).transpose(3, 2, 0, 1))
    assert dataset.y_test is not None
    assert dataset.y_test.tolist() == [0, 1]


def test_the_test_file_is_not_needed(tmp_path: Path) -> None:
    (write_svhn(tmp_path) / "test_32x32.mat").unlink()
    assert load_dataset(tmp_path).x_test is None


@pytest.mark.parametrize(
    ("held", "match"),
    [
        ({"X": images(6)}, r"train_32x32\.mat: has no variable 'y', but SVHN's files hold the images X"),
        ({"X": images(6)[:30], "y": LABELS}, r"X is uint8 of shape \(30, 32, 3, 6\)"),
        ({"X": images(6).astype(float), "y": LABELS}, "X is float64 of shape"),
        ({"X": images(6), "y": [1, 2]}, r"y of shape \(1, 2\), but SVHN's images are uint8 \(32, 32, 3, n\) with n"),
    ],
)
def test_files_that_hold_something_else_are_told(tmp_path: Path, held: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_dataset(write_svhn(tmp_path, **held))


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_file_cut_short_is_told(tmp_path: Path, share: float) -> None:
    cut(write_svhn(tmp_path) / "train_32x32.mat", share)
    with pytest.raises(DataError, match=r"train_32x32\.mat: cannot be read: .*Is the file whole\?"):
        load_dataset(tmp_path)
