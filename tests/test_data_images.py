"""One image file: what its header says, what its pixels are, and what is said when it is broken."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ordersearch.data.images import (
    EncodedImage,
    ImageHeader,
    Kind,
    image_formats,
    image_suffixes,
    is_image_name,
    read_header,
    read_image,
)
from ordersearch.data.rows import ImageRows
from ordersearch.errors import DataError
from tests.images import cut, noise

ORIENTATION = 0x0112
COLOURS = noise(1, 6, 9)[0]
GREYS = COLOURS[:, :, 0]
DEEP = GREYS.astype(np.uint16) * 257 + 3


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_formats_and_their_endings() -> None:
    assert {"JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"} <= set(image_formats())
    assert "EPS" not in image_formats()
    assert {".jpg", ".jpeg", ".png", ".tif"} <= image_suffixes()
    assert [is_image_name(name) for name in ("a.JPG", "b.PnG", "c.txt", "d.h5", "e.eps", "f", ".png")] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("image", "kind", "is_transparent"),
    [
        (Image.fromarray(GREYS), "grey", False),
        (Image.fromarray(GREYS > 99), "grey", False),
        (Image.fromarray(COLOURS), "colour", False),
        (Image.fromarray(COLOURS).convert("P"), "colour", False),
        (Image.fromarray(COLOURS).convert("RGBA"), "colour", True),
        (Image.fromarray(GREYS).convert("LA"), "grey", True),
        (Image.fromarray(DEEP), "deep", False),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_headers(tmp_path: Path, image: Image.Image, kind: Kind, is_transparent: bool) -> None:
    path = saved(tmp_path / "a.png", image)
    assert read_header(path) == ImageHeader(6, 9, kind, is_transparent)


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("L", "grey", GREYS[None]),
        ("L", "colour", np.repeat(GREYS[None], 3, axis=0)),
        ("RGB", "colour", COLOURS.transpose(2, 0, 1)),
        ("RGBA", "colour", COLOURS.transpose(2, 0, 1)),
    ],
)
def test_pixels_have_their_channels_first(tmp_path: Path, mode: str, kind: Kind, expected: NDArray[Any]) -> None:
    image = Image.fromarray(GREYS if mode == "L" else COLOURS).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(GREYS))
    pixels = read_image(saved(tmp_path / "a.png", image), (len(expected), 6, 9), kind)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)


def test_a_palette_is_read_as_colours_even_with_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS).quantize(16)
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    path = saved(tmp_path / "a.png", image, transparency=bytes(range(16)))
    assert read_header(path) == ImageHeader(6, 9, "colour", True)
    np.testing.assert_array_equal(read_image(path, (3, 6, 9), "colour"), expected)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_keep_their_values(tmp_path: Path, suffix: str) -> None:
    pixels = read_image(saved(tmp_path / f"a{suffix}", Image.fromarray(DEEP)), (1, 6, 9), "deep")
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[0], DEEP)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_are_turned_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.new("RGB", (60, 40), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 30, 20))
    path = saved(tmp_path / f"a{suffix}", image, exif=exif)
    header = read_header(path)
    assert (header.height, header.width) == ((60, 40) if orientation >= 5 else (40, 60))
    pixels = read_image(path, (3, header.height, header.width), "colour")[0]
    bright = pixels[: header.height // 2].mean() > pixels[header.height // 2 :].mean()
    left = pixels[:, : header.width // 2].mean() > pixels[:, header.width // 2 :].mean()
    assert (bright, left) == {
        1: (True, True),
        2: (True, False),
        3: (False, False),
        4: (False, True),
        5: (True, True),
        6: (True, False),
        7: (False, False),
        8: (False, True),
    }[orientation]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".mpo"])
def test_another_size_is_resized_without_aliasing(tmp_path: Path, suffix: str) -> None:
    stripes = np.zeros((800, 1000, 3), np.uint8)
    stripes[:, ::2] = 255
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(stripes))
    pixels = read_image(path, (3, 8, 10), "colour")
    assert pixels.shape == (3, 8, 10)
    # Taking every hundredth column would give black or white.
    assert pixels.min() > 110
    assert pixels.max() < 145


def test_an_image_in_memory_can_be_read_twice(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "png")
    image = EncodedImage(buffer.getvalue(), "pets[3].image")
    for _ in range(2):
        assert read_header(image).height == 6
        np.testing.assert_array_equal(read_image(image, (3, 6, 9), "colour"), COLOURS.transpose(2, 0, 1))
    with pytest.raises(DataError, match=r"^pets\[3\]\.image: is no image of a known format"):
        read_header(EncodedImage(b"nothing", "pets[3].image"))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(noise(1, 40, 40)[0]))
    cut(path, 0.6)
    assert read_header(path).height == 40
    with pytest.raises(DataError, match=rf"a\{suffix}: this image cannot be read: .*truncated.*Is the file whole\?"):
        read_image(path, (3, 40, 40), "colour")


@pytest.mark.parametrize("data", [b"", b"not an image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_image_is_told_whatever_it_is_called(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png: is no image of a known format, whatever its name says"):
        read_header(tmp_path / "a.png")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png: this image cannot be read: .*No such file"):
        read_header(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_rows_of_files_hold_the_same_pixels(tmp_path: Path, mode: str, kind: Kind) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    big, small = Image.fromarray(noise(1, 90, 70)[0]), Image.fromarray(COLOURS)
    suffix = ".tiff" if mode == "CMYK" else ".png"
    paths = [saved(tmp_path / f"{name}{suffix}", image.convert(mode)) for name, image in (("a", big), ("b", small))]
    paths.append(saved(tmp_path / "c.jpg", big, exif=exif))
    rows = ImageRows(paths, size=(6, 9), mode="L" if kind == "grey" else "RGB")
    expected = np.stack([read_image(path, (1 if kind == "grey" else 3, 6, 9), kind) for path in paths])
    np.testing.assert_array_equal(rows[np.arange(3)], expected)
