"""What a person names as their data, found and read: an embedded name, a file or a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ordersearch.data.arrays import Part, SourceArrays, assemble
from ordersearch.data.dataset import Dataset
from ordersearch.data.embedded import EMBEDDED
from ordersearch.data.idx import is_idx_folder, read_idx_folder
from ordersearch.data.npz import KEYS, read_npz
from ordersearch.errors import DataError, UnknownNameError, unknown_name


@dataclass(frozen=True)
class Reader:
    """One kind of path that can be read.

    Attributes:
        accepts: Whether an existing path is of this kind.
        read: Its arrays.
        what: The kind in words, for the error that lists what is accepted.
    """

    accepts: Callable[[Path], bool]
    read: Callable[[Path], SourceArrays]
    what: str


READERS: tuple[Reader, ...] = (
    Reader(lambda path: path.is_file() and path.suffix.lower() == ".npz", read_npz, f"an .npz file with {KEYS}"),
    Reader(is_idx_folder, read_idx_folder, "a folder of idx files such as train-images-idx3-ubyte.gz"),
)


def load_dataset(source: str | os.PathLike[str], *, input: str = "auto") -> Dataset:
    """The data set that ``source`` names, checked and with its channels first.

    Args:
        source: An embedded name ("digits"), the path of an .npz file, or of a folder of idx files. A folder that is
            called like an embedded name is written "./digits", or given as a ``Path``.
        input: What a sample is: "auto" (by the rule of ``layout.find_layout``), "table", "signal", "image" or "volume".

    Example:
        >>> print(load_dataset("digits").describe()[0])
        digits: 1797 images and no test part, 1 channel of 8x8 each, uint8.

    Raises:
        DataError: The path does not exist or cannot be read, or holds nothing that can be learnt from.
        UnknownNameError: ``source`` looks like a name and none such is known, or ``input`` is no kind of input.
    """
    return assemble(_read(source), input=input)


def dataset_from_arrays(
    x: ArrayLike,
    y: ArrayLike,
    *,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    name: str = "arrays",
    input: str = "auto",
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """The data set of arrays that are in memory already, under the same rules and checks as files.

    Args:
        x: Inputs, samples first; see ``layout.find_layout`` for the shapes. Not copied when it needs no conversion,
            so leave the array as it is afterwards.
        y: Labels, see ``labels.index_labels``.
        x_test: Inputs of a test part.
        y_test: Its labels.
        name: For reports and run folders.
        input: As for ``load_dataset``.
        class_names: What label 0, 1, ... is called.

    Example:
        >>> dataset_from_arrays([[0.0], [1.0], [2.0], [3.0]], ["a", "b", "a", "b"]).class_names
        ('a', 'b')

    Raises:
        DataError: The arrays are no data set that orders can be compared on.
        UnknownNameError: ``input`` is no kind of input.
    """
    if (x_test is None) != (y_test is None):
        missing = "y_test" if y_test is None else "x_test"
        raise DataError(f"Got a test part without {missing}, but it needs both x_test and y_test.")
    test = None
    if x_test is not None and y_test is not None:
        test = Part(_array(x_test, "x_test"), _array(y_test, "y_test"), "x_test", "y_test")
    names = None if class_names is None else tuple(class_names)
    return assemble(SourceArrays(name, Part(_array(x, "x"), _array(y, "y"), "x", "y"), test, names), input=input)


def _array(values: ArrayLike, at: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{at} is no array: {error}.") from error


def _read(source: str | os.PathLike[str]) -> SourceArrays:
    if isinstance(source, str) and source in EMBEDDED:
        return EMBEDDED[source]()
    path = Path(source).expanduser()
    for reader in READERS:
        if reader.accepts(path):
            return reader.read(path)
    raise _unreadable(os.fspath(source), path)


def _unreadable(source: str, path: Path) -> DataError | UnknownNameError:
    paths = ", or of ".join(reader.what for reader in READERS)
    accepted = f"A data set is {', '.join(map(repr, sorted(EMBEDDED)))}, or the path of {paths}."
    if path.is_dir():
        return DataError(f"{source}: nothing in this folder can be read as a data set. {accepted}")
    if path.exists():
        return DataError(f"{source}: a file of this kind ({path.suffix or 'no suffix'}) cannot be read. {accepted}")
    if path.suffix or len(path.parts) != 1 or source.startswith(("~", ".")):
        return DataError(f"{source}: this path does not exist (looked in {Path.cwd()}). {accepted}")
    return UnknownNameError(f"{unknown_name('data set', source, EMBEDDED)} {accepted}")
