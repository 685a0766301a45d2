"""Tables: CSV and Parquet files with a column to predict."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ordersearch.data import Dataset, load_dataset
from ordersearch.data.arrays import assemble
from ordersearch.data.split import split_tensors
from ordersearch.data.tables import is_table, read_table
from ordersearch.errors import DataError, UnknownNameError

N = 24
COLUMNS: dict[str, list[Any]] = {
    "Unnamed: 0": list(range(N)),
    "age": [20 + i if i % 5 else None for i in range(N)],
    "job": [["cook", "nurse", None][i % 3] for i in range(N)],
    "smoker": [i % 4 == 0 for i in range(N)],
    "since": [f"2024-01-{i + 1:02}" for i in range(N)],
    "name": [f"person {i}" for i in range(N)],
    "planet": ["earth"] * N,
    "price": [i / 8 for i in range(N)],
    "income": ["low" if i % 3 else "high" for i in range(N)],
}
FEATURES = ("age", "age is missing", "job=cook", "job=nurse", "job is missing", "smoker", "since", "price")
WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "t.csv": lambda frame, path: frame.to_csv(path, index=False),
    "t.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "t.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "t.parquet": lambda frame, path: frame.to_parquet(path),
}


def write(folder: Path, columns: dict[str, Any], name: str = "t.csv") -> Path:
    path = folder / name
    WRITERS[name](pd.DataFrame(columns), path)
    return path


def table(folder: Path, target: str, columns: dict[str, Any], *, task: str = "auto") -> Dataset:
    return assemble(read_table(write(folder, columns), target), task=task)


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_features(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, COLUMNS, name)
    assert is_table(path)
    dataset = assemble(read_table(path, "income"))
    assert (dataset.name, dataset.input, dataset.task) == ("t", "table", "classification")
    assert dataset.class_names == ("high", "low")
    assert dataset.y.tolist() == [int(i % 3 > 0) for i in range(N)]
    assert dataset.feature_names == FEATURES
    assert dataset.x.dtype == np.float32
    by_name = dict(zip(FEATURES, dataset.x.T, strict=True))
    np.testing.assert_array_equal(by_name["age"], np.array(COLUMNS["age"], float))
    assert by_name["age is missing"].tolist() == [float(i % 5 == 0) for i in range(N)]
    assert by_name["job=nurse"].tolist() == [float(i % 3 == 1) for i in range(N)]
    assert by_name["smoker"].tolist() == [float(i % 4 == 0) for i in range(N)]
    assert by_name["since"].tolist() == list(range(N))
    assert by_name["price"].tolist() == COLUMNS["price"]


def test_what_became_of_the_columns_is_told(tmp_path: Path) -> None:
    dataset = table(tmp_path, "income", COLUMNS)
    assert dataset.notes == (
        "Left out: 'planet' (the same in every row).",
        "Left out: 'Unnamed: 0', 'name' (it tells rows apart and nothing else).",
        "Text became 2 columns of 0 and 1: 'job'.",
        "'since' counts days since 2024-01-01.",
        "Missing values: 'age' (5), 'job' (8); each of these columns got one more that says where.",
        "5 missing numbers (NaN) count as the mean of their feature over the samples that train.",
    )
    assert dataset.describe()[2] == f"Features: {', '.join(FEATURES)}."


def test_rare_and_stray_text_and_repeated_names_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i},{i % 60:02}x,{i if i != 7 else 'many'},{i % 2}" for i in range(240)]
    path.write_text("\n".join(["a,town,a,y", *rows]))
    assert assemble(read_table(path, "y")).notes == (
        "More than one column is called 'a'; the later ones have '.1', '.2', ... after the name.",
        "Text became 51 columns of 0 and 1: 'town'.",
        "Of 60 values of 'town', the 50 most frequent have a column each.",
        "Text among the numbers of 'a.1' counts as missing: 'many'.",
        "Missing values: 'a.1' (1); each of these columns got one more that says where.",
        "1 missing numbers (NaN) count as the mean of their feature over the samples that train.",
    )
    with pytest.raises(DataError, match=r"more than one column is called 'a', so which to predict"):
        read_table(path, "a")


def test_missing_numbers_become_the_mean_of_what_trains(tmp_path: Path) -> None:
    dataset = table(tmp_path, "income", COLUMNS)
    tensors = split_tensors(dataset, split=0)
    for x in (tensors.x_train, tensors.x_val, tensors.x_test):
        gone = x[:, 1] == x[:, 1].max() if x is tensors.x_train else x[:, 1] > 0
        assert x.isfinite().all()
        assert (x[gone, 0] == 0).all()
    assert tensors.x_train[:, 0].std() > 0.5


@pytest.mark.parametrize(
    ("target", "task", "names", "n_outputs"),
    [
        ("price", "regression", ("price",), 1),
        ("price,age", "regression", ("price", "age"), 2),
        (" price , age ", "regression", ("price", "age"), 2),
        ("smoker,retired", "multilabel", ("smoker", "retired"), 2),
        ("red,green,blue", "classification", (), 3),
        ("rooms", "regression", ("rooms",), 1),
        ("a,b", "classification", (), 2),
    ],
)
def test_targets(tmp_path: Path, target: str, task: str, names: tuple[str, ...], n_outputs: int) -> None:
    columns = COLUMNS | {
        "retired": [i % 2 == 0 for i in range(N)],
        "rooms": list(range(100, 100 + N)),
        "a,b": [i % 2 for i in range(N)],
        **{colour: [int(i % 3 == k) for i in range(N)] for k, colour in enumerate(("red", "green", "blue"))},
    }
    dataset = table(tmp_path, target, columns)
    assert (dataset.task, dataset.target_names, dataset.n_outputs) == (task, names, n_outputs)
    if target.startswith("red"):
        assert dataset.class_names == ("red", "green", "blue")
    for name in target.replace("a,b", "a;b").split(","):
        assert name.strip().replace(";", ",") not in dataset.feature_names


def test_whole_numbers_name_no_classes_by_their_column(tmp_path: Path) -> None:
    dataset = table(tmp_path, "kind", {"a": COLUMNS["price"], "kind": [i % 3 for i in range(N)]})
    assert (dataset.class_names, dataset.notes) == (("0", "1", "2"), ())


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    price = [None if i in (3, 9) else i / 8 for i in range(N)]
    dataset = table(tmp_path, "price", {"a": list(range(N, 0, -1)), "price": price})
    assert dataset.notes == (f"2 of {N} rows have no 'price' and are left out.",)
    assert dataset.y[:, 0].tolist() == [value for value in price if value is not None]
    assert dataset.x[:4, 0].tolist() == [N, N - 1, N - 2, N - 4]


@pytest.mark.parametrize(
    ("target", "error", "match"),
    [
        ("", DataError, r"t\.csv: which column is to be predicted\? Give it as the target \(--target income, say\)"),
        ("", DataError, r"The columns are 'Unnamed: 0', 'age', 'job'"),
        (" , ", DataError, "which column is to be predicted"),
        ("incme", UnknownNameError, r"t\.csv: no column is named 'incme'\. Did you mean 'income'\? The columns are"),
        ("price,agee", UnknownNameError, r"no column is named 'agee'\. Did you mean 'age'"),
        ("zzz", UnknownNameError, r"no column is named 'zzz'\. The columns are"),
        ("planet", DataError, r"t\.csv, column 'planet': every label is 'earth', but orders are compared on two"),
        ("name", DataError, r"column 'name': 24 distinct texts in 24 samples, 'person 0' the first, are no classes"),
        ("price,income", DataError, r"of several targets each is a number, or 0 or 1, but 'income' holds text such as"),
    ],
)
def test_targets_that_cannot_be_predicted_are_told(
    tmp_path: Path, target: str, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        table(tmp_path, target, COLUMNS)


def test_many_columns_are_not_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(500)) + "\n" + ",".join(["1"] * 500) + "\n")
    with pytest.raises(DataError, match=r"'c18', 'c19' and 480 more\.$"):
        read_table(path, "")


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"a": [1.5, 2.5], "y": [None, None]}, "no row has a value in 'y', so there is nothing to predict"),
        ({"y": [1.5, 2.5]}, r"beside 'y' no column is left to learn from\. It is the only one"),
        ({"a": [1, 1], "y": [1.5, 2.5]}, r"no column is left to learn from\. Left out: 'a' \(the same in every row\)"),
        ({"a": [1, 2], "y": [7, 7]}, "column 'y': every label is 7"),
        (
            {"a": list(range(30)), "y": [*map(str, range(29)), "n.d."]},
            "'y' holds numbers, but 1 other texts .*'n.d.' say",
        ),
        ({"a": [1e39, 2.0], "y": [0, 1]}, r"column 'a': 1 values are infinite or too large for float32"),
        (
            {"a": [1.0, 2.0] * 4, "y": [0, 1] * 3 + [2, 3]},
            r"column 'y': of 4 classes, classes '2', '3' have fewer than 2",
        ),
    ],
)
def test_tables_that_nothing_can_be_learnt_from_are_told(tmp_path: Path, columns: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        table(tmp_path, "y", columns)


def test_a_target_of_20000_texts_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,who\n" + "\n".join(f"{i % 7},person {i}" for i in range(20_000)))
    with pytest.raises(DataError, match=r"column 'who': 20000 distinct texts in 20000 samples.*Name another target"):
        assemble(read_table(path, "who"))


def test_parquet_keeps_what_pandas_made_its_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"town": ["x", "y"] * 4, "a": np.arange(8.0), "y": [0, 1] * 4}).set_index("town")
    frame.to_parquet(tmp_path / "t.parquet")
    assert set(read_table(tmp_path / "t.parquet", "y").feature_names) == {"town=x", "town=y", "a"}


def test_parquet_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
            "truth": pd.array([True, None, False, True, True, False], dtype="boolean"),
            "kind": pd.Categorical(["x", "y", None, "x", "y", "x"]),
            "list": [[1], [2], [3], [4], [5], [6]],
            "y": pd.Categorical(["u", "v", "u", "v", "u", "v"]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    source = read_table(tmp_path / "t.parquet", "y")
    marks = ("whole is missing", "truth is missing", "kind is missing")
    assert set(source.feature_names) == {"whole", "truth", "kind=x", "kind=y", *marks}
    assert source.notes[0] == "Left out: 'list' (neither numbers, text nor dates)."
    assert assemble(source).class_names == ("u", "v")
    with pytest.raises(DataError, match=r"column 'list' holds ndarray values, but a target is numbers"):
        read_table(tmp_path / "t.parquet", "list")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(99) + b"PAR1"])
def test_broken_parquet_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as Parquet: .*Is the file whole"):
        read_table(path, "y")
    pd.DataFrame({"y": []}).to_parquet(path)
    with pytest.raises(DataError, match="the table is empty: it has 0 rows and 1 columns"):
        read_table(path, "y")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, COLUMNS, "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"not installed: pip install 'ordersearch\[parquet\]'"):
        read_table(path, "income")


def test_a_name_keeps_its_dots(tmp_path: Path) -> None:
    path = tmp_path / "Prices.2024.CSV.GZ"
    path.write_bytes(gzip.compress(b"a,y\n1,0\n2,1\n"))
    assert is_table(path)
    assert read_table(path, "y").name == "Prices.2024"
    assert not is_table(tmp_path)
    assert not is_table(tmp_path / "none.csv")


def test_tables_are_reached_by_their_path(tmp_path: Path) -> None:
    assert load_dataset(str(write(tmp_path, COLUMNS)), target="income").n_outputs == 2
