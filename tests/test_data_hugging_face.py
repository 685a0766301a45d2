"""Data sets that the real library ``datasets`` loads, from local folders and without a network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ordersearch.data import load_dataset
from ordersearch.data.hub_columns import select_inputs
from ordersearch.data.hugging_face import read_hub
from ordersearch.errors import DataError, UnknownNameError
from tests.images import cut, noise, write_images

datasets = pytest.importorskip("datasets")


def number(dtype: str = "float32") -> Any:
    return datasets.Value(dtype)


def classes(*names: str) -> Any:
    return datasets.ClassLabel(names=list(names))


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, a cache of the test's own, and the test's folder as the current one."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf cache")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def write_parquet(folder: str, features: dict[str, Any], **splits: dict[str, Any]) -> str:
    """A local data set with one Parquet file for each split, whose features its README tells as the hub's do."""
    Path(folder).mkdir()
    for split, columns in splits.items():
        held = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
        held.to_parquet(f"{folder}/{split}.parquet")
    return f"hf:./{folder}"


def test_an_image_folder_with_its_splits() -> None:
    images = {split: noise(6, 8, 9, seed=len(split)) for split in ("train", "validation", "test")}
    for split, held in images.items():
        for number, name in enumerate(("cat", "dog")):
            Path("pets", split, name).mkdir(parents=True)
            write_images(Path("pets", split, name), held[number::2])
    dataset = load_dataset("hf:./pets")
    assert (dataset.name, dataset.input, dataset.class_names) == ("pets", "image", ("cat", "dog"))
    assert dataset.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.x[np.argsort([0, 2, 4, 1, 3, 5])], images["train"].transpose(0, 3, 1, 2))
    for x, y, split in ((dataset.x_val, dataset.y_val, "validation"), (dataset.x_test, dataset.y_test, "test")):
        assert y is not None
        assert y.tolist() == [0, 0, 0, 1, 1, 1]
        assert isinstance(x, np.ndarray)
        np.testing.assert_array_equal(x[0], images[split][0].transpose(2, 0, 1))


def test_images_inside_of_parquet_files_with_other_columns(tmp_path: Path) -> None:
    files = [{"bytes": path.read_bytes(), "path": None} for path in write_images(tmp_path, noise(6, 8, 9))]
    features = {"image": datasets.Image(), "fine": classes("a", "b", "c"), "coarse": classes("x", "y"), "id": number()}
    columns = {"image": files, "fine": [0, 1, 2] * 2, "coarse": [0, 1] * 3, "id": range(6)}
    name = write_parquet("mine", features, train=columns)
    with pytest.raises(
        DataError, match=r"^hf:\./mine: the columns fine, coarse all hold classes, so say by target which"
    ):
        load_dataset(name)
    dataset = load_dataset(name, target="coarse")
    assert (dataset.class_names, dataset.y.tolist()) == (("x", "y"), [0, 1] * 3)
    assert dataset.notes == ("Not read: fine, id.",)
    np.testing.assert_array_equal(dataset.x, noise(6, 8, 9).transpose(0, 3, 1, 2))


def test_images_of_several_sizes_are_resized(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        Image.fromarray(noise(1, 20 + number, 30)[0]).save(path)
    features = {"image": datasets.Image(), "label": classes("a", "b")}
    name = write_parquet("mine", features, train={"image": [str(path) for path in paths], "label": [0, 1] * 3})
    dataset = load_dataset(name)
    assert dataset.input_shape == (3, 22, 30)
    assert dataset.notes[0].startswith("The images have 6 sizes, from 20x30 to 25x30 (height x width)")


def test_a_broken_image_is_named_by_its_row(tmp_path: Path) -> None:
    paths = write_images(tmp_path, noise(6, 40, 40))
    cut(paths[4])
    features = {"image": datasets.Image(), "label": classes("a", "b")}
    images: list[Any] = [{"bytes": path.read_bytes(), "path": None} for path in paths]
    columns = {"image": images, "label": [0, 1] * 3}
    with pytest.raises(DataError, match=r"^hf:\./mine: train\[4\]\.image: this image cannot be read: .*truncated"):
        load_dataset(write_parquet("mine", features, train=columns))
    images[2] = None
    with pytest.raises(DataError, match=r"^hf:\./other: train\[2\]\.image: there is no image"):
        load_dataset(write_parquet("other", features, train=columns))


def test_images_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(path) for path in write_images(tmp_path, noise(6, 8, 9))]
    features = {"image": datasets.Image(), "label": classes("a", "b")}
    name = write_parquet("mine", features, train={"image": paths, "label": [0, 1] * 3})
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "1000")
    with pytest.raises(DataError, match=r"its 6 images take 0\.0 GiB, more than data may take .* as an image folder"):
        load_dataset(name)


