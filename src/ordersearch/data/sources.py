"""What a person names as their data, found and read: a name, a file or a folder, the hub, their own code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ordersearch.data.arrays import Part, SourceArrays, assemble
from ordersearch.data.cifar import is_cifar_folder, read_cifar_folder
from ordersearch.data.dataset import Dataset
from ordersearch.data.downloads import DOWNLOADS, read_download
from ordersearch.data.embedded import EMBEDDED
from ordersearch.data.hugging_face import PREFIX, read_hub
from ordersearch.data.idx import is_idx_folder, read_idx_folder
from ordersearch.data.image_folder import LAYOUT, is_image_folder, read_image_folder
from ordersearch.data.npy import is_npy, read_npy_pair
from ordersearch.data.npz import KEYS, read_npz
from ordersearch.data.svhn import is_svhn_folder, read_svhn_folder
from ordersearch.data.tables import SUFFIXES, is_table, read_table
from ordersearch.data.user_code import ACCEPTED, read_user_code, read_value, seeded
from ordersearch.errors import DataError, UnknownNameError, unknown_name
from ordersearch.registry import Registry
from ordersearch.user_code import names_user_code


@dataclass(frozen=True)
class Reader:
    """One kind of path that can be read.

    Attributes:
        accepts: Whether an existing path is of this kind.
        read: Its arrays, given the path, and the target where it has columns.
        kind: What it is, in a few words.
        what: What it holds, in a line.
        has_columns: Whether a target can be chosen.
    """

    accepts: Callable[[Path], bool]
    read: Callable[..., SourceArrays]
    kind: str
    what: str
    has_columns: bool = False


# The first that accepts a path reads it: image folders, which nearly any folder could be, come last.
READERS: tuple[Reader, ...] = (
    Reader(lambda path: path.is_file() and path.suffix.lower() == ".npz", read_npz, "an .npz file", KEYS),
    Reader(is_npy, read_npy_pair, "an .npy file", "x.npy beside y.npy, x_train.npy and so on, or their folder"),
    Reader(
        is_table,
        read_table,
        "a .csv, .tsv or .parquet file",
        "a table, .csv and .tsv gzipped or not, of which a target is named",
        True,
    ),
    Reader(is_idx_folder, read_idx_folder, "a folder of idx files", "train-images-idx3-ubyte.gz and so on"),
    Reader(is_cifar_folder, read_cifar_folder, "a folder of CIFAR batches", "data_batch_1 and so on, or train.bin"),
    Reader(is_svhn_folder, read_svhn_folder, "a folder of SVHN's .mat files", "train_32x32.mat and test_32x32.mat"),
    Reader(is_image_folder, read_image_folder, "an image folder", LAYOUT),
)

_EMBEDDED = {
    "digits": "1797 handwritten digits, 8x8 grey",
    "wine": "178 wines of three growers by 13 measures",
    "breast_cancer": "569 tumours, good or bad, by 30 measures",
    "diabetes": "442 patients by 10 measures; how far their illness got, a number",
}

DATASETS: Registry[Callable[[], Any]] = Registry(
    "data set",
    "ordersearch.datasets",
    {**EMBEDDED, **{name: partial(read_download, name) for name in DOWNLOADS}},
)


def load_dataset(
    source: str | os.PathLike[str], *, input: str = "auto", target: str = "", task: str = "auto"
) -> Dataset:
    """The data set that ``source`` names, checked and with its channels first.

    Args:
        source: A name ("digits", "mnist"), a path, "hf:NAME" or "hf:NAME:CONFIG" for the Hugging Face hub, or
            "package.module:attribute" for a DataModule or a function of one's own; ``source_kinds`` lists them all.
            A name wins over a file that is called like it: write "./digits" for that file, or give a ``Path``.
        input: What a sample is: "auto" (by the rule of ``layout.find_layout``), "table", "signal", "image" or "volume".
        target: The column of a table to predict, or several joined by ",".
        task: "auto" (by the rule of ``targets.find_task``), "classification", "regression" or "multilabel".

    Example:
        >>> print(load_dataset("digits").describe()[0])
        digits: 1797 images and no test part, 1 channel of 8x8 each, uint8.

    Raises:
        DataError: The path does not exist or cannot be read, or holds nothing that can be learnt from.
        UnknownNameError: ``source`` looks like a name and none such is known, or ``input`` or ``task`` is none.
        PluginError: The data set comes from a plugin that cannot be imported, or from two.
    """
    with _plugin_told(source):
        found = _read(source, target)
        if isinstance(found, Dataset):
            _require_as_asked(found, source, input, task)
            return found
        return assemble(found, input=input, task=task)


@contextmanager
def _plugin_told(source: str | os.PathLike[str]) -> Iterator[None]:
    """Say of what goes wrong in the data set of a plugin whose it is."""
    try:
        yield
    except DataError as cause:
        if not isinstance(source, str) or source not in DATASETS.plugin_names():
            raise
        raise DataError(f"{cause} It comes from the plugin {DATASETS.package(source)}.") from cause


def dataset_from_arrays(
    x: ArrayLike,
    y: ArrayLike,
    *,
    x_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    name: str = "arrays",
    input: str = "auto",
    task: str = "auto",
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """The data set of arrays that are in memory already, under the same rules and checks as files.

    Args:
        x: Inputs, samples first; see ``layout.find_layout`` for the shapes. Not copied when it needs no conversion,
            so leave the array as it is afterwards.
        y: Targets, see ``targets.find_task``.
        x_val: Inputs of a validation part, which is then the same for every split.
        y_val: Its targets.
        x_test: Inputs of a test part.
        y_test: Its targets.
        name: For reports and run folders.
        input: As for ``load_dataset``.
        task: As for ``load_dataset``.
        class_names: What label 0, 1, ... is called.

    Example:
        >>> dataset_from_arrays([[0.0], [1.0], [2.0], [3.0]], ["a", "b", "a", "b"]).class_names
        ('a', 'b')

    Raises:
        DataError: The arrays are no data set that orders can be compared on.
        UnknownNameError: ``input`` is no kind of input, or ``task`` no task.
    """
    source = SourceArrays(
        name,
        Part(_array(x, "x"), _array(y, "y"), "x", "y"),
        _part(x_test, y_test, "test"),
        None if class_names is None else tuple(class_names),
        validation=_part(x_val, y_val, "val"),
    )
    return assemble(source, input=input, task=task)


def source_kinds() -> tuple[tuple[str, str], ...]:
    """Everything that ``load_dataset`` reads: how it is written, and what it is.

    Example:
        >>> dict(source_kinds())["mnist"]
        '70000 handwritten digits, 28x28 grey'
    """
    embedded = ((name, _EMBEDDED.get(name, "of scikit-learn")) for name in EMBEDDED)
    downloads = ((name, row.summary) for name, row in DOWNLOADS.items())
    plugins = ((name, f"from the plugin {DATASETS.package(name)}") for name in DATASETS.plugin_names())
    paths = (("PATH", f"{reader.kind}: {reader.what}") for reader in READERS)
    return (
        *embedded,
        *downloads,
        *plugins,
        *paths,
        ("hf:NAME[:CONFIG]", "a data set of the Hugging Face hub; hf:./FOLDER reads a local one"),
        ("package.module:attribute", ACCEPTED),
    )


def _part(x: ArrayLike | None, y: ArrayLike | None, end: str) -> Part | None:
    if x is None and y is None:
        return None
    if x is None or y is None:
        part = {"val": "validation"}.get(end, end)
        raise DataError(
            f"Got a {part} part without {'x' if x is None else 'y'}_{end}, but it needs both x_{end} and y_{end}."
        )
    return Part(_array(x, f"x_{end}"), _array(y, f"y_{end}"), f"x_{end}", f"y_{end}")


def _array(values: ArrayLike, at: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{at} is no array: {error}.") from error


def _read(source: str | os.PathLike[str], target: str) -> SourceArrays | Dataset:
    text = os.fspath(source)
    if isinstance(source, str):
        if source.startswith(PREFIX):
            return read_hub(source.removeprefix(PREFIX), target)
        if source in DATASETS or names_user_code(source):
            _require_no_target(text, target)
            return _read_name(source) if source in DATASETS else read_user_code(source)
    path = _path(source)
    reader = next((reader for reader in READERS if text and reader.accepts(path)), None)
    if reader is None:
        raise _unreadable(text, path)
    if reader.has_columns:
        return reader.read(path, target)
    _require_no_target(text, target)
    return reader.read(path)


def _path(source: str | os.PathLike[str]) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        raise DataError(f"{os.fspath(source)}: there is no such user: {error}") from error


def _read_name(name: str) -> SourceArrays | Dataset:
    if name in DATASETS.builtin_names():
        arrays: SourceArrays = DATASETS[name]()
        return arrays
    with seeded():
        return read_value(DATASETS[name], at=name)


def _require_no_target(source: str, target: str) -> None:
    if target:
        raise DataError(
            f"{source}: got target={target!r}, but only tables ({', '.join(SUFFIXES)}) and hf:NAME have columns to "
            "choose a target from. Leave it out."
        )


def _require_as_asked(dataset: Dataset, source: str | os.PathLike[str], input: str, task: str) -> None:
    for option, asked, held in (("input", input, dataset.input), ("task", task, dataset.task)):
        if asked not in ("auto", held):
            raise DataError(
                f"{os.fspath(source)}: gives a Dataset of {option}={held!r}, which {option}={asked!r} cannot change. "
                "Leave it out, or give arrays instead."
            )


def _unreadable(source: str, path: Path) -> DataError | UnknownNameError:
    kinds = [reader.kind for reader in READERS]
    others = (
        f"the path of {', '.join(kinds[:-1])} or {kinds[-1]}; hf:NAME; or package.module:attribute. All are told by "
        "'python -m ordersearch list datasets'."
    )
    accepted = f"A data set is a known name; {others}"
    if not source:
        return DataError(f"Got '' as the data set. {accepted}")
    if path.is_dir():
        return DataError(f"{source}: nothing in this folder can be read as a data set. {accepted}")
    if path.exists():
        return DataError(f"{source}: a file of this kind ({path.suffix or 'no suffix'}) cannot be read. {accepted}")
    if path.suffix or len(path.parts) != 1 or source.startswith(("~", ".")):
        return DataError(f"{source}: this path does not exist (looked in {Path.cwd()}). {accepted}")
    return UnknownNameError(f"{unknown_name('data set', source, DATASETS)} A data set can also be {others}")
