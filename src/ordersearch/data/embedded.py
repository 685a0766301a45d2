"""Data sets that come with the libraries ordersearch needs anyway."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ordersearch.data.arrays import Part, SourceArrays


def load_digits() -> SourceArrays:
    """1797 handwritten digits of 8x8 pixels with values 0..16 (scikit-learn's copy of the UCI test set)."""
    # Over a second of imports, which only those who ask for this data set should wait for.
    from sklearn import datasets

    bunch = datasets.load_digits()
    images = bunch.images.astype(np.uint8)[:, None]
    return SourceArrays("digits", Part(images, bunch.target, "digits: images", "digits: target"))


EMBEDDED: dict[str, Callable[[], SourceArrays]] = {"digits": load_digits}
