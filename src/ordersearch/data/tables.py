"""Data sets in tables: CSV files, gzipped or not, and Parquet files, with one or more columns to predict."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.data.columns import NUMBERS_SHARE, Column, features_of, numbers_share, read_column
from ordersearch.data.delimited import Table, read_delimited
from ordersearch.errors import DataError, UnknownNameError, nearest

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_NAMES_SHOWN = 20
_NAMED_IN_NOTES = 8
_LEFT_OUT = {
    "constant": "the same in every row",
    "identifier": "it tells rows apart and nothing else",
    "unclear": "dates that could begin with the day or the month; write them as 2024-01-31",
    "unreadable": "neither numbers, text nor dates",
}


def is_table(path: Path) -> bool:
    """Whether this is a file whose name ends as a table's does."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def read_table(path: Path, target: str) -> SourceArrays:
    """The rows of a table; ``columns.read_column`` holds the rule for what becomes of its columns.

    Args:
        path: A text file with a header, see ``delimited.read_delimited``, or a Parquet file.
        target: The column to predict, or several with commas between them (a column of exactly this name wins).

    Raises:
        DataError: The file cannot be read, no target is given, or one cannot be learnt.
        UnknownNameError: No column has the target's name.
    """
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else read_delimited(path)
    names = [str(name) for name in table.frame.columns]
    targets = _find_targets(names, target, path)
    for name in targets:
        if name in table.repeated or names.count(name) > 1:
            raise DataError(f"{path}: more than one column is called {name!r}, so which to predict? Rename them.")
    frame, dropped = _without_missing(table.frame, targets, path)
    y = _read_target(frame, targets, path)
    columns = [
        read_column(name, frame.iloc[:, i], at=f"{path}, column {name!r}")
        for i, name in enumerate(names)
        if name not in targets
    ]
    x, features = features_of(columns, len(frame))
    if not features:
        why = " ".join(column_notes(columns)) or "It is the only one."
        raise DataError(f"{path}: beside {_quoted(targets)} no column is left to learn from. {why}")
    return SourceArrays(
        name=_name(path),
        train=Part(x, y, str(path), f"{path}, column{'s' * (len(targets) > 1)} {_quoted(targets)}"),
        notes=(*table.notes, *_repeated_notes(table.repeated), *dropped, *column_notes(columns)),
        feature_names=features,
        target_names=tuple(targets),
    )


