"""Data sets of the Hugging Face hub, or of a local folder that its library reads: ``hf:NAME`` or ``hf:NAME:CONFIG``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.data.columns import features_of, read_column
from ordersearch.data.hub_columns import (
    array_of,
    class_names,
    frame_of,
    kind_of,
    select_inputs,
    select_targets,
    target_array,
)
from ordersearch.data.image_sets import fit_images, read_headers, read_images
from ordersearch.data.images import EncodedImage, ImageFile
from ordersearch.data.memory import memory_budget
from ordersearch.data.tables import column_notes
from ordersearch.errors import DataError

PREFIX = "hf:"
_PARTS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
_HIDDEN = -1
_ROWS_AT_ONCE = 1000


def read_hub(name: str, target: str = "") -> SourceArrays:
    """The arrays of a data set that the library ``datasets`` loads; it shows its progress and keeps its own cache.

    Its splits ``train``, ``validation`` and ``test`` are the parts. Inputs are the column of images, else that of
    arrays, else all columns as a table. The target is the only column of classes unless ``target`` names another.

    Args:
        name: ``NAME`` or ``NAME:CONFIG``, where NAME is that of the hub, or a local folder such as ``./mine``.
        target: The column to predict, or several joined by ",".

    Raises:
        DataError: The library is missing, cannot load the data set, or its columns are none that can be learnt from.
        UnknownNameError: There is no column ``target``.
    """
    at = f"{PREFIX}{name}"
    splits, notes = _parts(_loaded(name, at), at)
    schema = splits["train"].features
    targets = select_targets(schema, target, at)
    inputs = select_inputs(schema, targets, at)
    if inputs.unused:
        notes = (*notes, f"Not read: {', '.join(inputs.unused)}.")
    y = {part: target_array(split, targets, f"{at}: {part}") for part, split in splits.items()}
    hidden_notes = _drop_hidden(splits, y, is_class=kind_of(schema[targets[0]]) == "class")
    features: tuple[str, ...] = ()
    if inputs.kind == "table":
        x, features, x_notes = _table(splits, inputs.names, at)
    elif inputs.kind == "image":
        x, x_notes = _images(splits, inputs.names[0], at)
    else:
        x, x_notes = {part: array_of(split, inputs.names[0], at) for part, split in splits.items()}, ()
    parts = {part: Part(x[part], y[part], f"{at}: {part}", f"{at}: {part}, {', '.join(targets)}") for part in splits}
    names = class_names(schema, targets)
    return SourceArrays(
        name=_short(name),
        train=parts["train"],
        test=parts.get("test"),
        validation=parts.get("validation"),
        class_names=names,
        target_names=targets if names is None else None,
        feature_names=features,
        notes=(*notes, *hidden_notes, *x_notes),
        input="image" if inputs.kind == "image" else None,
    )


def _loaded(name: str, at: str) -> Mapping[str, Any]:
    """The splits of the data set by name."""
    try:
        import datasets
    # It imports much that may be broken in its own ways.
    except Exception as error:
        raise DataError(
            f"{at}: is loaded by the library datasets, which cannot be imported ({type(error).__name__}: {error}). "
            "Install it with pip install 'ordersearch[hf]'."
        ) from error
    path, _, config = name.partition(":")
    if path.startswith((".", "/")) and not Path(path).exists():
        raise DataError(f"{at}: the folder {path} does not exist (looked in {Path.cwd()}).")
    try:
        splits: Mapping[str, Any] = datasets.load_dataset(path, config or None)
    except Exception as error:
        # Of what fails while it builds the data set, the library's own error says only that something did.
        cause = error.__cause__ or error
        text = " ".join(str(cause).split())[:400].rstrip(".")
        raise DataError(
            f"{at}: cannot be loaded: {type(cause).__name__}: {text}. A data set of the hub is written hf:NAME or "
            "hf:NAME:CONFIG, a local folder hf:./FOLDER."
        ) from error
    return splits


def _parts(splits: Mapping[str, Any], at: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    found: dict[str, Any] = {}
    unread = []
    for name, split in splits.items():
        part = _PARTS.get(name.lower())
        if part is None or part in found:
            unread.append(name)
        else:
            found[part] = split
    if "train" not in found and len(splits) == 1:
        name, split = next(iter(splits.items()))
        return {"train": split}, (f"The only split, {name}, is the training part.",)
    if "train" not in found:
        raise DataError(f"{at}: has the splits {', '.join(splits)}, but the one to train on is called train.")
    return found, (f"The splits {', '.join(unread)} were not read.",) if unread else ()


def _drop_hidden(splits: dict[str, Any], y: dict[str, NDArray[Any]], *, is_class: bool) -> tuple[str, ...]:
    """Take out the parts whose labels are kept secret, which the hub's data sets write as -1; gives notes on it."""
    hidden = [part for part in splits if part != "train" and is_class and (y[part] == _HIDDEN).all()]
    for part in hidden:
        del splits[part], y[part]
    return tuple(f"The {part} part was not read, since its labels are hidden (-1)." for part in hidden)


def _images(splits: Mapping[str, Any], column: str, at: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    files = {part: _image_files(split, column, f"{at}: {part}") for part, split in splits.items()}
    fit = fit_images(read_headers([file for found in files.values() for file in found]), at=at)
    n = sum(map(len, files.values()))
    if fit.n_bytes(n) > memory_budget():
        raise DataError(
            f"{at}: its {n} images take {fit.n_bytes(n) / 2**30:.1f} GiB, more than data may take of the free memory. "
            "Save them as an image folder, which is read piece by piece."
        )
    # Seen with the channels last, as find_layout tells them for sure.
    return {part: np.moveaxis(read_images(found, fit), 1, -1) for part, found in files.items()}, fit.notes


def _image_files(split: Any, column: str, at: str) -> list[ImageFile]:
    from datasets import Image

    encoded = split.select_columns([column]).cast_column(column, Image(decode=False))
    files: list[ImageFile] = []
    for batch in encoded.iter(batch_size=_ROWS_AT_ONCE):
        for image in batch[column]:
            place = f"{at}[{len(files)}].{column}"
            if image is None or (image["bytes"] is None and image["path"] is None):
                raise DataError(f"{place}: there is no image. Drop such rows first.")
            files.append(Path(image["path"]) if image["bytes"] is None else EncodedImage(image["bytes"], place))
    return files


def _table(
    splits: Mapping[str, Any], names: Sequence[str], at: str
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """The features of each split, their names, and what became of the columns; one rule for the rows of all splits."""
    import pandas as pd

    frame = pd.concat([frame_of(split, names) for split in splits.values()], ignore_index=True)
    columns = [read_column(name, frame[name], at=f"{at}, column {name!r}") for name in names]
    x, features = features_of(columns, len(frame))
    notes = column_notes(columns)
    if not features:
        raise DataError(f"{at}: beside the target no column is left to learn from. {' '.join(notes)}")
    ends = np.cumsum([len(split) for split in splits.values()])[:-1]
    return dict(zip(splits, np.split(x, ends), strict=True)), features, notes


def _short(name: str) -> str:
    """What reports and run folders call it: the last part of its name, and the config."""
    path, _, config = name.partition(":")
    short = Path(path).resolve().name if path.startswith((".", "/")) else path.rpartition("/")[2]
    return f"{short}-{config}" if config else short
