"""Image folders: what their folders mean, and what is said when they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ordersearch.data import load_dataset
from ordersearch.data.image_folder import is_image_folder, read_image_folder
from ordersearch.data.rows import ImageRows
from ordersearch.errors import DataError
from tests.images import cut, noise, write_images


def write_classes(folder: Path, *, n: int = 4, classes: str = "cat dog", size: tuple[int, int] = (8, 9)) -> Path:
    """``n`` images in a folder for each class, all images of one call different."""
    for seed, name in enumerate(classes.split()):
        (folder / name).mkdir(parents=True)
        write_images(folder / name, noise(n, *size, seed=seed + 10 * len(folder.name)))
    return folder


def test_class_folders_alone_are_the_training_part(tmp_path: Path) -> None:
    dataset = load_dataset(write_classes(tmp_path / "pets", classes="dog cat"))
    assert (dataset.name, dataset.input, dataset.input_shape) == ("pets", "image", (3, 8, 9))
    assert dataset.class_names == ("cat", "dog")
    assert dataset.y.tolist() == [0] * 4 + [1] * 4
    assert dataset.x_test is None
    assert dataset.notes == ()
    assert isinstance(dataset.x, np.ndarray)
    assert dataset.x.dtype == np.uint8
    assert dataset.x.flags.c_contiguous
    with Image.open(tmp_path / "pets" / "dog" / "0002.png") as image:
        np.testing.assert_array_equal(dataset.x[6], np.asarray(image).transpose(2, 0, 1))


@pytest.mark.parametrize("validation", ["val", "valid", "validation", None])
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_part_folders(tmp_path: Path, validation: str | None, test: str) -> None:
    write_classes(tmp_path / "train")
    write_classes(tmp_path / test, n=2, classes="dog")
    if validation:
        write_classes(tmp_path / validation, n=3)
    dataset = load_dataset(tmp_path)
    assert len(dataset.x) == 8
    assert dataset.y_test is not None
    assert dataset.y_test.tolist() == [1, 1]
    assert (None if dataset.y_val is None else dataset.y_val.tolist()) == ([0] * 3 + [1] * 3 if validation else None)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert load_dataset(write_classes(tmp_path, classes="bus test train")).class_names == ("bus", "test", "train")


def test_a_single_grey_column_stays_an_image(tmp_path: Path) -> None:
    for name, value in (("cat", 10), ("dog", 200)):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("L", (2, 9), value + number).save(tmp_path / name / f"{number}.PNG")
    dataset = load_dataset(tmp_path)
    assert dataset.input_shape == (1, 9, 2)
    assert dataset.x[:, 0, 0, 0].tolist() == [10, 11, 12, 200, 201, 202]


def test_what_is_no_image_is_skipped(tmp_path: Path) -> None:
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", n=2)
    for name in (
        "LICENSE",
        ".DS_Store",
        "train/.hidden.png",
        "train/cat/.DS_Store",
        "train/cat/Thumbs.db",
        "train/dog/labels.txt",
        "test/dog/notes.md",
        "train/labels.csv",
    ):
        (tmp_path / name).write_bytes(b"no image")
    for name in (".git", "__MACOSX", "train/.cache"):
        (tmp_path / name / "inside").mkdir(parents=True)
    (tmp_path / "extra").mkdir()
    write_images(tmp_path, noise(2, 8, 8))
    assert load_dataset(tmp_path).notes == (
        "2 images beside the class folders were not read.",
        "Beside test, train, extra was not read.",
        "2 files in class folders that are no images were not read (labels.txt, notes.md).",
    )


def test_a_test_folder_without_classes_is_not_read(tmp_path: Path) -> None:
    write_classes(tmp_path / "train")
    (tmp_path / "test").mkdir()
    write_images(tmp_path / "test", noise(2, 8, 8))
    dataset = load_dataset(tmp_path)
    assert dataset.x_test is None
    assert dataset.notes == ("Beside train, test was not read.",)


def test_one_size_and_kind_serves_all_parts(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", size=(10, 12))
    write_classes(tmp_path / "test", n=2, size=(30, 20))
    Image.new("L", (12, 10)).save(tmp_path / "train" / "cat" / "grey.png")
    dataset = load_dataset(tmp_path)
    assert dataset.input_shape == (3, 10, 12)
    assert dataset.x_test is not None
    assert dataset.x_test.shape == (4, 3, 10, 12)
    assert dataset.notes == (
        "1 grey images among 12 coloured ones were read as coloured.",
        "The images have 2 sizes, from 10x12 to 30x20 (height x width); all were resized to 10x12, the median height "
        "and width, whatever their proportions.",
    )


def test_what_does_not_fit_is_read_as_rows_with_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classes(tmp_path / "train", size=(10, 12))
    write_classes(tmp_path / "test", n=2, size=(30, 20))
    held = load_dataset(tmp_path)
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "0")
    streamed = load_dataset(tmp_path)
    assert isinstance(streamed.x, ImageRows)
    assert isinstance(streamed.x_test, ImageRows)
    assert (streamed.input, streamed.input_shape) == ("image", held.input_shape)
    assert streamed.y.tolist() == held.y.tolist()
    np.testing.assert_array_equal(streamed.x[np.arange(8)], held.x)
    assert held.x_test is not None
    np.testing.assert_array_equal(streamed.x_test[np.arange(4)], held.x_test)


def test_sixteen_bits_are_kept_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(np.full((8, 8), 999 + number, np.uint16)).save(tmp_path / name / f"{number}.png")
    dataset = load_dataset(tmp_path)
    assert dataset.x.dtype == np.float32
    assert dataset.x[:3, 0, 0, 0].tolist() == [999, 1000, 1001]
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "0")
    with pytest.raises(DataError, match="16 bits or more a pixel and do not fit into memory as float32"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ("train/cat train/dog train/empty/", r"train/empty: this class folder holds no images\. Put some there"),
        ("train/cat train/dog test/cat test/cow", r"test: 'cow' is no class folder of .*train, so that .*could learn"),
        ("train/cat train/dog test/dgo", r"test: 'dgo' is no class folder .*Did you mean 'dog'\?"),
        ("train/cat", r"train: there is only the class folder 'cat', but orders are compared on two classes or more"),
        ("cat", "there is only the class folder 'cat'"),
        ("cat dog/small dog/large", r"dog: has the folder 'large' in it, but the images of a class lie in its folder"),
        ("deep/cat deep/dog", "deep: has the folder 'cat' in it"),
        ("test/cat val/cat", r"there is no folder train beside test, val\. An image folder is FOLDER/<class>/<images>"),
        ("train/cat train/dog val/cat valid/cat", "both val and valid are the validation part. Keep one of them"),
    ],
)
def test_folders_that_do_not_fit_are_told(tmp_path: Path, classes: str, match: str) -> None:
    for name in classes.split():
        (tmp_path / name).mkdir(parents=True)
        if not name.endswith("/"):
            write_images(tmp_path / name, noise(2, 8, 8))
    with pytest.raises(DataError, match=match):
        load_dataset(tmp_path)


def test_a_class_folder_of_other_files_is_told(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "text").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "text" / name).write_text("words")
    with pytest.raises(DataError, match=r"text: this class folder holds no images \(2 other files, such as a\.txt\)"):
        load_dataset(tmp_path)


def test_images_without_class_folders_are_told(tmp_path: Path) -> None:
    write_images(tmp_path, noise(3, 8, 8))
    with pytest.raises(DataError, match="holds 3 images but no class folders, so that their classes are not known"):
        load_dataset(tmp_path)


def test_folders_without_any_image_are_no_image_folder(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("meow")
    assert not is_image_folder(tmp_path)
    with pytest.raises(DataError, match=r"nothing in this folder can be read.*an image folder; hf:NAME"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    write_classes(tmp_path)
    path = tmp_path / "dog" / f"cut{suffix}"
    Image.fromarray(noise(1, 60, 60)[0]).save(path)
    cut(path)
    with pytest.raises(DataError, match=rf"dog/cut\{suffix}: this image cannot be read: .*Is the file whole\?"):
        load_dataset(tmp_path)


def test_a_text_called_png_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "cat" / "page.png").write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"cat/page\.png: is no image of a known format, whatever its name says"):
        load_dataset(tmp_path)


def test_the_reader_says_that_it_holds_images(tmp_path: Path) -> None:
    assert read_image_folder(write_classes(tmp_path / "pets")).input == "image"
