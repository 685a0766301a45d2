"""Data sets in pairs of numpy's .npy files, of which the inputs are never read as a whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.errors import DataError

FILES = "x_train.npy and y_train.npy (and x_val, y_val, x_test, y_test) or x.npy and y.npy"
_INPUTS = re.compile(r"(.*[_. -])?x(_train)?", re.IGNORECASE)
_NAMES_SHOWN = 10


def is_npy(path: Path) -> bool:
    """Whether this is an .npy file, or a folder that holds ``x.npy`` or ``x_train.npy``."""
    if path.is_dir():
        return not {"x", "x_train"}.isdisjoint(_files(path))
    return path.is_file() and path.suffix.lower() == ".npy"


def read_npy_pair(path: Path) -> SourceArrays:
    """The arrays of ``x_train.npy`` or ``x.npy`` and of the files beside it that are called alike.

    ``path`` is the file with the inputs, whose name may have something before the ``x`` (``mnist_x_train.npy``), or a
    folder. The targets are those of the same name with a y; ``x_val`` and ``y_val``, ``x_test`` and ``y_test`` are used
    where they are there. Upper and lower case count alike. Inputs are mapped into memory, so that they may be larger
    than it; pickled objects are never loaded.

    Raises:
        DataError: A file is missing, cut short or no .npy file, or holds Python objects.
    """
    folder = path if path.is_dir() else path.parent
    files = _files(folder)
    if path.is_dir():
        start, end = "", "_train" if "x_train" in files else ""
    else:
        start, end = _parse(path)
        files[f"{start}x{end}"] = path
    ends = {"train": end, "validation": "_val", "test": "_test"}
    parts = {
        part: _read_part(files, start, ends[part], folder)
        for part in ends
        if part == "train" or not {f"{start}{axis}{ends[part]}" for axis in "xy"}.isdisjoint(files)
    }
    return SourceArrays(
        name=start[:-1] or folder.resolve().name,
        train=parts["train"],
        test=parts.get("test"),
        validation=parts.get("validation"),
    )


def _files(folder: Path) -> dict[str, Path]:
    """The .npy files of a folder by their name in lower case, without its suffix."""
    return {path.stem.lower(): path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".npy"}


def _parse(path: Path) -> tuple[str, str]:
    """What stands before and after the x in the name of a file with inputs."""
    match = _INPUTS.fullmatch(path.stem)
    if match is None:
        raise DataError(
            f"{path}: a data set of .npy files is named by its inputs, but this name does not end in x.npy or "
            f"x_train.npy. Save {FILES} beside each other."
        )
    return (match[1] or "").lower(), (match[2] or "").lower()


def _read_part(files: dict[str, Path], start: str, end: str, folder: Path) -> Part:
    for axis in "xy":
        if f"{start}{axis}{end}" not in files:
            shown = ", ".join(sorted(path.name for path in files.values())[:_NAMES_SHOWN])
            more = ", ..." if len(files) > _NAMES_SHOWN else ""
            raise DataError(f"{folder}: there is no {start}{axis}{end}.npy beside {shown}{more}. Save {FILES}.")
    x, y = (files[f"{start}{axis}{end}"] for axis in "xy")
    return Part(_read(x), np.array(_read(y)), str(x), str(y))


def _read(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        if "Python objects" in str(error):
            raise DataError(
                f"{path}: holds Python objects, which are not loaded because unpickling runs code. "
                "Save plain numbers or text, after astype(float) or astype(str), say."
            ) from error
        if "magic string" in str(error):
            raise DataError(f"{path}: is no .npy file. Write it with numpy.save.") from error
        raise DataError(f"{path}: cannot be read: {error}. Is the file whole?") from error
    return array
