"""What can be named as data, and what is said when it cannot be read."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ordersearch.data import load_dataset
from ordersearch.errors import DataError, UnknownNameError

LABELS = np.array([0, 0, 1, 1])
IDX_CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx_bytes(array: NDArray[Any], dtype: str = "u1") -> bytes:
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, IDX_CODES[dtype], array.ndim]) + sizes + array.astype(dtype).tobytes()


def images(n: int, size: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)


def write_idx_folder(folder: Path, *, suffix: str = "", joint: str = "-", test: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 4), *([("t10k", 2)] if test else [])):
        for kind, digit, array in (("images", 3, images(n, seed=n)), ("labels", 1, np.arange(n) % 2)):
            data = idx_bytes(array)
            name = f"{part}-{kind}{joint}idx{digit}-ubyte{suffix}"
            (folder / name).write_bytes(gzip.compress(data) if suffix else data)
    return folder


def save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_digits_are_images_with_channels_first() -> None:
    digits = load_dataset("digits")
    assert (digits.name, digits.input, digits.input_shape, digits.n_outputs, digits.dims) == (
        "digits",
        "image",
        (1, 8, 8),
        10,
        2,
    )
    assert digits.x.shape == (1797, 1, 8, 8)
    assert digits.x.dtype == np.uint8
    assert digits.x.max() == 16
    assert digits.y.dtype == np.int64
    assert digits.x_test is None
    assert digits.y_test is None
    assert digits.class_names == tuple("0123456789")


def test_loading_imports_no_torch() -> None:
    code = (
        "import sys; from ordersearch.data import load_dataset; load_dataset('digits'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_tensors_are_reached_through_the_package() -> None:
    import ordersearch.data as package

    assert package.split_tensors.__module__ == "ordersearch.data.split"
    assert package.TensorSplit.__module__ == "ordersearch.data.tensors"
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@given(
    x=hnp.arrays(
        dtype=st.sampled_from([np.uint8, np.float32, np.float64, np.int16, np.bool_]),
        shape=st.tuples(st.just(4), *[st.integers(1, 12)] * 1)
        | st.tuples(st.just(4), *[st.integers(1, 12)] * 2)
        | st.tuples(st.just(4), *[st.integers(1, 12)] * 3)
        | st.tuples(st.just(4), *[st.integers(1, 6)] * 4),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": 0, "max_value": 1},
    )
)
@settings(max_examples=60, deadline=None)
def test_npz_round_trip_keeps_every_value(x: NDArray[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("npz") / "mine.npz"
    dataset = load_dataset(save(path, x=x, y=LABELS))
    assert dataset.name == "mine"
    assert dataset.dims == {2: 0, 3: 2 if min(x.shape[1:]) >= 8 else 1, 4: 2, 5: 3}[x.ndim]
    assert dataset.x.dtype == (np.uint8 if x.dtype in (np.uint8, np.bool_) else np.float32)
    assert dataset.x.flags.c_contiguous
    channels_last = x.ndim > 3 and x.shape[-1] <= 4
    expected = np.moveaxis(x, -1, 1) if channels_last else x
    np.testing.assert_array_equal(dataset.x.reshape(expected.shape), expected.astype(dataset.x.dtype))


@pytest.mark.parametrize(
    "keys", ["x_train y_train x_test y_test", "X_train Y_train X_test Y_test", "x y x_test y_test"]
)
def test_npz_keys(tmp_path: Path, keys: str) -> None:
    arrays = (images(4), LABELS, images(2, seed=9), LABELS[1:3])
    dataset = load_dataset(save(tmp_path / "a.npz", **dict(zip(keys.split(), arrays, strict=True))))
    assert dataset.x_test is not None
    assert dataset.x_test.shape == (2, 1, 8, 8)
    assert dataset.y_test is not None
    assert dataset.y_test.tolist() == [0, 1]
    assert dataset.notes == ()


def test_npz_names_classes_and_tells_of_unused_validation_part(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.npz", x_train=images(4), y_train=LABELS, x_val=images(2), classes=np.array(["cat", "dog"])
    )
    dataset = load_dataset(path)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.notes == (
        "x_val is not used: validation samples are drawn from the training part, anew for every split.",
    )


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


def test_unknown_name_lists_the_nearest_and_what_is_accepted() -> None:
    with pytest.raises(UnknownNameError, match=r"'digts'\. Did you mean 'digits'.*\.npz file.*folder of idx files"):
        load_dataset("digts")


@pytest.mark.parametrize("source", ["./digits_", "nowhere/data", "mine.npz", "~/nothing-of-this-name"])
def test_missing_path_is_told_as_a_path(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"this path does not exist .*A data set is 'digits', or the path of"):
        load_dataset(source)


def test_paths_of_other_kinds_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a file of this kind \(\.parquet\) cannot be read\. A data set is"):
        load_dataset(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="nothing in this folder can be read"):
        load_dataset(tmp_path)


def test_a_path_called_like_an_embedded_name_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_idx_folder(tmp_path / "digits")
    assert len(load_dataset("digits").x) == 1797
    assert len(load_dataset("./digits").x) == 4
    assert len(load_dataset(Path("digits")).x) == 4


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"data": LABELS, "y": LABELS}, r"mine\.npz: there is no key 'x'; the keys are 'data', 'y'\. Save 'x_train'"),
        ({"x_train": images(4)}, "there is no key 'y_train'; the keys are 'x_train'"),
        ({"x": images(4), "y": LABELS, "x_test": images(4)}, "there is no key 'y_test'"),
        ({"x": np.array([{}, {}]), "y": LABELS}, r"mine\.npz: x holds Python objects, which are not loaded"),
        ({"x": images(3), "y": LABELS}, r"x has 3 samples and .*mine\.npz: y 4, but each has one label"),
        ({"x": np.float32(3), "y": LABELS}, r"x is the single value 3\.0, but an array"),
    ],
)
def test_npz_that_holds_no_data_set_is_told(tmp_path: Path, arrays: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_dataset(save(tmp_path / "mine.npz", **arrays))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = save(tmp_path / "mine.npz", x=np.array([Trap()], dtype=object), y=LABELS)
    with pytest.raises(DataError, match="unpickling runs code"):
        load_dataset(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_npz_cut_short_is_told(tmp_path: Path, share: float) -> None:
    path = Path(save(tmp_path / "mine.npz", x=images(4), y=LABELS))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"mine\.npz: is no zip archive.*cut short"):
        load_dataset(path)


def test_npz_with_flipped_bytes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x=images(4), y=LABELS)
    data = bytearray(path.read_bytes())
    data[100:140] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"mine\.npz: x cannot be read: .*Is the file whole"):
        load_dataset(path)


def test_npz_member_with_a_huge_shape_in_its_header_is_told(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**50, 8, 8)})
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match=r"x (does not fit into memory|cannot be read)|no key 'y'"):
        load_dataset(tmp_path / "mine.npz")


def test_npy_in_npz_clothing_is_told(tmp_path: Path) -> None:
    with (tmp_path / "mine.npz").open("wb") as file:
        np.save(file, images(4))
    with pytest.raises(DataError, match=r"is no zip archive.*save 'x_train' and 'y_train'"):
        load_dataset(tmp_path / "mine.npz")
