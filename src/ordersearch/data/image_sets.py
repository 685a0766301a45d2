"""Many images as one array: the size and kind that suits them all, and decoding them side by side."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.images import ImageFile, ImageHeader, Kind, read_header, read_image
from ordersearch.data.memory import VARIABLE, memory_budget
from ordersearch.errors import DataError

LARGE_SIDE = 128
_MOST_THREADS = 8
# A fixed bound beside the free memory, since a set that is an array one day and rows of files another has two
# fingerprints, and a study would not be resumed.
_MOST_ARRAY_BYTES = 2**30

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class ImageFit:
    """What all images of a data set are brought to.

    Attributes:
        kind: As ``images.read_image`` takes it.
        height: Of every image.
        width: Of every image.
        notes: What is changed for it.
    """

    kind: Kind
    height: int
    width: int
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)`` of one image."""
        return (3 if self.kind == "colour" else 1, self.height, self.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 for images of more than 8 bits, else uint8."""
        return np.dtype(np.float32 if self.kind == "deep" else np.uint8)

    @property
    def mode(self) -> Literal["L", "RGB"]:
        """The kind as ``rows.ImageRows`` takes it."""
        return "RGB" if self.kind == "colour" else "L"

    def n_bytes(self, n: int) -> int:
        """What ``n`` such images take as one array."""
        return n * math.prod(self.shape) * self.dtype.itemsize

    def is_array(self, n: int) -> bool:
        """Whether ``n`` images of files are held as an array: up to a GiB, or what ``ORDERSEARCH_MEMORY`` says.

        What happens to be free decides nothing.
        """
        most = min(_MOST_ARRAY_BYTES, memory_budget()) if os.environ.get(VARIABLE, "").strip() else _MOST_ARRAY_BYTES
        return self.n_bytes(n) <= most


def fit_images(headers: Sequence[ImageHeader], *, at: str) -> ImageFit:
    """The size and kind that images with these headers are brought to.

    They are grey when all are grey, else coloured. When they differ in size, each is resized to the median height and
    the median width, both scaled down so that the longer is at most 128; images of one size keep it, whatever it is.

    Args:
        headers: One for each image, at least one.
        at: Where the images are, for the error.

    Example:
        >>> fit_images([ImageHeader(30, 40, "grey", False), ImageHeader(60, 40, "colour", False)], at="pets").shape
        (3, 45, 40)

    Raises:
        DataError: Some have 16 bits or more a pixel and others 8, so that their scales differ.
    """
    kinds = Counter(header.kind for header in headers)
    if kinds["deep"] not in (0, len(headers)):
        raise DataError(
            f"{at}: {kinds['deep']} of {len(headers)} images have 16 bits or more a pixel and the others 8, so that "
            "their scales differ. Store all of them alike."
        )
    kind: Kind = "deep" if kinds["deep"] else "colour" if kinds["colour"] else "grey"
    height, width, size_notes = _common_size(headers)
    return ImageFit(kind, height, width, (*_kind_notes(headers, kinds, kind), *size_notes))


def read_headers(files: Iterable[ImageFile]) -> list[ImageHeader]:
    """The header of each file, in order.

    Raises:
        DataError: One of them is no image.
    """
    return _in_threads(read_header, files)


def read_images(files: Sequence[ImageFile], fit: ImageFit) -> NDArray[Any]:
    """All images as one array ``(n, *fit.shape)``, decoded in several threads.

    Raises:
        DataError: One of them is cut short or broken.
    """
    images = np.empty((len(files), *fit.shape), fit.dtype)

    def read_into(row: int) -> None:
        images[row] = read_image(files[row], fit.shape, fit.kind)

    _in_threads(read_into, range(len(files)))
    return images


def _in_threads(work: Callable[[S], T], items: Iterable[S]) -> list[T]:
    # Pillow lets go of the interpreter while it decodes, so that threads serve and nothing is copied between processes.
    pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
    with warnings.catch_warnings():
        # What Pillow finds odd in a file that it reads all the same would be told once for each image.
        warnings.simplefilter("ignore")
        try:
            return list(pool.map(work, items))
        finally:
            pool.shutdown(cancel_futures=True)


def _common_size(headers: Sequence[ImageHeader]) -> tuple[int, int, tuple[str, ...]]:
    sizes = Counter((header.height, header.width) for header in headers)
    if len(sizes) == 1:
        (height, width), _ = sizes.popitem()
        return height, width, _large_notes(height, width)
    medians = [float(np.median([size[axis] for size in sizes.elements()])) for axis in (0, 1)]
    scale = min(1.0, LARGE_SIDE / max(medians))
    height, width = (max(1, round(side * scale)) for side in medians)
    least, most = (choose(sizes, key=lambda size: (size[0] * size[1], size)) for choose in (min, max))
    note = (
        f"The images have {len(sizes)} sizes, from {least[0]}x{least[1]} to {most[0]}x{most[1]} (height x width); "
        f"all were resized to {height}x{width}, the median height and width{_scaled(scale)}, whatever their "
        "proportions."
    )
    return height, width, (note,)


def _scaled(scale: float) -> str:
    return "" if scale == 1 else f" scaled to at most {LARGE_SIDE}"


def _large_notes(height: int, width: int) -> tuple[str, ...]:
    times = height * width / LARGE_SIDE**2
    if max(height, width) <= LARGE_SIDE:
        return ()
    return (
        f"The images are trained at their size of {height}x{width}, which costs about {times:.2g} times what "
        f"{LARGE_SIDE}x{LARGE_SIDE} would; scale the files down if a search takes too long.",
    )


def _kind_notes(headers: Sequence[ImageHeader], kinds: Counter[Kind], kind: Kind) -> tuple[str, ...]:
    notes = []
    n_transparent = sum(header.transparent for header in headers)
    if n_transparent:
        notes.append(f"The transparency of {n_transparent} of {len(headers)} images was dropped.")
    if kind == "colour" and kinds["grey"]:
        notes.append(f"{kinds['grey']} grey images among {kinds['colour']} coloured ones were read as coloured.")
    if kind == "deep":
        notes.append("The images have 16 bits or more a pixel; their values were kept, as float32.")
    return tuple(notes)
