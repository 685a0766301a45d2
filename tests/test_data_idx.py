"""Folders of idx files: MNIST and what is distributed like it, and what is said when a file is broken."""

from __future__ import annotations

import gzip
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data import load_dataset
from ordersearch.data.idx import read_idx_folder
from ordersearch.errors import DataError

IDX_CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx_bytes(array: NDArray[Any], dtype: str = "u1") -> bytes:
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, IDX_CODES[dtype], array.ndim]) + sizes + array.astype(dtype).tobytes()


def images(n: int, size: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)


def write_idx_folder(folder: Path, *, suffix: str = "", joint: str = "-", test: bool = True, prefix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 4), *([("t10k", 2)] if test else [])):
        for kind, digit, array in (("images", 3, images(n, seed=n)), ("labels", 1, np.arange(n) % 2)):
            data = idx_bytes(array)
            name = f"{prefix}{part}-{kind}{joint}idx{digit}-ubyte{suffix}"
            (folder / name).write_bytes(gzip.compress(data) if suffix else data)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("joint", ["-", "."])
def test_idx_folder(tmp_path: Path, suffix: str, joint: str) -> None:
    dataset = load_dataset(str(write_idx_folder(tmp_path / "fashion", suffix=suffix, joint=joint)))
    assert dataset.name == "fashion"
    np.testing.assert_array_equal(dataset.x[:, 0], images(4, seed=4))
    assert dataset.y.tolist() == [0, 1, 0, 1]
    assert dataset.x_test is not None
    np.testing.assert_array_equal(dataset.x_test[:, 0], images(2, seed=2))


def test_idx_folder_as_torchvision_lays_it_out(tmp_path: Path) -> None:
    write_idx_folder(tmp_path / "KMNIST" / "raw", test=False)
    for path in (tmp_path / "KMNIST", tmp_path / "KMNIST" / "raw"):
        assert load_dataset(path).name == "KMNIST"
        assert load_dataset(path).x_test is None


def test_idx_folder_with_both_packed_and_unpacked_files_reads_the_unpacked(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "both")
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    assert len(load_dataset(str(folder)).x) == 4


@pytest.mark.parametrize("dtype", IDX_CODES)
def test_idx_dtypes(tmp_path: Path, dtype: str) -> None:
    folder = write_idx_folder(tmp_path / "d", test=False)
    values = np.arange(4 * 64).reshape(4, 8, 8) % 100
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(values, dtype))
    np.testing.assert_array_equal(load_dataset(str(folder)).x[:, 0], values)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "starts with the bytes ''"),
        (b"\x89PNG....", "starts with the bytes '89 50 4e 47'"),
        (idx_bytes(images(4))[:-1], "says 4x8x8 values .* a file of 272 bytes, but it has 271"),
        (idx_bytes(images(4)) + b"\0", "a file of 272 bytes, but it has 273"),
        (idx_bytes(images(4))[:9], "but it has 9"),
        (gzip.compress(idx_bytes(images(4)))[:-12], "cannot be read: .*Is the file whole"),
        (idx_bytes(images(3)), "images-idx3-ubyte has 3 samples and .*labels-idx1-ubyte 4, but each has one label"),
        (idx_bytes(images(4)[:0]), "is empty: its shape is .0, 8, 8."),
    ],
)
def test_broken_idx_files_are_told(tmp_path: Path, data: bytes, match: str) -> None:
    folder = write_idx_folder(tmp_path / "broken", test=False)
    (folder / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(DataError, match=match):
        load_dataset(str(folder))


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "train-images-idx3-ubyte"])
def test_missing_idx_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_idx_folder(tmp_path / "part")
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"there is no {name} or {name}\.gz beside .*t10k-labels"):
        load_dataset(str(folder))


@pytest.mark.parametrize(
    ("split", "classes"),
    [
        ("balanced", string.digits + string.ascii_uppercase + "abdefghnqrt"),
        ("bymerge", string.digits + string.ascii_uppercase + "abdefghnqrt"),
        ("byclass", string.digits + string.ascii_uppercase + string.ascii_lowercase),
        ("letters", "-" + string.ascii_uppercase),
        ("digits", None),
    ],
)
def test_emnist_is_turned_upright_and_has_letters_for_names(tmp_path: Path, split: str, classes: str | None) -> None:
    source = read_idx_folder(write_idx_folder(tmp_path, prefix=f"emnist-{split}-"))
    assert source.class_names == (None if classes is None else tuple(classes))
    np.testing.assert_array_equal(np.asarray(source.train.x), images(4, seed=4).transpose(0, 2, 1))
    assert source.test is not None
    np.testing.assert_array_equal(np.asarray(source.test.x), images(2, seed=2).transpose(0, 2, 1))


def test_one_of_several_data_sets_has_to_be_chosen(tmp_path: Path) -> None:
    for split in ("letters", "balanced"):
        write_idx_folder(tmp_path, prefix=f"emnist-{split}-", suffix=".gz")
    with pytest.raises(DataError, match=r"several data sets: emnist-balanced-train-\*, emnist-letters-train-\*\. Put"):
        load_dataset(tmp_path)
    assert len(read_idx_folder(tmp_path, only="emnist-letters-").train.y) == 4
    with pytest.raises(
        DataError, match=r"there is no emnist-digits-train-images-idx3-ubyte or .* beside the other files"
    ):
        read_idx_folder(tmp_path, only="emnist-digits-")
