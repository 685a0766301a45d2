"""One image file: its size and kind without decoding, and its pixels as an array."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ordersearch.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Kind = Literal["grey", "colour", "deep"]

_GREY = ("1", "L", "LA", "La")
_DEEP = ("I", "F")
_MODES: dict[str, str] = {"grey": "L", "colour": "RGB", "deep": "F"}
# Stubs that decode nothing by themselves, and EPS, which would start Ghostscript on the file.
_NOT_READ = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")
_ORIENTATION = 0x0112
_SIDEWAYS = range(5, 9)


class EncodedImage(io.BytesIO):
    """An image file that is held in memory, and where it came from."""

    def __init__(self, data: bytes, at: str) -> None:
        super().__init__(data)
        self.at = at

    def __str__(self) -> str:
        return self.at


ImageFile = Path | EncodedImage


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of its image before it is decoded.

    Attributes:
        height: Of the upright image: an EXIF orientation is applied.
        width: Of the upright image.
        kind: "grey" and "colour" have 8 bits a value (a palette is colour), "deep" is grey of 16 bits or more.
        transparent: Whether it says how transparent each pixel is.
    """

    height: int
    width: int
    kind: Kind
    transparent: bool


@cache
def image_formats() -> tuple[str, ...]:
    """The names of the file formats that are read: all that Pillow decodes by itself."""
    from PIL import Image

    Image.init()
    return tuple(sorted(set(Image.OPEN).difference(_NOT_READ)))


@cache
def image_suffixes() -> frozenset[str]:
    """The endings of image files, in lower case.

    Example:
        >>> sorted(image_suffixes().intersection({".jpg", ".png", ".txt", ".pdf"}))
        ['.jpg', '.png']
    """
    from PIL import Image

    formats = image_formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image: by its ending, in either case."""
    return Path(name).suffix.lower() in image_suffixes()


def read_header(file: ImageFile) -> ImageHeader:
    """The size and kind of an image, from the first bytes of its file.

    Raises:
        DataError: The file is no image, or its header is broken.
    """
    with _opened(file) as image:
        width, height = image.size
        if _orientation(image) in _SIDEWAYS:
            width, height = height, width
        return ImageHeader(height, width, _kind(image.mode), image.has_transparency_data)


def read_image(file: ImageFile, shape: tuple[int, int, int], kind: Kind) -> NDArray[Any]:
    """The pixels of one image as ``(channels, height, width)``.

    The image is turned upright by its EXIF orientation, its transparency is dropped, and an image of another size is
    resized (bilinear, antialiased, without keeping its proportions).

    Args:
        file: The file.
        shape: ``(channels, height, width)`` of the result.
        kind: "grey" and "colour" give uint8, "deep" float32 with the values as they are stored.

    Raises:
        DataError: The file is no image, or it is cut short or broken.
    """
    from PIL import Image, ImageOps

    _, height, width = shape
    with _opened(file) as image:
        if image.format in ("JPEG", "MPO"):
            # A photograph of twelve megapixels is decoded at an eighth of its size in a fraction of the time.
            image.draft(None, (2 * max(height, width),) * 2)
        upright = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
        if upright.mode == "P" and "transparency" in upright.info:
            upright = upright.convert("RGBA")
        wanted = _MODES[kind]
        pixels = upright if upright.mode == wanted else upright.convert(wanted)
        if pixels.size != (width, height):
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
        array = np.asarray(pixels)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


@contextmanager
def _opened(file: ImageFile) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file, formats=image_formats()) as image:
            yield image
    except UnidentifiedImageError as error:
        raise DataError(
            f"{file}: is no image of a known format, whatever its name says. Fetch the file again or remove it."
        ) from error
    # Pillow's decoders raise whatever they stumble over: OSError, SyntaxError, ValueError, struct.error, ...
    except Exception as error:
        raise DataError(
            f"{file}: this image cannot be read: {_text(error)}. Is the file whole? Fetch it again or remove it."
        ) from error


def _text(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")


def _kind(mode: str) -> Kind:
    if mode in _GREY:
        return "grey"
    return "deep" if mode in _DEEP or mode.startswith("I;16") else "colour"


def _orientation(image: Image) -> int:
    # Asking a PNG for its EXIF data would decode it, unless they stand before the pixels.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    value = image.getexif().get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1
