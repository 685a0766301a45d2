"""The columns of a Hugging Face data set: which are inputs, which targets, and their values as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ordersearch.errors import DataError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["image", "array", "number", "class", "classes", "text", "other"]

_SCALARS: tuple[Kind, ...] = ("number", "class", "text")
_USUAL_TARGETS = ("label", "labels", "target", "y", "class")
_ROWS_AT_ONCE = 1000
_SHOWN = 8


@dataclass(frozen=True)
class InputColumns:
    """The columns that a network sees.

    Attributes:
        kind: "image", "array", or "table" for one number, class or text in each column.
        names: One column, or those of the table.
        unused: The columns that are neither inputs nor targets.
    """

    kind: Literal["image", "array", "table"]
    names: tuple[str, ...]
    unused: tuple[str, ...] = ()


def kind_of(feature: Any) -> Kind:
    """What a column of this feature (of the library ``datasets``) holds."""
    name = type(feature).__name__
    if name == "Image":
        return "image"
    if name == "ClassLabel":
        return "class"
    if name == "Value":
        return "number" if str(feature.dtype).startswith(("int", "uint", "float", "bool")) else "text"
    if name.startswith("Array") and hasattr(feature, "dtype"):
        return "array"
    if (inner := _inner(feature)) is not None:
        kinds: dict[Kind, Kind] = {"number": "array", "array": "array", "class": "classes"}
        return kinds.get(kind_of(inner), "other")
    return "other"


def select_targets(features: Mapping[str, Any], target: str, at: str) -> tuple[str, ...]:
    """The columns to predict: those asked for, else the only column of classes, else one with a usual name.

    Args:
        features: The features of all columns.
        target: A column, or several joined by ","; "" leaves the choice to the rule.
        at: The data set, for errors.

    Raises:
        UnknownNameError: There is no such column.
        DataError: The rule finds none, or several.
    """
    if target:
        names = (target,) if target in features else tuple(name.strip() for name in target.split(","))
        for name in names:
            if name not in features:
                raise unknown_name("column", name, features, where=at)
        return names
    classes = [name for name, feature in features.items() if kind_of(feature) in ("class", "classes")]
    usual = [name for name in features if name.lower() in _USUAL_TARGETS]
    for found in (classes, usual):
        if len(found) == 1:
            return (found[0],)
    several = f"the columns {', '.join(classes)} all hold classes" if classes else "no column holds classes"
    raise DataError(f"{at}: {several}, so say by target which to predict. The columns are {_shown(features)}.")


def select_inputs(features: Mapping[str, Any], targets: Sequence[str], at: str) -> InputColumns:
    """The column of images, else that of arrays, else all columns of numbers, classes and texts as a table.

    Raises:
        DataError: Several columns hold images or arrays, or none holds anything that can be read.
    """
    by_kind: dict[Kind, list[str]] = {}
    rest = [name for name in features if name not in targets]
    for name in rest:
        by_kind.setdefault(kind_of(features[name]), []).append(name)
    for kind in ("image", "array"):
        found = by_kind.get(kind, [])
        if len(found) > 1:
            raise DataError(
                f"{at}: the columns {_shown(found)} all hold {kind}s, and a network here has one input. Write a "
                "function that returns the arrays of one, and give it as package.module:function."
            )
        if found:
            return InputColumns(kind, (found[0],), tuple(name for name in rest if name not in found))
    scalars = tuple(name for name in rest if kind_of(features[name]) in _SCALARS)
    if not scalars:
        held = ", ".join(f"{name} ({type(features[name]).__name__})" for name in rest[:_SHOWN]) or "none"
        raise DataError(
            f"{at}: no column holds images, arrays, numbers or texts to learn from. Beside the target: {held}."
        )
    return InputColumns("table", scalars, tuple(name for name in rest if name not in scalars))


def class_names(features: Mapping[str, Any], targets: Sequence[str]) -> tuple[str, ...] | None:
    """What the classes of the target are called, when it is one column of them."""
    feature = features[targets[0]]
    if len(targets) > 1 or kind_of(feature) not in ("class", "classes"):
        return None
    return tuple((feature if kind_of(feature) == "class" else _inner(feature)).names)


def target_array(split: Any, names: Sequence[str], at: str) -> NDArray[Any]:
    """The targets of one split: ``(n,)`` of one column, ``(n, columns)`` of several, rows of 0 and 1 of class lists.

    Raises:
        DataError: They are no numbers, classes or texts.
    """
    kinds = {name: kind_of(split.features[name]) for name in names}
    wrong = [
        name for name, kind in kinds.items() if kind in ("image", "other") or (len(names) > 1 and kind != "number")
    ]
    if wrong:
        raise DataError(
            f"{at}: the target {wrong[0]} holds {split.features[wrong[0]]}, but targets are classes, numbers or texts"
            f"{', and several ones numbers' if len(names) > 1 else ''}."
        )
    if kinds[names[0]] == "classes":
        return _multi_hot(split, names[0])
    if kinds[names[0]] == "array":
        return array_of(split, names[0], at)
    frame = split.select_columns(list(names)).to_pandas()
    missing = frame.isna().any(axis=1).to_numpy()
    if missing.any():
        raise DataError(f"{at}: row {missing.argmax()} has no {' or '.join(names)}. Drop such rows first.")
    return np.asarray(frame[names[0]] if len(names) == 1 else frame)


def frame_of(split: Any, names: Sequence[str]) -> pd.DataFrame:
    """These columns of numbers, classes and texts as a pandas DataFrame, classes by their names."""
    frame: pd.DataFrame = split.select_columns(list(names)).to_pandas()
    for name in names:
        if kind_of(split.features[name]) == "class":
            frame[name] = frame[name].map(dict(enumerate(split.features[name].names)))
    return frame


def array_of(split: Any, name: str, at: str) -> NDArray[Any]:
    """The array of a column whose values are arrays or lists of one shape.

    Raises:
        DataError: They have several shapes.
    """
    dtype = np.dtype(_dtype(split.features[name]))
    batches = split.select_columns([name]).with_format("numpy").iter(batch_size=_ROWS_AT_ONCE)
    try:
        return np.concatenate([np.stack(batch[name]).astype(dtype, copy=False) for batch in batches])
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{at}: the values of {name} have several shapes, but one array holds all of them: {error}."
        ) from error


def _inner(feature: Any) -> Any:
    """What a column of lists has in its lists, else None."""
    if isinstance(feature, list):
        return feature[0]
    return getattr(feature, "feature", None)


def _dtype(feature: Any) -> str:
    while (inner := _inner(feature)) is not None:
        feature = inner
    return str(feature.dtype)


def _multi_hot(split: Any, name: str) -> NDArray[np.uint8]:
    held = split.select_columns([name])
    rows = np.zeros((len(held), len(_inner(split.features[name]).names)), np.uint8)
    for number, row in enumerate(held):
        rows[number, row[name]] = 1
    return rows


def _shown(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(list(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