def column_notes(columns: Sequence[Column]) -> tuple[str, ...]:
    """What became of the columns of a table, one line a kind."""
    notes = []
    for kind, why in _LEFT_OUT.items():
        if names := [column.name for column in columns if column.kind == kind]:
            notes.append(f"Left out: {_quoted(names)} ({why}).")
    texts = [column for column in columns if column.kind == "text"]
    if texts:
        n = sum(len(column.features) for column in texts)
        notes.append(f"Text became {n} columns of 0 and 1: {_quoted([column.name for column in texts])}.")
    for column in texts:
        if column.features[-1] == f"{column.name}=other":
            n_own = len(column.features) - 1
            notes.append(f"Of {column.remark} values of {column.name!r}, the {n_own} most frequent have a column each.")
    notes += [f"{column.name!r} counts days since {column.remark}." for column in columns if column.kind == "date"]
    notes += [
        f"Text among the numbers of {column.name!r} counts as missing: {column.remark}."
        for column in columns
        if column.kind == "number" and column.remark
    ]
    missing = [f"{column.name!r} ({n})" for column in columns if (n := int(column.missing.sum()))]
    if missing:
        notes.append(f"Missing values: {_listed(missing)}; each of these columns got one more that says where.")
    return tuple(notes)


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet files takes pyarrow, which is not installed: pip install 'ordersearch[parquet]'"
        ) from error
    try:
        # The metadata that pandas wrote would turn a column into the index, where nobody could learn from it.
        frame = parquet.read_table(path).to_pandas(ignore_metadata=True)
    except (OSError, ArrowException, ValueError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{path}: cannot be read as Parquet: {why}. Is the file whole?") from error
    if frame.shape[1] == 0 or len(frame) == 0:
        raise DataError(f"{path}: the table is empty: it has {len(frame)} rows and {frame.shape[1]} columns.")
    return Table(frame)


def _find_targets(names: list[str], target: str, path: Path) -> list[str]:
    shown = ", ".join(map(repr, names[:_NAMES_SHOWN]))
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    if not target.strip(" ,"):
        raise DataError(
            f"{path}: which column is to be predicted? Give it as the target (--target {names[-1]}, say). "
            f"The columns are {shown}{more}."
        )
    if target in names:
        return [target]
    targets = list(dict.fromkeys(name.strip() for name in target.split(",") if name.strip()))
    for name in targets:
        if name not in names:
            hint = "".join(f" Did you mean {close!r}?" for close in nearest(name, names)[:1])
            raise UnknownNameError(f"{path}: no column is named {name!r}.{hint} The columns are {shown}{more}.")
    return targets


def _without_missing(frame: pd.DataFrame, targets: Sequence[str], path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows that have a target."""
    missing = frame[targets].isna().any(axis=1).to_numpy()
    n_missing = int(missing.sum())
    if n_missing == len(frame):
        raise DataError(f"{path}: no row has a value in {_quoted(targets)}, so there is nothing to predict.")
    if n_missing == 0:
        return frame, ()
    return frame[~missing], (f"{n_missing} of {len(frame)} rows have no {_quoted(targets)} and are left out.",)


def _read_target(frame: pd.DataFrame, targets: Sequence[str], path: Path) -> NDArray[Any]:
    values = [_target_values(frame[name], f"{path}, column {name!r}") for name in targets]
    if len(values) == 1:
        return values[0]
    for name, column in zip(targets, values, strict=True):
        if column.dtype.kind == "U":
            raise DataError(
                f"{path}: of several targets each is a number, or 0 or 1, but {name!r} holds text such as "
                f"{column[0].item()!r}."
            )
    return np.stack(values, axis=1)


def _target_values(series: pd.Series, at: str) -> NDArray[Any]:
    from pandas.api import types

    values: NDArray[Any]
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        kind = np.int64 if types.is_integer_dtype(series.dtype) else np.float64
        values = series.to_numpy(np.bool_ if types.is_bool_dtype(series.dtype) else kind)
        return values
    values = series.to_numpy(object)
    if all(isinstance(value, bool | np.bool_) for value in values):
        return values.astype(np.bool_)
    if all(isinstance(value, numbers.Real | Decimal) for value in values):
        return values.astype(np.float64)
    if not all(isinstance(value, str) for value in values):
        raise DataError(f"{at} holds {type(values[0]).__name__} values, but a target is numbers, truth values or text.")
    labels: NDArray[Any] = values.astype(np.str_)
    texts, indices, counts = np.unique(labels, return_inverse=True, return_counts=True)
    share, as_numbers = numbers_share(texts.tolist(), counts)
    if share == 1:
        return as_numbers[indices]  # numbers that pandas leaves as text, beyond 64 bits
    if share >= NUMBERS_SHARE:
        stray = texts[np.isnan(as_numbers)]
        raise DataError(
            f"{at} holds numbers, but {len(stray)} other texts among them, {str(stray[0])!r} say. Mend or empty these "
            "fields; rows without a target are left out."
        )
    return labels


def _repeated_notes(repeated: Sequence[str]) -> tuple[str, ...]:
    if not repeated:
        return ()
    return (f"More than one column is called {_quoted(repeated)}; the later ones have '.1', '.2', ... after the name.",)


def _name(path: Path) -> str:
    name = path.resolve().name
    suffix = next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name


def _quoted(names: Sequence[str]) -> str:
    return _listed([repr(name) for name in names])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_IN_NOTES
    return ", ".join(names[:_NAMED_IN_NOTES]) + (f" and {more} more" if more > 0 else "")
