"""What one column of a table becomes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ordersearch.data.columns import features_of, read_column
from ordersearch.errors import DataError

NAN = float("nan")


def features(name: str, values: Any, dtype: Any = None) -> tuple[tuple[str, ...], list[list[float]]]:
    """The names and the values, feature by feature, of one column."""
    series = pd.Series(values, dtype=dtype)
    x, names = features_of([read_column(name, series)], len(series))
    return names, x.T.tolist()


@pytest.mark.parametrize("dtype", ["int64", "float32", "uint8", "Int64", "Float64", "object"])
def test_numbers_stay_numbers(dtype: str) -> None:
    assert features("a", [3, 1, 2], dtype) == (("a",), [[3, 1, 2]])


@pytest.mark.parametrize("dtype", ["float64", "Int64", "object"])
def test_missing_numbers_stay_missing_and_are_marked(dtype: str) -> None:
    names, (values, marks) = features("a", [3, None, 2, None], dtype)
    assert names == ("a", "a is missing")
    np.testing.assert_array_equal(values, [3, NAN, 2, NAN])
    assert marks == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False, True], "bool"),
        ([True, False, True], "boolean"),
        ([True, False, True], "object"),
        (["true", "FALSE", "True "], None),
    ],
)
def test_truth_values_are_0_and_1(values: list[Any], dtype: Any) -> None:
    assert features("a", values, dtype) == (("a",), [[1, 0, 1]])
    assert read_column("a", pd.Series(values, dtype=dtype)).kind == "truth"


def test_truth_values_may_be_missing() -> None:
    names, (values, marks) = features("a", [True, None, False], "object")
    assert names == ("a", "a is missing")
    np.testing.assert_array_equal(values, [1, NAN, 0])
    assert marks == [0, 1, 0]


@pytest.mark.parametrize("dtype", [None, "object", "category", "string"])
def test_text_becomes_a_feature_for_each_value_the_frequent_first(dtype: Any) -> None:
    names, values = features("a", ["x", "z", None, "y", "z"], dtype)
    assert names == ("a=z", "a=x", "a=y", "a is missing")
    assert values == [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0]]


def test_rare_text_shares_one_feature() -> None:
    texts = [f"{i:02}_" for i in range(60) for _ in range(60 - i)]
    column = read_column("a", pd.Series(texts))
    names, values = features("a", texts)
    assert names == (*(f"a={i:02}_" for i in range(50)), "a=other")
    assert column.remark == "60"
    np.testing.assert_array_equal(np.sum(values, axis=1), [*(60 - i for i in range(50)), sum(range(1, 11))])
    np.testing.assert_array_equal(np.sum(values, axis=0), 1)


def test_fifty_values_of_text_need_no_other() -> None:
    assert len(features("a", [f"{i}_" for i in range(50)] * 3)[0]) == 50


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-31", "2024-02-02", None],
        ["2024/01/31", "2024/02/02", None],
        ["2024-01-31T00:00:00", "2024-02-02T00:00:00", None],
        ["2024-01-31 00:00:00+00:00", "2024-02-02 00:00:00+00:00", None],
        [datetime.date(2024, 1, 31), datetime.date(2024, 2, 2), None],
        pd.to_datetime(pd.Series(["2024-01-31", "2024-02-02", None])),
        pd.to_datetime(pd.Series(["2024-01-31", "2024-02-02", None])).dt.tz_localize("UTC"),
    ],
)
def test_dates_count_days(values: Any) -> None:
    series = pd.Series(values)
    assert read_column("a", series).remark == "2024-01-31"
    names, (days, marks) = features("a", series)
    assert names == ("a", "a is missing")
    np.testing.assert_array_equal(days, [0, 2, NAN])
    assert marks == [0, 0, 1]


def test_text_that_only_looks_like_dates_is_text() -> None:
    assert read_column("a", pd.Series(["2024-13-31", "2024-02-02"] * 3)).kind == "text"
    assert read_column("a", pd.Series(["2024-01-31", "soon"] * 3)).kind == "text"
    assert read_column("a", pd.Series(["2024-01/31", "2024-01/30"] * 3)).kind == "text"
    assert read_column("a", pd.Series(["1.2.10", "1.3.11"] * 3)).kind == "text"


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("a", [1, 1, 1], "constant"),
        ("a", [True, True], "constant"),
        ("a", ["x", "x"], "constant"),
        ("a", [None, None], "constant"),
        ("a", [NAN, NAN], "constant"),
        ("a", ["2024-01-31", "2024-01-31"], "constant"),
        ("a", pd.to_datetime(pd.Series(["2024-01-31", "2024-01-31"])), "constant"),
        ("a", [f"name {i}" for i in range(21)], "identifier"),
        ("Unnamed: 0", [0, 1, 2], "identifier"),
        ("__index_level_0__", [5, 9, 7], "identifier"),
        ("id", [7, 3, 5], "identifier"),
        ("customerID", [7, 3, 5], "identifier"),
        ("user_id", [7.0, 3.0, 5.0], "identifier"),
        ("a", ["31/01/2024", "02/02/2024"], "unclear"),
        ("a", [f"{i}.1.2024 10:00" for i in range(1, 30)], "unclear"),
        ("a", [[1], [2]], "unreadable"),
        ("a", [{"b": 1}, {"b": 2}], "unreadable"),
        ("a", [b"x", b"y"], "unreadable"),
        ("a", [1j, 2j], "unreadable"),
        ("a", pd.to_timedelta([1, 2], unit="D"), "unreadable"),
    ],
)
def test_columns_that_are_left_out(name: str, values: Any, kind: str) -> None:
    column = read_column(name, pd.Series(values))
    assert (column.kind, column.features) == (kind, ())
    x, names = features_of([column], len(values))
    assert (x.shape, names) == ((len(values), 0), ())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a", [0, 1, 2]),
        ("id", [7, 3, 3]),
        ("id", [0.5, 1.5, 2.5]),
        ("paid", [7, 3, 5]),
        ("grid", [7, 3, 5]),
        ("a", [1, None, 1]),
        ("a", ["x", None, "x"]),
        ("a", [f"name {i}" for i in range(20)]),
        ("a", [f"name {i // 2}" for i in range(60)]),
        ("a", [Decimal("1.5"), Decimal("2.5")]),
    ],
)
def test_columns_that_are_kept(name: str, values: Any) -> None:
    assert read_column(name, pd.Series(values)).features


def test_text_among_numbers_counts_as_missing() -> None:
    column = read_column("a", pd.Series([str(i) for i in range(30)] + ["n.d.", "-"]))
    assert (column.kind, column.remark) == ("number", "'n.d.', '-'")
    assert column.missing.sum() == 2
    assert read_column("a", pd.Series(["1", "2", "3", "many"] * 3)).kind == "text"


def test_infinite_numbers_are_told() -> None:
    with pytest.raises(DataError, match=r"t\.csv: 1 values are infinite or too large for float32; the first is inf"):
        read_column("a", pd.Series([1.0, np.inf]), at="t.csv")
    with pytest.raises(DataError, match=r"the first is -1e\+39"):
        read_column("a", pd.Series([1.0, -1e39]))


def test_large_numbers_keep_their_differences() -> None:
    seconds = [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    assert features("a", seconds)[1] == [[0, 1, 2]]
    assert features("a", [1.7e9, 3.4e9])[1] == [[np.float32(1.7e9), np.float32(3.4e9)]]


def test_columns_stand_side_by_side_in_order() -> None:
    columns = [
        read_column("a", pd.Series(["x", None, "y"])),
        read_column("b", pd.Series([1, 1, 1])),
        read_column("c", pd.Series([0.5, 1.5, 2.5])),
    ]
    x, names = features_of(columns, 3)
    assert names == ("a=x", "a=y", "a is missing", "c")
    assert x.dtype == np.float32
    assert x.tolist() == [[1, 0, 0, 0.5], [0, 0, 1, 1.5], [0, 1, 0, 2.5]]
