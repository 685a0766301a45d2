"""Pairs of .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data import load_dataset
from ordersearch.data.arranged import ArrangedRows
from ordersearch.data.npy import is_npy, read_npy_pair
from ordersearch.errors import DataError

LABELS = np.array([0, 0, 1, 1])


def images(n: int = 4, *, dtype: Any = np.uint8, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 9)).astype(dtype)


def save(folder: Path, **arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    return folder


@pytest.mark.parametrize(
    ("names", "start", "name"),
    [
        (("x", "y"), "x.npy", "mine"),
        (("x", "y"), "", "mine"),
        (("X", "Y"), "X.npy", "mine"),
        (("x_train", "y_train"), "x_train.npy", "mine"),
        (("X_train", "y_train"), "", "mine"),
        (("faces_x", "faces_y"), "faces_x.npy", "faces"),
        (("big-faces-X_train", "big-faces-y_train"), "big-faces-X_train.npy", "big-faces"),
    ],
)
def test_a_pair_is_found_by_its_names(tmp_path: Path, names: tuple[str, str], start: str, name: str) -> None:
    folder = save(tmp_path / "mine", **dict(zip(names, (images(), LABELS), strict=True)))
    dataset = load_dataset(folder / start)
    assert (dataset.name, dataset.input, dataset.y.tolist()) == (name, "image", LABELS.tolist())
    np.testing.assert_array_equal(dataset.x[:, 0], images())
    assert (dataset.x_val, dataset.x_test, dataset.notes) == (None, None, ())


@pytest.mark.parametrize("end", ["", "_train"])
def test_validation_and_test_parts_are_used(tmp_path: Path, end: str) -> None:
    arrays = {f"x{end}": images(), f"y{end}": LABELS, "x_test": images(2, seed=1), "y_test": LABELS[1:3]}
    folder = save(tmp_path / "mine", **arrays, x_val=images(3, seed=2), y_val=LABELS[:3])
    for path in (folder, folder / f"x{end}.npy"):
        dataset = load_dataset(path)
        assert dataset.y_test is not None
        assert dataset.y_val is not None
        assert (dataset.y_test.tolist(), dataset.y_val.tolist()) == ([0, 1], [0, 0, 1])


def test_inputs_stay_in_their_file(tmp_path: Path) -> None:
    folder = save(tmp_path / "mine", x=images(), y=LABELS)
    assert isinstance(read_npy_pair(folder).train.x, np.memmap)
    x = load_dataset(folder).x
    while isinstance(x, np.ndarray) and x.base is not None and not isinstance(x, np.memmap):
        x = x.base
    assert isinstance(x, np.memmap)


@pytest.mark.parametrize("dtype", [np.float64, np.int16])
def test_inputs_of_other_dtypes_are_converted_as_they_are_read(tmp_path: Path, dtype: Any) -> None:
    dataset = load_dataset(save(tmp_path / "mine", x=images(dtype=dtype), y=LABELS))
    assert isinstance(dataset.x, ArrangedRows)
    assert isinstance(dataset.x.source, np.memmap)
    assert dataset.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.x[np.arange(4)][:, 0], images())


def test_values_in_files_are_checked_like_those_in_memory(tmp_path: Path) -> None:
    x = images(dtype=np.float64)
    x[2, 3, 4] = np.inf
    folder = save(tmp_path / "mine", x=x, y=LABELS)
    with pytest.raises(DataError, match=r"x\.npy holds 1 values that are NaN, infinite .*first is inf at \[2, 3, 4\]"):
        load_dataset(folder)
    x[2] = x[0]
    save(folder, x=x)
    assert load_dataset(folder).notes[0].startswith("1 of 4 images repeat an earlier one")


def test_which_paths_are_taken(tmp_path: Path) -> None:
    folder = save(tmp_path / "mine", x=images(), y=LABELS)
    assert is_npy(folder)
    assert is_npy(folder / "y.npy")
    assert not is_npy(tmp_path)
    assert not is_npy(tmp_path / "none.npy")
    assert not is_npy(save(tmp_path / "other", faces=images()))


@pytest.mark.parametrize(
    ("arrays", "path", "match"),
    [
        ({"faces": images()}, "faces.npy", r"faces\.npy: .* this name does not end in x\.npy or x_train\.npy\. Save"),
        ({"x": images(), "y": LABELS}, "y.npy", r"y\.npy: .* does not end in x\.npy"),
        ({"x": images()}, "x.npy", r"mine: there is no y\.npy beside x\.npy\. Save x_train\.npy and y_train\.npy"),
        ({"x_train": images(), "y": LABELS}, "", r"there is no y_train\.npy beside x_train\.npy, y\.npy"),
        ({"x": images(), "y": LABELS, "x_test": images()}, "", r"there is no y_test\.npy beside"),
        ({"x": images(), "y": LABELS, "y_val": LABELS}, "", r"there is no x_val\.npy beside"),
        ({"x": np.array([{}] * 4), "y": LABELS}, "", r"x\.npy: holds Python objects, .* because unpickling runs code"),
        ({"x": images(), "y": np.array([{}] * 4)}, "", r"y\.npy: holds Python objects"),
        ({"x": images(3), "y": LABELS}, "", r"x\.npy has 3 samples and .*y\.npy 4, but each has one label"),
        ({"x": images()[:0], "y": LABELS[:0]}, "", r"x\.npy is empty: its shape is \(0, 8, 9\)"),
        ({"x": np.float32(3), "y": LABELS}, "", r"x\.npy is the single value 3\.0, but an array"),
        ({"x": np.array([["a"]] * 4), "y": LABELS}, "", "x.npy holds <U1, but inputs are numbers"),
    ],
)
def test_files_that_are_no_pair_are_told(tmp_path: Path, arrays: dict[str, Any], path: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_dataset(save(tmp_path / "mine", **arrays) / path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_is_cut_short_is_told(tmp_path: Path, share: float) -> None:
    folder = save(tmp_path / "mine", x=images(), y=LABELS)
    data = (folder / "x.npy").read_bytes()
    (folder / "x.npy").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"x\.npy: cannot be read: .*Is the file whole"):
        load_dataset(folder)


def test_other_content_is_told_and_never_unpickled(tmp_path: Path) -> None:
    folder = save(tmp_path / "mine", x=images(), y=LABELS)
    np.savez(folder / "archive.npz", x=images())
    for data in (b"", b"not an array at all", b"\x80\x04\x95pickled", (folder / "archive.npz").read_bytes()):
        (folder / "x.npy").write_bytes(data)
        with pytest.raises(DataError, match=r"x\.npy: is no \.npy file\. Write it with numpy\.save"):
            load_dataset(folder)
