"""Text files of a table: a header line, then a row a line, with a delimiter that is told by looking."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from ordersearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = (",", ";", "\t", "|")
_MISSING = ["?"]
_GZIP_MAGIC = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BYTES_LOOKED_AT = 2**20
_LINES_LOOKED_AT = 50
_UNREADABLE = (OSError, EOFError, zlib.error)


class Table(NamedTuple):
    """A table as it was read.

    Attributes:
        frame: Its columns.
        repeated: Names that more than one column has, of which the later ones have ``.1``, ``.2``, ... after them.
        notes: How it was read, where that could surprise.
    """

    frame: pd.DataFrame
    repeated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Dialect(NamedTuple):
    delimiter: str
    decimal: str
    encoding: str


def read_delimited(path: Path) -> Table:
    """The table of a text file, gzipped or not.

    The delimiter is ``,``, ``;``, a tab or ``|``, whichever splits the first lines most evenly. ``?``, an empty field
    and what pandas takes for missing (NA, NaN, null, ...) are missing. Text that is no UTF-8 is read as Latin-1.

    Raises:
        DataError: The file cannot be read, is empty or no text, has no header or no rows, or a row of another length.
    """
    sample = _sample(path)
    encoding = "utf-16" if sample.startswith(_UTF_16) else "utf-8-sig"
    notes = []
    try:
        lines = _whole_lines(sample, encoding)
        dialect = _dialect(lines, encoding)
        frame = _parsed(path, dialect)
    except UnicodeDecodeError:
        dialect = _dialect(_whole_lines(sample, "latin-1"), "latin-1")
        frame = _parsed(path, dialect)
        notes.append("The file is no UTF-8 and was read as Latin-1.")
    if dialect.decimal == ",":
        notes.append("Numbers were read with a comma before their fraction.")
    repeated = _checked_header(path, _whole_lines(sample, dialect.encoding), dialect)
    if len(frame) == 0:
        raise DataError(f"{path}: there is a header, but no row below it.")
    # A row that is cut short looks like one whose last fields are missing, so only then is every line counted.
    if frame.iloc[:, -1].isna().any():
        _require_even(path, dialect)
    frame.columns = [str(name).strip() for name in frame.columns]
    return Table(frame, repeated, tuple(notes))


def _sample(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            sample = file.read(_BYTES_LOOKED_AT)
    except _UNREADABLE as error:
        raise _unread(path, error) from error
    if not sample.strip():
        raise DataError(f"{path}: the file is empty, but a table has a header and rows.")
    if b"\0" in sample and not sample.startswith(_UTF_16):
        raise DataError(f"{path}: holds bytes that are no text. A table is text, plain or gzipped, or a Parquet file.")
    return sample


def _opened(path: Path) -> BinaryIO:
    """The file, unpacked when its content says gzip, whatever its name says."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if packed else path.open("rb")


def _unread(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: cannot be read: {error}. Is the file whole?")


def _whole_lines(sample: bytes, encoding: str) -> list[str]:
    """The first lines that are not blank; the last one of a longer file may be cut anywhere, and is left out."""
    cut = len(sample) == _BYTES_LOOKED_AT
    lines = sample.decode(encoding, errors="replace" if cut else "strict").splitlines()
    return [line for line in (lines[:-1] if cut and len(lines) > 1 else lines) if line.strip()][:_LINES_LOOKED_AT]


def _dialect(lines: list[str], encoding: str) -> _Dialect:
    delimiter = max(_DELIMITERS, key=lambda candidate: _evenness(lines, candidate))
    # Where ',' stands before fractions (3,14), fields are split by something else.
    text = "\n".join(lines)
    comma = delimiter != "," and re.search(r"\d,\d", text) and not re.search(r"\d\.\d", text)
    return _Dialect(delimiter, "," if comma else ".", encoding)


def _evenness(lines: list[str], delimiter: str) -> tuple[bool, float, int]:
    """Greater for a delimiter that splits the header at all, then the rows alike, then into more fields."""
    counts = [len(fields) for _, fields in _rows(lines, delimiter)] or [0]
    return counts[0] > 1, counts.count(counts[0]) / len(counts), counts[0]


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row that is not blank, and the number of its last line."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error:
        return  # a field of over 128 KiB, say: whether that is a table is for pandas to decide


def _checked_header(path: Path, lines: list[str], dialect: _Dialect) -> tuple[str, ...]:
    """The names that more than one column has."""
    names = [name.strip() for name in next((fields for _, fields in _rows(lines, dialect.delimiter)), [])]
    # pandas calls the columns of an array 0, 1, 2, ..., which are names.
    if all(map(_is_number, names)) and names != [str(i) for i in range(len(names))]:
        raise DataError(
            f"{path}: the first line holds only numbers ({', '.join(names[:3])}, ...), but a table begins with the "
            "names of its columns. Add such a line."
        )
    return tuple(name for name, n in Counter(names).items() if n > 1 and name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parsed(path: Path, dialect: _Dialect) -> pd.DataFrame:
    import pandas as pd

    try:
        with _opened(path) as file, warnings.catch_warnings():
            # What pandas only warns of, rows longer than the header, would lose their last fields.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                file,
                sep=dialect.delimiter,
                decimal=dialect.decimal,
                encoding=dialect.encoding,
                index_col=False,
                skipinitialspace=True,
                na_values=_MISSING,
                low_memory=False,
            )
    except _UNREADABLE as error:
        raise _unread(path, error) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        _require_even(path, dialect)
        raise DataError(f"{path}: cannot be read as a table: {str(error).strip()}.") from error


def _require_even(path: Path, dialect: _Dialect) -> None:
    """Nothing when each row has as many fields as the header; an empty one after a last delimiter does not count."""
    with _opened(path) as file:
        lines = io.TextIOWrapper(file, encoding=dialect.encoding, errors="replace", newline="")
        rows = _rows(lines, dialect.delimiter)
        _, header = next(rows, (0, []))
        for line, fields in rows:
            if len(fields) != len(header) and [*header, ""] != [*header, *fields[len(header) :]]:
                raise DataError(
                    f"{path}: line {line} has {len(fields)} fields and the header {len(header)}. Mend this line, or "
                    "put quotes around fields that hold the delimiter."
                )
