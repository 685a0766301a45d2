"""Data sets in numpy's .npz files."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.errors import DataError

KEYS = "'x_train' and 'y_train' (and 'x_test' and 'y_test') or 'x' and 'y'"
_VALIDATION = {"x_val", "y_val"}
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, NotImplementedError)


def read_npz(path: Path) -> SourceArrays:
    """The arrays of an .npz file under the keys ``x_train, y_train[, x_test, y_test]`` or ``x, y``, in either case.

    With ``x_val`` and ``y_val`` these samples validate in every split, and all others train: who sets some apart (other
    patients, later dates) mostly has a reason that a random draw would break. Without, they are drawn for each split.
    A key ``classes`` or ``class_names`` with one text per class names the classes.
    Pickled objects are never loaded.

    Raises:
        DataError: The file is no whole .npz file, or lacks one of the keys.
    """
    with _opened(path) as archive:
        keys = {key.lower(): key for key in sorted(archive.files)} | {key: key for key in archive.files}
        end = "_train" if "x_train" in keys or "y_train" in keys else ""
        train = _read_part(archive, keys, end, path)
        test = _read_part(archive, keys, "_test", path) if "x_test" in keys or "y_test" in keys else None
        return SourceArrays(
            name=path.resolve().stem,
            train=train,
            test=test,
            validation=_read_part(archive, keys, "_val", path) if keys.keys() >= _VALIDATION else None,
            class_names=_read_class_names(archive, keys, path),
            notes=_notes(keys),
        )


def _opened(path: Path) -> NpzFile:
    try:
        if zipfile.is_zipfile(path):
            archive: NpzFile = np.load(path, allow_pickle=False)
            return archive
        path.open("rb").close()  # is_zipfile hides why a file cannot be opened
    except _UNREADABLE as error:
        raise DataError(f"{path}: cannot be opened: {error}. Is the file whole?") from error
    raise DataError(
        f"{path}: is no zip archive, which an .npz file is. Either it was cut short (fetch it again), or it was not "
        f"written by numpy.savez: save {KEYS} with that."
    )


def _read_part(archive: NpzFile, keys: dict[str, str], end: str, path: Path) -> Part:
    wanted = (f"x{end}", f"y{end}")
    for key in wanted:
        if key not in keys:
            found = ", ".join(repr(name) for name in archive.files[:20]) or "none"
            raise DataError(f"{path}: there is no key {key!r}; the keys are {found}. Save {KEYS} with numpy.savez.")
    x, y = (keys[key] for key in wanted)
    return Part(_read(archive, x, path), _read(archive, y, path), f"{path}: {x}", f"{path}: {y}")


def _read(archive: NpzFile, key: str, path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[key]
    except MemoryError as error:
        raise DataError(f"{path}: {key} does not fit into memory: {error}") from error
    except _UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: {key} holds Python objects, which are not loaded because unpickling runs code. "
                "Save plain numbers or text, after astype(float) or astype(str), say."
            ) from error
        raise DataError(f"{path}: {key} cannot be read: {error}. Is the file whole?") from error
    return array


def _read_class_names(archive: NpzFile, keys: dict[str, str], path: Path) -> tuple[str, ...] | None:
    key = keys.get("class_names", keys.get("classes"))
    if key is None:
        return None
    names = _read(archive, key, path)
    return tuple(names.tolist()) if names.ndim == 1 and names.dtype.kind == "U" else None


def _notes(keys: dict[str, str]) -> tuple[str, ...]:
    if "x_val" not in keys or keys.keys() >= _VALIDATION:
        return ()
    return (f"{keys['x_val']} is not used: validation samples are drawn from the training part, anew for every split.",)
