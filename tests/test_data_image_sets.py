"""Many images: the size and kind that suits them all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ordersearch.data.image_sets import LARGE_SIDE, ImageFit, fit_images, read_headers, read_images
from ordersearch.data.images import ImageHeader, Kind
from ordersearch.errors import DataError
from tests.images import cut, noise, write_images

SIDES = st.integers(1, 3000)


def headers(*sizes: tuple[int, int], kind: Kind = "colour") -> list[ImageHeader]:
    return [ImageHeader(height, width, kind, False) for height, width in sizes]


@given(sizes=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=9))
def test_images_of_one_size_keep_it_and_others_get_their_median_at_most_128(sizes: list[tuple[int, int]]) -> None:
    fit = fit_images(headers(*sizes), at="pets")
    if len(set(sizes)) == 1:
        assert (fit.height, fit.width) == sizes[0]
        return
    assert min(fit.height, fit.width) >= 1
    assert max(fit.height, fit.width) <= LARGE_SIDE
    medians = np.median(sizes, axis=0)
    scaled = medians * min(1, LARGE_SIDE / medians.max())
    np.testing.assert_allclose((fit.height, fit.width), np.maximum(scaled, 1), atol=0.5)
    assert len([note for note in fit.notes if "were resized to" in note]) == 1


def test_what_changes_is_noted() -> None:
    assert fit_images(headers((60, 80), (60, 80)), at="pets").notes == ()
    assert fit_images(headers((60, 80), (100, 90), (61, 300)), at="pets").notes == (
        "The images have 3 sizes, from 60x80 to 61x300 (height x width); all were resized to 61x90, the median height "
        "and width, whatever their proportions.",
    )
    assert fit_images(headers((600, 800), (600, 802)), at="pets").notes == (
        "The images have 2 sizes, from 600x800 to 600x802 (height x width); all were resized to 96x128, the median "
        "height and width scaled to at most 128, whatever their proportions.",
    )
    assert fit_images(headers((256, 512)), at="pets").notes == (
        "The images are trained at their size of 256x512, which costs about 8 times what 128x128 would; scale the "
        "files down if a search takes too long.",
    )


def test_images_are_grey_only_when_all_are() -> None:
    grey, colour = headers((8, 8), (8, 8), kind="grey"), headers((8, 8))
    assert fit_images(grey, at="pets").shape == (1, 8, 8)
    fit = fit_images([*grey, *colour, ImageHeader(8, 8, "colour", True)], at="pets")
    assert (fit.shape, fit.mode) == ((3, 8, 8), "RGB")
    assert fit.dtype == np.uint8
    assert fit.notes == (
        "The transparency of 1 of 4 images was dropped.",
        "2 grey images among 2 coloured ones were read as coloured.",
    )


def test_sixteen_bits_stand_alone() -> None:
    deep = headers((8, 8), (8, 8), kind="deep")
    fit = fit_images(deep, at="pets")
    assert fit.shape == (1, 8, 8)
    assert fit.dtype == np.float32
    assert fit.notes == ("The images have 16 bits or more a pixel; their values were kept, as float32.",)
    with pytest.raises(DataError, match="pets: 2 of 3 images have 16 bits or more a pixel and the others 8"):
        fit_images([*deep, *headers((8, 8))], at="pets")


def test_only_a_gibibyte_that_fits_is_an_array(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = ImageFit("colour", 100, 100)
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "64G")
    assert fit.n_bytes(2) == 60000
    assert fit.is_array(2**30 // 30000)
    assert not fit.is_array(2**30 // 30000 + 1)
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "60000")
    assert fit.is_array(2)
    assert not fit.is_array(3)


def test_every_image_is_read_into_its_row(tmp_path: Path) -> None:
    images = noise(40, 8, 9)
    paths = write_images(tmp_path, images)
    fit = fit_images(read_headers(paths), at="pets")
    np.testing.assert_array_equal(read_images(paths, fit), images.transpose(0, 3, 1, 2))


def test_a_broken_image_among_many_is_named(tmp_path: Path) -> None:
    paths = write_images(tmp_path, noise(40, 30, 30))
    cut(paths[23])
    fit = fit_images(read_headers(paths), at="pets")
    with pytest.raises(DataError, match=r"0023\.png: this image cannot be read"):
        read_images(paths, fit)


def test_what_pillow_finds_odd_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path, noise(3, 20, 20))
    # An image over this limit is warned of, and warnings are errors here.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with pytest.warns(Image.DecompressionBombWarning), Image.open(paths[0]):
        pass
    fit = fit_images(read_headers(paths), at="pets")
    assert len(read_images(paths, fit)) == 3