@pytest.mark.parametrize("kind", ["list", "array"])
def test_arrays_keep_their_dtype(kind: str) -> None:
    held = noise(6, 8, 9)[:, :, :, 0]
    feature = datasets.Array2D((8, 9), "uint8") if kind == "array" else datasets.List(datasets.List(number("uint8")))
    name = write_parquet("mine", {"x": feature, "y": number("int64")}, train={"x": held.tolist(), "y": [0, 1] * 3})
    dataset = load_dataset(name)
    assert dataset.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.x[:, 0], held)


def test_signals_of_several_lengths_are_told() -> None:
    features = {"x": datasets.List(number()), "label": classes("a", "b")}
    name = write_parquet("mine", features, train={"x": [[1.0, 2.0], [1.0]] * 3, "label": [0, 1] * 3})
    with pytest.raises(DataError, match=r"^hf:\./mine: the values of x have several shapes, but one array holds all"):
        load_dataset(name)


def test_a_table_is_encoded_by_one_rule_in_all_splits() -> None:
    features = {"size": number(), "colour": number("string"), "kind": classes("old", "new"), "price": number()}
    train = {"size": [1, 2, 3, 4, 5, 6], "colour": list("rgrgrg"), "kind": [0, 1] * 3, "price": np.arange(6) + 0.5}
    test = {"size": [7, 8], "colour": ["b", "r"], "kind": [1, 1], "price": [0.5, 1.5]}
    dataset = load_dataset(write_parquet("cars", features, train=train, test=test), target="price")
    assert (dataset.name, dataset.task, dataset.target_names) == ("cars", "regression", ("price",))
    assert dataset.feature_names == ("size", "colour=r", "colour=g", "colour=b", "kind=new", "kind=old")
    assert dataset.x[:2].tolist() == [[1, 1, 0, 0, 0, 1], [2, 0, 1, 0, 1, 0]]
    assert dataset.notes[0] == "Text became 5 columns of 0 and 1: 'colour', 'kind'."
    assert dataset.x_test is not None
    assert np.asarray(dataset.x_test).tolist() == [[7, 0, 0, 1, 1, 0], [8, 1, 0, 0, 1, 0]]
    several = load_dataset("hf:./cars", target="price, size")
    assert several.target_names == ("price", "size")
    assert several.y[:2].tolist() == [[0.5, 1], [1.5, 2]]


