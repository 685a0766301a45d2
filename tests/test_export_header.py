"""Nothing that comes from outside leaves the comments, docstrings and names of exported source."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.export import export_blocks
from ordersearch.export.header import commented
from ordersearch.networks.source import network_source
from ordersearch.spec import BlockSpec

DENSE = {"dense": BlockSpec.parse("linear > relu")}
PAYLOAD = "open('caught', 'w')"
HOSTILE = [
    f'"""; {PAYLOAD}; x = """',
    f"'''\n{PAYLOAD}\n'''",
    *(f"name{end}{PAYLOAD}" for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0")),
    f"coding: utf-7 +AAo-{PAYLOAD}",
    f"-*- coding=raw_unicode_escape -*- \\u000a{PAYLOAD}",
    f"!python -c {PAYLOAD}",
    f"\\\n{PAYLOAD}",
    "\u202e reversed \u202c \ud800 half a character",
    "long " * 200 + "x" * 300,
    "",
    "type: ignore",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_evidence_stays_a_comment(text: str) -> None:
    plain = export_blocks(DENSE, "torch")
    source = export_blocks(DENSE, "torch", evidence=[text, f"Study: {text}"])
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(plain))
    n_comments = len(source.splitlines()) - len(plain.splitlines())
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    assert sum(token.type == tokenize.COMMENT for token in tokens) == n_comments + 1
    assert all(line.isprintable() and line == line.rstrip() for line in source.split("\n"))


@given(st.lists(st.text()))
def test_any_text_is_comments(texts: list[str]) -> None:
    assert all(line.startswith("#") for line in commented(texts).split("\n")[:-1])
    assert ast.parse(commented(texts)).body == []
    assert yaml.safe_load(commented(texts)) is None


def test_hostile_files_do_what_others_do_when_run(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        (tmp_path / f"head_{number}.py").write_text(commented([text, text]), encoding="utf-8")
        source = export_blocks({text: DENSE["dense"]}, "torch", evidence=[text])
        (tmp_path / f"block_{number}.py").write_text(source, encoding="utf-8")
    source = network_source("mlp", DENSE, (3,), 2, evidence=HOSTILE)
    (tmp_path / "network.py").write_text(source, encoding="utf-8")
    run = "import pathlib, runpy; [runpy.run_path(str(file)) for file in pathlib.Path().iterdir()]; print('all')"
    ended = subprocess.run([sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout == "all\n", ended.stderr
    assert len(list(tmp_path.iterdir())) == 2 * len(HOSTILE) + 1
