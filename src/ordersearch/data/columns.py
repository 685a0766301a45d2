"""Columns of a table as features: numbers as they are, text as columns of 0 and 1, and what is left out."""

from __future__ import annotations

import datetime
import numbers
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ordersearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Kind: TypeAlias = Literal["number", "truth", "text", "date", "constant", "identifier", "unclear", "unreadable"]

_MOST_VALUES = 50
_FEWEST_IDENTIFIERS = 20
_IDENTIFYING_SHARE = 0.9
NUMBERS_SHARE = 0.9
_IDENTIFIER = re.compile(r"(?i:unnamed: \d+|__index_level_\d+__|(.*[_. -])?(id|index|idx|uuid))|.*[a-z]I[dD]")
_ISO_DATE = re.compile(r"\d{4}([-/])\d{2}\1\d{2}([ T]\d{2}:\d{2}.*)?")
_OTHER_DATE = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{4}( .*)?")
_TRUTHS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table, as the features that it becomes.

    Attributes:
        name: Of the column.
        kind: What it holds, or why it is left out.
        features: The names of its features; none when it is left out.
        values: Of text, the number of the feature that is 1 in each row, -1 where it is missing; else its one feature,
            float32 with NaN where it is missing.
        remark: The first day of dates; of text, how many values it has; of numbers, text that stands among them.
    """

    name: str
    kind: Kind
    features: tuple[str, ...] = ()
    values: NDArray[Any] | None = None
    remark: str = ""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """The rows in which it is missing."""
        if self.values is None:
            return np.zeros(0, dtype=np.bool_)
        missing: NDArray[np.bool_] = self.values < 0 if self.kind == "text" else np.isnan(self.values)
        return missing


def read_column(name: str, series: pd.Series, *, at: str = "") -> Column:
    """The features that one column becomes, and of which kind it is.

    Numbers and truth values are one feature, dates are days since the earliest, text is one feature of 0 and 1 for each
    of its 50 most frequent values and one for all others. Where nine of ten values are numbers, the text among them
    counts as missing. Left out are columns with a single value, identifiers (text that hardly repeats; whole numbers
    that never do in a column called id or index), dates that begin with a day or a month, since nobody can tell which,
    and what is none of these.

    Args:
        name: Of the column.
        series: Its values.
        at: Where it stands, for the error.

    Example:
        >>> import pandas as pd
        >>> read_column("colour", pd.Series(["red", "blue", None, "red"])).features
        ('colour=red', 'colour=blue')

    Raises:
        DataError: A number is infinite, or too large for float32.
    """
    from pandas.api import types

    if types.is_complex_dtype(series.dtype) or types.is_timedelta64_dtype(series.dtype):
        return Column(name, "unreadable")
    if types.is_bool_dtype(series.dtype):
        return _of_numbers(name, "truth", series.astype("float64").to_numpy(), at)
    if types.is_numeric_dtype(series.dtype):
        return _of_numbers(name, "number", series.to_numpy(np.float64, na_value=np.nan), at)
    if types.is_datetime64_any_dtype(series.dtype):
        return _of_dates(name, series)
    return _of_objects(name, series, at)


def features_of(columns: Iterable[Column], n: int) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """All features of a table of ``n`` rows side by side, float32 ``(n, features)``, and their names.

    Each column with missing values is followed by one that is 1 where they are. A missing number is NaN, a missing text
    is 0 in all of its features.
    """
    kept = [(column, column.missing) for column in columns if column.features]
    names = [(*column.features, *([f"{column.name} is missing"] if gone.any() else [])) for column, gone in kept]
    x = np.zeros((n, sum(map(len, names))), dtype=np.float32)
    place = 0
    for (column, gone), features in zip(kept, names, strict=True):
        if column.kind == "text" and column.values is not None:
            rows = np.flatnonzero(~gone)
            x[rows, place + column.values[rows]] = 1
        elif column.values is not None:
            x[:, place] = column.values
        if len(features) > len(column.features):
            x[:, place + len(column.features)] = gone
        place += len(features)
    return x, tuple(name for features in names for name in features)


def numbers_share(texts: Sequence[Any], counts: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """The share of rows whose text is a number, and each text as a number, NaN where it is none.

    Args:
        texts: The distinct texts.
        counts: How many rows have each.
    """
    import pandas as pd

    as_numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
    return float(counts[~np.isnan(as_numbers)].sum() / max(counts.sum(), 1)), as_numbers


def _of_numbers(name: str, kind: Kind, values: NDArray[np.float64], at: str, remark: str = "") -> Column:
    known = values[~np.isnan(values)]
    bad = np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)
    if len(bad):
        raise DataError(
            f"{at}: {len(bad)} values are infinite or too large for float32; the first is {values[bad[0]].item()!r}. "
            "Mend or empty these fields."
        )
    if len(known) == 0 or (len(known) == len(values) and known.min() == known.max()):
        return Column(name, "constant")
    if _IDENTIFIER.fullmatch(name) and (known == np.floor(known)).all() and len(np.unique(known)) == len(values):
        return Column(name, "identifier")
    return Column(name, kind, (name,), _small(values), remark)


def _of_dates(name: str, series: pd.Series) -> Column:
    import pandas as pd

    dates = pd.to_datetime(series, utc=True, errors="coerce")
    first = dates.min()
    days = ((dates - first) / pd.Timedelta(days=1)).to_numpy(np.float64)
    if dates.nunique() <= 1 and (pd.isna(first) or not dates.isna().any()):
        return Column(name, "constant")
    return Column(name, "date", (name,), _small(days), str(first.date()))


def _of_objects(name: str, series: pd.Series, at: str) -> Column:
    """Text, and what comes as Python objects: dates, truth values with gaps, decimals."""
    import pandas as pd

    try:
        codes, found = pd.factorize(series)
    except TypeError:
        codes, found = np.zeros(len(series), np.int64), [None]  # lists and mappings, which cannot be compared
    values = list(found)
    if len(values) == 0 or (len(values) == 1 and isinstance(values[0], str) and codes.min() == 0):
        return Column(name, "constant")
    if all(isinstance(value, str) for value in values):
        return _of_texts(name, values, codes, at)
    if all(isinstance(value, numbers.Real | Decimal | np.bool_) for value in values):
        truth = all(isinstance(value, bool | np.bool_) for value in values)
        return _of_numbers(name, "truth" if truth else "number", _spread(values, codes), at)
    if all(isinstance(value, datetime.date) for value in values):
        return _of_dates(name, series)
    return Column(name, "unreadable")


def _of_texts(name: str, values: list[str], codes: NDArray[np.int64], at: str) -> Column:
    import pandas as pd

    if all(value.strip().lower() in _TRUTHS for value in values):
        return _of_numbers(name, "truth", _spread([_TRUTHS[value.strip().lower()] for value in values], codes), at)
    if all(_ISO_DATE.fullmatch(value) for value in values):
        dates = pd.to_datetime(pd.Series([*values, None]), format="ISO8601", errors="coerce", utc=True)
        if dates.isna().sum() == 1:
            return _of_dates(name, dates.iloc[codes])
    if all(_OTHER_DATE.fullmatch(value) for value in values):
        return Column(name, "unclear")
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    share, as_numbers = numbers_share(values, counts)
    if share >= NUMBERS_SHARE:
        strays = [repr(values[i]) for i in np.flatnonzero(np.isnan(as_numbers))]
        return _of_numbers(name, "number", _spread(as_numbers, codes), at, ", ".join(strays[:3]))
    if len(values) > max(_FEWEST_IDENTIFIERS, _IDENTIFYING_SHARE * counts.sum()):
        return Column(name, "identifier")
    order = sorted(range(len(values)), key=lambda i: (-counts[i], values[i]))
    places = np.full(len(values) + 1, _MOST_VALUES, dtype=np.int8)
    places[order[:_MOST_VALUES]] = np.arange(min(len(values), _MOST_VALUES))
    places[-1] = -1  # where the code -1 of a missing value finds it
    features = [f"{name}={values[i]}" for i in order[:_MOST_VALUES]]
    if len(values) > _MOST_VALUES:
        features.append(f"{name}=other")
    return Column(name, "text", tuple(features), places[codes], str(len(values)))


def _spread(values: Sequence[Any] | NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The value of each row, NaN where its code is -1."""
    return np.array([*map(float, values), np.nan])[codes]


def _small(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The values in float32; moved to begin at 0 where that would round their differences away (seconds since 1970).

    Inputs are normalised anyway, so that only the rounding changes.
    """
    small = values.astype(np.float32)
    rounding = np.abs(values - small)
    if np.nanmax(rounding) <= 1e-3 * np.nanstd(values):
        return small
    return (values - np.nanmin(values)).astype(np.float32)
