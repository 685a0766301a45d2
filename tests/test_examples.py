"""Every example runs as it stands, in an empty folder."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints(example: Path, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_examples_are_short_and_say_what_they_show() -> None:
    assert EXAMPLES
    sources = [path.read_text() for path in EXAMPLES]
    assert all(len(source.splitlines()) <= 60 for source in sources)
    assert all((ast.get_docstring(ast.parse(source)) or "").splitlines() for source in sources)
