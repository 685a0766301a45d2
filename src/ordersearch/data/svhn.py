"""SVHN (street-view house numbers) in its MATLAB files of 32x32 images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.errors import DataError

_TRAIN, _TEST = "train_32x32.mat", "test_32x32.mat"


def is_svhn_folder(path: Path) -> bool:
    """Whether this folder holds SVHN's training file."""
    return (path / _TRAIN).is_file()


def read_svhn_folder(path: Path) -> SourceArrays:
    """The images and labels of ``train_32x32.mat`` and, when it is there, ``test_32x32.mat``; label 10 is the digit 0.

    Raises:
        DataError: A file is cut short or holds something else.
    """
    return SourceArrays(
        name=path.resolve().name,
        train=_read_part(path / _TRAIN),
        test=_read_part(path / _TEST) if (path / _TEST).is_file() else None,
        input="image",
    )


def _read_part(path: Path) -> Part:
    from scipy.io import loadmat

    try:
        held = loadmat(path, variable_names=("X", "y"))
        x, y = held["X"], held["y"]
    except KeyError as error:
        raise DataError(f"{path}: has no variable {error}, but SVHN's files hold the images X and the labels y.") from (
            error
        )
    # The reader of MATLAB files raises whatever a broken one makes it stumble over.
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read: {str(error).rstrip('.') or type(error).__name__}. Is the file whole?"
        ) from error
    if x.dtype != np.uint8 or x.shape[:3] != (32, 32, 3) or x.ndim != 4 or y.size != x.shape[3]:
        raise DataError(
            f"{path}: X is {x.dtype} of shape {x.shape} and y of shape {y.shape}, but SVHN's images are uint8 "
            "(32, 32, 3, n) with n labels."
        )
    return Part(np.moveaxis(x, -1, 0), y.reshape(-1).astype(np.int64) % 10, f"{path}: X", f"{path}: y")
