"""Blocks as YAML and JSON, what is told of them, and the schema of their file."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from torch import nn

from ordersearch import load_blocks
from ordersearch.errors import BlocksFileError
from ordersearch.export import BlocksFile, RankedBlocks, blocks_schema, export_blocks, read_blocks
from ordersearch.export.evidence import evidence_of
from ordersearch.export.plain_formats import json_file, yaml_file
from ordersearch.spec import BlockSpec
from tests.strategies import block_specs
from tests.test_blocks_file import BROKEN, FILE, FIRST

ROOT = Path(__file__).parents[1]
VALIDATOR = Draft202012Validator(blocks_schema())


@settings(max_examples=10)
@given(st.dictionaries(st.text(min_size=1).filter(str.isprintable), block_specs(), min_size=1), st.sampled_from([1, 3]))
def test_blocks_are_read_back_from_yaml_and_json(
    tmp_path_factory: pytest.TempPathFactory, blocks: dict[str, BlockSpec], dims: int
) -> None:
    expected = BlocksFile((RankedBlocks(blocks),), dims)
    for to in ("yaml", "json"):
        path = tmp_path_factory.mktemp(to) / f"blocks.{to}"
        path.write_text(export_blocks(blocks, to, dims=dims, evidence=["Study: a\nschema: 2"]), encoding="utf-8")
        assert read_blocks(path) == expected


def test_a_file_makes_layers_of_another_network(tmp_path: Path) -> None:
    path = tmp_path / "block.yaml"
    path.write_text(export_blocks({"conv": BlockSpec.parse("conv > relu")}, "yaml", dims=1))
    assert isinstance(load_blocks(path)["conv"](3, 8)[0], nn.Conv1d)


def test_all_that_a_file_holds_survives(tmp_path: Path) -> None:
    for name, text in (("yaml", yaml_file(FILE)), ("json", json_file(FILE))):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read_blocks(tmp_path / name) == FILE


def test_json_leaves_out_figures_that_it_has_no_word_for() -> None:
    metrics = {"val/accuracy": math.nan, "val/loss": 1.5}
    odd = replace(FILE, ranking=(replace(FIRST, value=math.inf, metrics=metrics),), data={"shape": [1, -math.inf]})
    content = json.loads(json_file(odd))
    assert content["data"] == {"shape": [1]}
    assert content["ranking"][0]["metrics"] == {"val/loss": 1.5}
    assert "value" not in content["ranking"][0]


def test_json_has_text_for_a_date() -> None:
    found = json.loads(json_file(replace(FILE, data={"on": [date(2020, 1, 2)], "by": {date(2020, 1, 3): True}})))
    assert found["data"] == {"on": ["2020-01-02"], "by": {"2020-01-03": True}}


@pytest.mark.parametrize("sign", ["\x7f", "\x85", "\u2028", "\ufffe", "\U0001f600"])
def test_json_with_any_sign_is_a_blocks_file(tmp_path: Path, sign: str) -> None:
    expected = replace(FILE, verdict=sign, study={sign: sign})
    (tmp_path / "blocks.json").write_text(json_file(expected), encoding="utf-8")
    assert read_blocks(tmp_path / "blocks.json") == expected


def test_evidence_names_verdict_study_data_figures_and_versions() -> None:
    study = {**FILE.study, "network": "cnn", "network width": 16, "max_epochs": 3, "batch_norm_momentum": 0.4}
    file = replace(FILE, study=study, data={**FILE.data, "input": "image", "n_outputs": 10})
    assert evidence_of(file) == [
        "Verdict: Größer ist besser: 0.25 against 0.5 (val/loss).",
        "Known as: convention",
        "Study: digits-conv (space conv, network cnn, seed 0, network width 16)",
        "Data: digits (input image, shape 8x8x1, outputs 10, fingerprint 0123456789abcdef)",
        "Result: val/loss 0.25, mean of 2 runs, val/accuracy 0.9688",
        "Trained: learning rate 0.003, epochs 3, batch-norm momentum in training 0.4",
        "Versions: ordersearch 0.1.0, torch 2.13.0",
    ]
    second = evidence_of(replace(file, ranking=(FIRST, replace(file.ranking[1], batch_size=8))), 2)
    assert second[1] == "Rank: 2 of the 2 in the blocks file"
    assert "Result: val/loss 0.5, mean of 1 run" in second
    assert "Trained: learning rate 0.01, epochs 3, batch-norm momentum in training 0.4, batch size 8" in second
    assert evidence_of(BlocksFile((RankedBlocks({}),), 2)) == []
    with pytest.raises(BlocksFileError, match="has the ranks 1 to 2, but rank 3"):
        evidence_of(file, 3)


def is_read(path: Path, content: object) -> bool:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    try:
        read_blocks(path)
    except BlocksFileError:
        return False
    return True


GOLDEN = yaml.safe_load((ROOT / "tests/golden/blocks.yaml").read_text(encoding="utf-8"))


def golden_content() -> dict[str, Any]:
    content: dict[str, Any] = copy.deepcopy(GOLDEN)
    return content


BEYOND_A_SCHEMA = (
    "dims: got 2.0",
    "ranking[1].value: got 1000",
    "ranking[0].blocks.conv: No op is named",
    "ranking[0].blocks.conv: the notation",
)
"""JSON knows one kind of number, without bounds; and a schema cannot read the notation."""


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[message[:50] for _, message in BROKEN])
def test_what_reading_refuses_breaks_the_schema(change: Callable[[dict[str, Any]], None], message: str) -> None:
    content = golden_content()
    change(content)
    assert VALIDATOR.is_valid(content) is message.startswith(BEYOND_A_SCHEMA)


VALUES = st.sampled_from([None, True, 0, 1, 3, -1, 0.5, math.nan, "", "conv", [], [1], {}, {"a": 1}, {1: 1}])
PLACES = st.sampled_from(
    [
        *((key,) for key in (*golden_content(), "further")),
        *(("ranking", 0, key) for key in (*golden_content()["ranking"][0], "batch_size", "further")),
        *(("ranking", 0, "blocks", key) for key in ("conv", "further")),
        *(("ranking", 0, "metrics", key) for key in ("val/loss", "further")),
        *(("ranking", 0, "blocks", "conv", key) for key in ("notation", "ops", "further")),
        ("ranking", 0, "trials", 0),
        ("ranking", 0, "blocks", "conv", "ops", 0),
        ("ranking", 0, "blocks", "conv", "ops", 0, "op"),
    ]
)


@settings(max_examples=120)
@given(PLACES, VALUES, st.booleans())
def test_schema_and_reading_agree(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str | int, ...], value: object, is_left_out: bool
) -> None:
    content = golden_content()
    inner: Any = content
    for key in place[:-1]:
        inner = inner[key]
    if is_left_out and place[-1] in inner:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    read = is_read(tmp_path_factory.getbasetemp() / "changed.yaml", content)
    # A notation and a list of ops may be well formed and yet say different things.
    assert read is VALIDATOR.is_valid(content) or (not read and place[3:4] == ("conv",) and len(place) > 4)


def test_the_schema_is_one_and_describes_every_key() -> None:
    schema = blocks_schema()
    Draft202012Validator.check_schema(schema)
    places = (schema, schema["$defs"]["place"], schema["$defs"]["block"])
    assert all(own["description"] for place in places for own in place["properties"].values())
    for file in (ROOT / "examples/blocks.yaml", ROOT / "tests/golden/blocks.yaml"):
        assert not list(VALIDATOR.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8"))))
    assert VALIDATOR.is_valid(json.loads(json_file(FILE)))


@pytest.mark.slow
def test_the_schema_is_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert json.loads(wheel.read("ordersearch/export/blocks.schema.json")) == blocks_schema()
