"""What can be named as data, and what is said when it cannot be read."""

from __future__ import annotations

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
from ordersearch.data.downloads import DOWNLOADS
from ordersearch.data.embedded import EMBEDDED
from ordersearch.data.sources import DATASETS, READERS, dataset_from_arrays, source_kinds
from ordersearch.errors import DataError, PluginError, UnknownNameError
from tests.test_data_idx import write_idx_folder

LABELS = np.array([0, 0, 1, 1])


def images(n: int, size: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)


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
    assert package.split_data.__module__ == "ordersearch.data.choice"
    assert package.TensorSplit.__module__ == "ordersearch.data.tensors"
    assert package.StreamSplit.__module__ == "ordersearch.data.stream"
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


def test_unknown_name_lists_the_nearest_and_what_is_accepted() -> None:
    match = (
        r"'digts'\. Did you mean 'digits'\? Known: breast_cancer, cifar10, .*, wine\. A data set can also "
        r"be the path of an \.npz file, an \.npy file, .*, a folder of idx files, .* or an image folder; hf:NAME; or "
        r"package\.module:attribute\. All are told by 'python -m ordersearch list datasets'\."
    )
    with pytest.raises(UnknownNameError, match=match):
        load_dataset("digts")


@pytest.mark.parametrize("source", ["./digits_", "nowhere/data", "mine.npz", "~/nothing-of-this-name", "mine.csv"])
def test_missing_path_is_told_as_a_path(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"this path does not exist .*A data set is a known name; the"):
        load_dataset(source)


def test_paths_of_other_kinds_are_told(tmp_path: Path) -> None:
    for name in ("a.mat", "b"):
        (tmp_path / name).write_bytes(b"MATLAB")
    with pytest.raises(DataError, match=r"a file of this kind \(\.mat\) cannot be read\. A data set is"):
        load_dataset(tmp_path / "a.mat")
    with pytest.raises(DataError, match=r"a file of this kind \(no suffix\) cannot be read"):
        load_dataset(tmp_path / "b")
    with pytest.raises(DataError, match="nothing in this folder can be read"):
        load_dataset(tmp_path)


def test_what_names_nothing_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An empty path is the current folder to pathlib, and no one means that.
    write_idx_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^Got '' as the data set\. A data set is a known name"):
        load_dataset("")
    with pytest.raises(DataError, match=r"^~no-such-user/data: there is no such user"):
        load_dataset("~no-such-user/data")


def test_a_path_called_like_a_name_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "mnist", "mine:load"):
        write_idx_folder(tmp_path / name)
        assert len(load_dataset(f"./{name}").x) == 4
        assert len(load_dataset(Path(name)).x) == 4
    assert len(load_dataset("digits").x) == 1797
    with pytest.raises(UnknownNameError, match="no module is named 'mine'"):
        load_dataset("mine:load")


def test_a_table_is_read_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text("weight,kind,age\n" + "4.5,cat,1.5\n30,dog,2.5\n" * 4)
    assert load_dataset(tmp_path / "pets.csv", target="kind").class_names == ("cat", "dog")
    assert load_dataset(tmp_path / "pets.csv", target="age").task == "regression"
    with pytest.raises(UnknownNameError, match=r"no column is named 'kin'\. Did you mean 'kind'"):
        load_dataset(tmp_path / "pets.csv", target="kin")


def test_a_target_of_what_has_no_columns_is_told(tmp_path: Path) -> None:
    for source in ("digits", "mnist", write_idx_folder(tmp_path / "idx")):
        with pytest.raises(DataError, match=rf"^{source}: got target='kind', but only tables \(\.csv, .*\) and hf:"):
            load_dataset(source, target="kind")


def test_task_and_input_overrule(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz", x=np.arange(80.0).reshape(8, 10), y=np.arange(8) % 4)
    assert (load_dataset(path).input, load_dataset(path).task) == ("table", "classification")
    dataset = load_dataset(path, input="signal", task="regression")
    assert (dataset.input, dataset.task) == ("signal", "regression")
    with pytest.raises(UnknownNameError, match=r"No task is named 'regresion'\. Did you mean 'regression'"):
        load_dataset(path, task="regresion")


def test_everything_that_is_read_is_listed() -> None:
    kinds = source_kinds()
    names = [name for name, _ in kinds]
    assert set(names) >= {*EMBEDDED, *DOWNLOADS, "PATH", "hf:NAME[:CONFIG]", "package.module:attribute"}
    assert names.count("PATH") == len(READERS)
    assert all(text and "scikit-learn" not in text for _, text in kinds)
    assert set(DATASETS.builtin_names()) == {*EMBEDDED, *DOWNLOADS}


def test_a_plugin_adds_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pets_plugin.py").write_text("def load():\n    return [[0.5], [1.5]] * 4, ['cat', 'dog'] * 4\n")
    (tmp_path / "pets-1.0.dist-info").mkdir()
    (tmp_path / "pets-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: pets\nVersion: 1.0\n")
    (tmp_path / "pets-1.0.dist-info" / "entry_points.txt").write_text(
        "[ordersearch.datasets]\nfew_pets = pets_plugin:load\nno_pets = pets_plugin:nothing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(DATASETS, "_loaded", {})
    dataset = load_dataset("few_pets")
    assert (dataset.name, dataset.class_names) == ("few_pets", ("cat", "dog"))
    assert ("few_pets", "from the plugin pets 1.0") in source_kinds()
    with pytest.raises(PluginError, match=r"The data set 'no_pets' comes from the plugin pets 1\.0"):
        load_dataset("no_pets")
    del sys.modules["pets_plugin"]


def test_arrays_with_a_validation_part() -> None:
    x, y = np.arange(24.0).reshape(8, 3), [0, 1] * 4
    dataset = dataset_from_arrays(x, y, x_val=x[:4], y_val=y[:4], x_test=x[4:], y_test=y[4:], task="classification")
    assert dataset.y_val is not None
    assert (len(dataset.y_val), dataset.task) == (4, "classification")
    with pytest.raises(DataError, match=r"^Got a validation part without y_val, but it needs both x_val and y_val"):
        dataset_from_arrays(x, y, x_val=x)
    with pytest.raises(DataError, match=r"^Got a test part without x_test, but it needs both x_test and y_test"):
        dataset_from_arrays(x, y, y_test=y)


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