def test_csv_and_json_files() -> None:
    frame = pd.DataFrame({"a": np.arange(8.0), "Label": ["no", "yes"] * 4})
    Path("tables").mkdir()
    frame.to_csv("tables/train.csv", index=False)
    assert load_dataset("hf:./tables").class_names == ("no", "yes")
    Path("lines").mkdir()
    Path("lines/all.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in frame.to_dict("records")))
    assert load_dataset("hf:./lines", target="Label").y.tolist() == [0, 1] * 4


def test_lists_of_classes_are_several_labels() -> None:
    features = {"x": number(), "tags": datasets.List(classes("red", "round", "ripe"))}
    tags = [[0], [0, 1], [], [2, 0], [1], [0]]
    dataset = load_dataset(write_parquet("fruit", features, train={"x": np.arange(6) / 3, "tags": tags}))
    assert (dataset.task, dataset.target_names) == ("multilabel", ("red", "round", "ripe"))
    assert dataset.y.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_hidden_labels_and_other_splits_are_not_read() -> None:
    features = {"x": number(), "label": classes("a", "b")}
    known = {"x": np.arange(6) / 3, "label": [0, 1] * 3}
    hidden = {"x": np.arange(2) / 3, "label": [-1, -1]}
    name = write_parquet("mine", features, train=known, dev=known, test=hidden)
    dataset = load_dataset(name)
    assert dataset.x_test is None
    assert dataset.notes[0] == "The test part was not read, since its labels are hidden (-1)."


def test_splits_by_name() -> None:
    from ordersearch.data.hugging_face import _parts

    one = object()
    assert _parts({"all": one}, "hf:mine") == ({"train": one}, ("The only split, all, is the training part.",))
    found, notes = _parts({"train": one, "val": one, "validation": one, "unsupervised": one}, "hf:mine")
    assert list(found) == ["train", "validation"]
    assert notes == ("The splits validation, unsupervised were not read.",)
    with pytest.raises(DataError, match="hf:mine: has the splits a, b, but the one to train on is called train"):
        _parts({"a": one, "b": one}, "hf:mine")


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    name = write_parquet("mine", {"x": number(), "colour": number()}, train={"x": [1.0], "colour": [1.0]})
    with pytest.raises(UnknownNameError, match=r"^hf:\./mine: no column is named 'color'\. Did you mean 'colour'\?"):
        load_dataset(name, target="color")
    with pytest.raises(DataError, match=r"^hf:\./mine: no column holds classes, so say .* The columns are x, colour\."):
        load_dataset(name)


PAIRS = [{"de": "ja", "en": "yes"}, {"de": "nein", "en": "no"}]


@pytest.mark.parametrize(
    ("features", "columns", "target", "match"),
    [
        (
            {"x": datasets.List(datasets.Value("float32")), "z": datasets.List(datasets.Value("float32"))},
            {"x": [[1.0], [2.0]], "z": [[1.0], [2.0]]},
            "",
            "the columns x, z all hold arrays, and a network here has one input. Write a function",
        ),
        (
            {"pair": datasets.Translation(["de", "en"])},
            {"pair": PAIRS},
            "",
            r"no column holds images, arrays, numbers or texts to learn from. Beside the target: pair \(Translation\)",
        ),
        (
            {"x": number(), "pair": datasets.Translation(["de", "en"])},
            {"x": [1, 2], "pair": PAIRS},
            "pair",
            "the target pair holds .*, but targets are classes, numbers or texts",
        ),
        (
            {"x": datasets.Value("string"), "z": number()},
            {"x": list("ab"), "z": [1, 2]},
            "x,z",
            "the target x holds .*, but targets are classes, numbers or texts, and several ones numbers",
        ),
        (
            {"x": datasets.Value("string")},
            {"x": ["same", "same"]},
            "",
            r"no column is left .* Left out: 'x' \(the same in every row\)",
        ),
        ({"x": number()}, {"x": [1, None]}, "x", "train: row 1 has no x. Drop such rows first"),
    ],
)
def test_columns_that_cannot_be_learnt_from_are_told(
    features: dict[str, Any], columns: dict[str, Any], target: str, match: str
) -> None:
    name = write_parquet("mine", {**features, "label": classes("a", "b")}, train={**columns, "label": [0, 1]})
    with pytest.raises(DataError, match=rf"^hf:\./mine: .*{match}"):
        load_dataset(name, target=target)


def test_audio_is_told() -> None:
    match = r"hf:mine: no column holds images, arrays, numbers or texts .* Beside the target: sound \(Audio\)"
    with pytest.raises(DataError, match=match):
        select_inputs({"sound": datasets.Audio(), "label": classes("a", "b")}, ["label"], "hf:mine")


def test_a_file_that_is_cut_short_is_told_with_the_cause() -> None:
    cut(Path(write_parquet("mine", {"x": number()}, train={"x": np.arange(9)})[3:], "train.parquet"))
    with pytest.raises(DataError, match=r"^hf:\./mine: cannot be loaded: ArrowInvalid: Parquet magic bytes not found"):
        load_dataset("hf:./mine")


def test_a_folder_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match=r"^hf:\./nothing: the folder \./nothing does not exist \(looked in /"):
        load_dataset("hf:./nothing")


@pytest.mark.parametrize("name", ["nobody/nothing", "mine:other", ""])
def test_what_cannot_be_loaded_is_told_with_the_form(name: str) -> None:
    match = rf"^hf:{name}: cannot be loaded: \w+: .* is written hf:NAME or hf:NAME:CONFIG, a local folder hf:\./FOLDER"
    with pytest.raises(DataError, match=match):
        load_dataset(f"hf:{name}")


def test_a_config_is_part_of_the_name() -> None:
    write_parquet("mine", {"x": number(), "label": classes("a", "b")}, train={"x": np.arange(6), "label": [0, 1] * 3})
    assert read_hub("./mine:default").name == "mine-default"


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"^hf:mnist: is loaded by the library datasets, .*'ordersearch\[hf\]'"):
        load_dataset("hf:mnist")
