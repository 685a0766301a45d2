"""Data sets that come with the libraries ordersearch needs anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ordersearch.data.arrays import Part, SourceArrays


def load_digits() -> SourceArrays:
    """1797 handwritten digits of 8x8 pixels with values 0..16 (scikit-learn's copy of the UCI test set)."""
    bunch = _bunch("digits")
    images = bunch.images.astype(np.uint8)[:, None]
    return SourceArrays("digits", Part(images, bunch.target, "digits: images", "digits: target"))


def load_wine() -> SourceArrays:
    """178 wines of three growers by 13 chemical measures (scikit-learn's copy of the UCI table)."""
    return _table("wine", _bunch("wine"))


def load_breast_cancer() -> SourceArrays:
    """569 tumours, malignant or benign, by 30 measures of their cells (scikit-learn's copy of the UCI table)."""
    return _table("breast_cancer", _bunch("breast_cancer"))


def load_diabetes() -> SourceArrays:
    """442 patients by 10 measures, and as a number to predict how far their illness got a year later (Efron 2004)."""
    return _table("diabetes", _bunch("diabetes", scaled=False), target="progression")


def _bunch(name: str, **options: Any) -> Any:
    # Over a second of imports, which only those who ask for one of these should wait for.
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(**options)


def _table(name: str, bunch: Any, *, target: str = "") -> SourceArrays:
    return SourceArrays(
        name,
        Part(bunch.data, bunch.target, f"{name}: data", f"{name}: target"),
        class_names=None if target else tuple(str(label) for label in bunch.target_names),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        target_names=(target,) if target else None,
    )


EMBEDDED: dict[str, Callable[[], SourceArrays]] = {
    "digits": load_digits,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
}
