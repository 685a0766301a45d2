from __future__ import annotations

import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ordersearch.data.rows import ImageRows, Rows, set_decoding_threads
from ordersearch.errors import DataError
from tests.images import cut, noise, write_images


def test_images_are_read_in_the_order_asked_for_channels_first(tmp_path: Path) -> None:
    images = noise(5, 7, 9)
    rows: Rows = ImageRows(write_images(tmp_path, images))
    assert (rows.shape, rows.dtype.name, len(rows), rows.decodes) == ((5, 3, 7, 9), "uint8", 5, True)
    chosen = np.array([4, 0, 4])
    np.testing.assert_array_equal(rows[chosen], np.moveaxis(images[chosen], -1, 1))
    assert rows[np.array([], np.int64)].shape == (0, 3, 7, 9)


def test_colours_become_grey_and_grey_becomes_colours(tmp_path: Path) -> None:
    paths = write_images(tmp_path, noise(1, 8, 8))
    grey = ImageRows(paths, mode="L")
    assert grey.shape == (1, 1, 8, 8)
    with Image.open(paths[0]) as image:
        np.testing.assert_array_equal(grey[np.array([0])][0, 0], np.asarray(image.convert("L")))
    Image.new("L", (8, 8), 77).save(paths[0])
    assert np.unique(ImageRows(paths)[np.array([0])]).tolist() == [77]


def test_every_image_is_brought_to_the_size(tmp_path: Path) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.jpg"
    Image.new("RGB", (5, 3), (10, 20, 30)).save(small)
    Image.new("RGB", (300, 200), (10, 20, 30)).save(large, quality=100)
    for paths, size, shape in (([small, large], (6, 4), (6, 4)), ([small, large], None, (3, 5))):
        found = ImageRows(paths, size=size)[np.array([0, 1])]
        assert found.shape == (2, 3, *shape)
        assert np.abs(found.astype(int) - np.array([10, 20, 30])[:, None, None]).max() <= 2


def test_threads_do_not_change_what_is_read(tmp_path: Path) -> None:
    rows = ImageRows(write_images(tmp_path, noise(20, 6, 6)))
    order = np.random.default_rng(1).permutation(20)
    whole = rows[order]
    try:
        set_decoding_threads(1)
        np.testing.assert_array_equal(rows[order], whole)
        set_decoding_threads(3)
        np.testing.assert_array_equal(rows[order], whole)
    finally:
        set_decoding_threads(2)


def test_kept_images_need_no_file_and_do_not_travel(tmp_path: Path) -> None:
    rows = ImageRows(write_images(tmp_path, noise(4, 16, 16)))
    before = rows[np.arange(4)]
    rows.keep()
    assert not rows.decodes
    copy = pickle.loads(pickle.dumps(rows))
    assert copy.decodes
    assert len(pickle.dumps(rows)) < 1000
    np.testing.assert_array_equal(copy[np.arange(4)], before)
    shutil.rmtree(tmp_path)
    np.testing.assert_array_equal(rows[np.array([2, 1])], before[[2, 1]])
    with pytest.raises(DataError, match=r"0003.png: this image cannot be read"):
        copy[np.array([3])]


def test_the_fingerprint_follows_content_and_shape_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    images = noise(3, 40, 40)
    paths = write_images(tmp_path / "one", images)
    rows = ImageRows(paths)
    assert paths[0].stat().st_size > 4096
    assert ImageRows(write_images(tmp_path / "two", images)).fingerprint == rows.fingerprint
    images[2, 0, 0] ^= 1
    others = [
        ImageRows(write_images(tmp_path / "two", images)),
        ImageRows(paths, mode="L"),
        ImageRows(paths, size=(20, 20)),
        ImageRows(paths[::-1]),
        ImageRows(paths[:2]),
    ]
    assert len({rows.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_a_file_that_is_gone_has_no_fingerprint(tmp_path: Path) -> None:
    paths = write_images(tmp_path, noise(2, 8, 8))
    rows = ImageRows(paths)
    paths[1].unlink()
    with pytest.raises(DataError, match=r"0001.png: this image cannot be read: No such file or directory. Put it back"):
        _ = rows.fingerprint


def test_no_files_are_no_images() -> None:
    with pytest.raises(DataError, match="Got no image files, but a data set has at least one"):
        ImageRows([])


@pytest.mark.parametrize("share", [0.0, 0.02, 0.6])
def test_a_broken_file_is_named(tmp_path: Path, share: float) -> None:
    paths = write_images(tmp_path, noise(3, 32, 32))
    rows = ImageRows(paths)
    cut(paths[1], share)
    rows[np.array([0, 2])]
    with pytest.raises(DataError, match=r"^[^\n]*0001.png: [^\n]*$"):
        rows[np.array([0, 1])]
    with pytest.raises(DataError, match=r"0001.png"):
        rows.keep()
    assert rows.decodes


def test_what_pillow_finds_odd_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path, noise(1, 64, 64))
    rows = ImageRows(paths, size=(8, 8))
    # An image over this limit is warned of.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    with pytest.warns(Image.DecompressionBombWarning), Image.open(paths[0]):
        pass
    filters = list(warnings.filters)
    rows[np.array([0])]
    assert list(warnings.filters) == filters
