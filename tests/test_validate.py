"""The command ``validate`` says what a file is, and the same as reading it where it does not hold."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ordersearch import SearchSpace
from ordersearch.cli import main
from ordersearch.errors import BlocksFileError, OrdersearchError, SpaceError
from ordersearch.export import export_blocks, read_blocks
from ordersearch.space.shipped import shipped_spaces
from ordersearch.spec import BlockSpec

GOLDEN = Path(__file__).parent / "golden" / "blocks.yaml"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``validate``: exit code, what was printed, errors."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ordersearch", "validate", *words])
        with pytest.raises(SystemExit, match=r"^\d*$") as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run_command


def test_a_blocks_file_is_told(command: Command, tmp_path: Path) -> None:
    shutil.copy(GOLDEN, tmp_path / "mine.yaml")
    first = "conv: conv(kernel=5) > batch_norm > relu > max_pool > dropout(p=0.1); dense: linear > relu"
    assert command("mine.yaml") == (0, f"mine.yaml: a valid blocks file. 2 places, the first: {first}\n", "")
    assert json.loads(command("mine.yaml", "--json")[1]) == {
        "file": "mine.yaml",
        "valid": True,
        "kind": "blocks",
        "n_places": 2,
        "first": first,
    }
    (tmp_path / "one.json").write_text(export_blocks({"conv": BlockSpec.parse("conv > relu")}, "json"))
    assert command("one.json")[1] == "one.json: a valid blocks file. 1 place, the first: conv > relu\n"


def test_search_spaces_are_told(command: Command) -> None:
    for name, path in shipped_spaces().items():
        code, out, _ = command(str(path))
        space = SearchSpace.load(name)
        assert code == 0
        roles = ", ".join(space.roles)
        counted = f"{space.n_specs} orders, {space.n_classes} distinct networks"
        assert out == f"{path}: a valid search space. Roles: {roles}; {counted}\n"


BROKEN = [
    (BlocksFileError, "schema: 2\nranking: []\n", "schema: got 2, but this version of ordersearch reads up to 1."),
    (BlocksFileError, "ranking: []\n", "schema: got None, but a blocks file states its schema version, 1 to 1."),
    (SpaceError, "roles: {conv: {order: [weight > rleu]}}\n", "roles.conv.order[0]: "),
    (SpaceError, "roles: {}\n", "roles: got {}, but a mapping stands here."),
]


@pytest.mark.parametrize(("error", "text", "message"), BROKEN)
def test_what_does_not_hold_is_told_as_reading_tells_it(
    command: Command, tmp_path: Path, error: type[OrdersearchError], text: str, message: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(error, match=r"^mine\.yaml: ") as told:
        read_blocks(Path("mine.yaml")) if error is BlocksFileError else SearchSpace.load("mine.yaml")
    assert f"mine.yaml: {message}" in str(told.value)
    assert command("mine.yaml") == (2, "", f"Error: {told.value}\n")
    code, out, err = command("mine.yaml", "--json")
    assert (code, err) == (2, "")
    assert json.loads(out) == {"file": "mine.yaml", "valid": False, "error": str(told.value)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: mine\n", "is neither a blocks file, which has the keys schema and ranking, nor a search space, which"),
        ("- 1\n", "is neither a blocks file"),
        ("", "is neither a blocks file"),
        ("a: [\n", "line 2, column 1: did not find expected node content. Only plain YAML is read."),
    ],
)
def test_what_is_neither_is_told(command: Command, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    code, out, err = command("mine.yaml")
    assert (code, out) == (2, "")
    assert f"Error: mine.yaml: {message}" in err
    assert "gone.yaml: cannot be read (No such file or directory). Check the path." in command("gone.yaml")[2]
