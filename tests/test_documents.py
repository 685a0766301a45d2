from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordersearch.documents import MAX_BYTES, MAX_DEPTH, read_yaml, write_whole, write_yaml
from ordersearch.errors import SpaceError

# PyYAML's own writer turns the one control character NEL into a blank.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x85"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
PLAIN = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXT, v, max_size=4), max_leaves=20)
REUSED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, content: str | bytes) -> Any:
    path = folder / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return read_yaml(path, SpaceError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: &x [1]\nb: *x", r"line 2, column 4: an alias \(\*name\) is not read here\. Only plain YAML is read\.$"),
        ("a: &x {k: 1}\nb: {<<: *x}", r"line 2, column 9: an alias"),
        ("a: 1\na: 2", r"line 2, column 1: the key 'a' stands here twice"),
        ("r:\n  a: {b: 1, b: 2}", r"line 2, column 13: the key 'b' stands here twice"),
        ("a: !!python/object/apply:os.system ['true']", r"line 1, column 4: the tag '.*os\.system' is not read here"),
        ("!!python/object:pathlib.Path {}", r"line 1, column 1: the tag"),
        ("a: !mine 1", r"the tag '!mine' is not read here"),
        ("a: !!set {x, y}", r"the tag '.*:set' is not read here"),
        ("a: !!float ''", r"the tag '.*:float' is not read here"),
        ("[" * 51 + "]" * 51, r"line 1, column 51: more than 50 levels of nesting"),
        ("- " * 20_000 + "a", r"more than 50 levels of nesting"),
        ("[" * 500_000, r"more than 50 levels of nesting"),
        ("a: [1, 2", r"did not find expected ',' or '\]'"),
        ("a: b: c", r"line 1, column 5: mapping values are not allowed"),
        ("? [a]\n: b", r"line 1, column 3: found unhashable key"),
        ("a: 1\n---\nb: 2", r"found another document"),
        ("a: \x00", r"control characters are not allowed"),
        (b"a: \xff\xfe", r"is not plain YAML in UTF-8: 'utf-8' codec can't decode byte 0xff"),
        ("a: " + "9" * 5000, r"is not plain YAML in UTF-8: Exceeds the limit"),
        ("a: 2020-13-45", r"is not plain YAML in UTF-8: month must be in 1\.\.12"),
        (b"#" * (MAX_BYTES + 1), r"mine\.yaml: is larger than 1000000 bytes"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_is_not_plain_is_refused_in_a_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None or "larger" in message


def test_python_tags_run_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(SpaceError, match="is not read here"):
        read(tmp_path, f"!!python/object/apply:pathlib.Path.touch [{witness}]")
    assert not witness.exists()


def test_few_lines_do_not_unfold_to_gigabytes(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(SpaceError, match="an alias"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("content", [b"#" * MAX_BYTES, b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, b"", b"a: &x 1"])
def test_what_is_within_the_limits_is_read(tmp_path: Path, content: bytes) -> None:
    read(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2E4", -2e4),
        ("1.5e-3", 1.5e-3),
        ("'1e-3'", "1e-3"),
        ("1e-3x", "1e-3x"),
        ("3", 3),
    ],
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, text: str, value: object) -> None:
    assert read(tmp_path, f"a: {text}") == {"a": value}


@pytest.mark.parametrize(("name", "reason"), [("missing.yaml", "No such file"), (".", "Is a directory")])
def test_path_that_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(SpaceError, match=rf"cannot be read \({reason}.*\)\. Check the path\.$") as caught:
        read_yaml(tmp_path / name, SpaceError)
    assert isinstance(caught.value.__cause__, OSError)


@REUSED_FOLDER
@given(st.text() | st.text(alphabet="[]{}:,-!&*?|>'\"%@`# \n\tab01.~<=_x"))
def test_any_text_is_read_or_refused(tmp_path: Path, content: str) -> None:
    with contextlib.suppress(SpaceError):
        read(tmp_path, content)


@REUSED_FOLDER
@given(PLAIN)
def test_what_is_written_is_read_back(tmp_path: Path, values: Any) -> None:
    path = tmp_path / "values.yaml"
    write_yaml(path, values)
    assert read_yaml(path, SpaceError) == values


def test_what_stands_in_two_places_is_written_twice(tmp_path: Path) -> None:
    shape = [8, 8]
    write_yaml(tmp_path / "values.yaml", {"a": shape, "b": shape})
    assert read_yaml(tmp_path / "values.yaml", SpaceError) == {"a": [8, 8], "b": [8, 8]}


def test_keys_stay_in_their_order(tmp_path: Path) -> None:
    write_yaml(tmp_path / "values.yaml", {"z": 1, "a": 2})
    assert (tmp_path / "values.yaml").read_text() == "z: 1\na: 2\n"


def test_writing_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    for text in ("a longer text than the next", "short", "größer\n"):
        write_whole(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["text.txt"]


def test_writing_that_fails_leaves_the_old_file_and_no_half(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_whole(path, "new \ud800")
    assert path.read_text() == "old"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", "text")
    with pytest.raises(yaml.representer.RepresenterError, match="cannot represent an object"):
        write_yaml(path, {"a": object()})
    assert path.read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "text.txt"]


def test_processes_that_write_one_file_at_once_never_leave_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    code = (
        "import sys, pathlib; from ordersearch.documents import write_whole\n"
        "for _ in range(100): write_whole(pathlib.Path(sys.argv[1]), sys.argv[2] * 50_000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            assert path.read_text() in ("a" * 50_000, "b" * 50_000)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]
