"""Tables in text files: delimiters, encodings, and files that are broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.data.delimited import read_delimited
from ordersearch.errors import DataError


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x y\n2,z\n",
        "a,b\r\n1,x y\r\n2,z\r\n",
        "a;b\n1;x y\n2;z",
        "a\tb\n1\tx y\n2\tz\n",
        "a|b\n1|x y\n2|z\n",
        "a, b\n1, x y\n2, z\n",
        'a,b\n1,"x y"\n2,"z"\n',
        "\ufeffa,b\n1,x y\n2,z\n",
        "\na,b\n\n1,x y\n\n2,z\n\n",
        "a,b\n1,x y,\n2,z,\n",
    ],
)
def test_ways_to_write_one_table(tmp_path: Path, text: str) -> None:
    table = read_delimited(write(tmp_path, text))
    assert table.frame.to_dict("list") == {"a": [1, 2], "b": ["x y", "z"]}
    assert (table.repeated, table.notes) == ((), ())


@given(
    rows=st.lists(
        st.tuples(st.integers(-99, 99), st.floats(-9, 9).map(lambda value: round(value, 3)), st.sampled_from("xyz")),
        min_size=1,
        max_size=8,
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_every_delimiter_gives_the_values_back(
    rows: list[tuple[int, float, str]], delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [delimiter.join(map(str, row)) for row in [("n", "value", "letter"), *rows]]
    table = read_delimited(write(tmp_path_factory.mktemp("csv"), "\n".join(lines)))
    assert [tuple(row) for row in table.frame.itertuples(index=False)] == rows


@pytest.mark.parametrize("packed", [False, True])
def test_gzip_is_told_by_content(tmp_path: Path, packed: bool) -> None:
    text = b"a,b\n1,2\n"
    table = read_delimited(write(tmp_path, gzip.compress(text) if packed else text, "t.csv.gz"))
    assert table.frame.to_dict("list") == {"a": [1], "b": [2]}


def test_encodings(tmp_path: Path) -> None:
    text = "ville,prix\nOrléans,1\nNîmes,2\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        table = read_delimited(write(tmp_path, text.encode(encoding)))
        assert (list(table.frame["ville"]), table.notes) == (["Orléans", "Nîmes"], ())
    table = read_delimited(write(tmp_path, text.encode("latin-1")))
    assert list(table.frame["ville"]) == ["Orléans", "Nîmes"]
    assert table.notes == ("The file is no UTF-8 and was read as Latin-1.",)


def test_latin_1_far_behind_the_lines_that_are_looked_at(tmp_path: Path) -> None:
    text = "a,b\n" + "1,plain\n" * 200_000 + "2,Orléans\n"
    table = read_delimited(write(tmp_path, text.encode("latin-1")))
    assert (len(table.frame), table.frame["b"].iloc[-1]) == (200_001, "Orléans")
    assert "Latin-1" in table.notes[0]


def test_comma_before_the_fraction(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a;b\n1,5;x\n2,25;y\n"))
    assert table.frame["a"].tolist() == [1.5, 2.25]
    assert table.notes == ("Numbers were read with a comma before their fraction.",)
    assert read_delimited(write(tmp_path, "a;b\n1.5;x,y\n2.25;y\n")).frame["a"].tolist() == [1.5, 2.25]


def test_missing_values(tmp_path: Path) -> None:
    frame = read_delimited(write(tmp_path, "a,b\n1,?\n?,x\n,NA\nnan,y\n")).frame
    assert frame["a"].isna().tolist() == [False, True, True, True]
    assert frame["b"].isna().tolist() == [True, False, True, False]


def test_a_header_of_counted_columns_is_one(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "0,1,2\n5,6,7\n"))
    assert table.frame.to_dict("list") == {"0": [5], "1": [6], "2": [7]}


def test_fields_longer_than_the_csv_module_takes(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, f"a,b\n1,{'x' * 200_000}\n2,\n"))
    assert table.frame["b"].str.len().iloc[0] == 200_000


def test_names_that_repeat_and_blanks_around_them(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a, b ,a,a\n1,2,3,4\n"))
    assert list(table.frame.columns) == ["a", "b", "a.1", "a.2"]
    assert table.repeated == ("a",)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"t\.csv: the file is empty"),
        (" \n\n", "the file is empty"),
        ("a,b\n", "there is a header, but no row below it"),
        ("1,2\n3,4\n", r"the first line holds only numbers \(1, 2, \.\.\.\).*Add such a line"),
        ("a,b,c\n1,2,3\n1,2,3,4\n", r"t\.csv: line 3 has 4 fields and the header 3\. Mend this line"),
        ("a,b,c\n1,2,3,4\n1,2,3\n", "line 2 has 4 fields and the header 3"),
        ("a,b,c\n1,2,3,4\n1,2,3,4\n", "line 2 has 4 fields and the header 3"),
        ("a,b,c\n1,2,3\n\n1,2\n", "line 4 has 2 fields and the header 3"),
        ('a,b,c\n1,"2\n2",3\n1,2\n', "line 4 has 2 fields"),
        ('a,b,c\n1,2,"3\n1,2,4\n', "cannot be read as a table: .*EOF inside string"),
        (b"\x89PNG\r\n\x1a\n\0\0", "holds bytes that are no text"),
        (b"PAR1\0\0", "holds bytes that are no text"),
    ],
)
def test_files_that_are_no_table_are_told(tmp_path: Path, text: str | bytes, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read_delimited(write(tmp_path, text))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_gzip_that_is_cut_short_is_told(tmp_path: Path, share: float) -> None:
    data = gzip.compress("".join(f"{i},{i * i % 97}\n" for i in range(200_000)).encode())
    with pytest.raises(DataError, match=r"t\.csv\.gz: cannot be read: .*Is the file whole"):
        read_delimited(write(tmp_path, data[: int(len(data) * share)], "t.csv.gz"))


def test_gzip_with_flipped_bytes_is_told(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"a,b\n" + b"1,2\n3,4\n" * 999))
    data[15:20] = bytes(5)
    with pytest.raises(DataError, match=r"t\.csv\.gz: cannot be read"):
        read_delimited(write(tmp_path, bytes(data), "t.csv.gz"))


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_delimited(tmp_path / "none.csv")
