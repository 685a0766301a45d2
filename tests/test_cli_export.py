"""The command ``export``: where the blocks come from, and what is written of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordersearch import BlockSpec
from ordersearch.cli import main
from ordersearch.documents import write_yaml
from ordersearch.export import read_blocks
from ordersearch.export.evidence import evidence_of
from ordersearch.networks import find_network
from ordersearch.networks.source import network_source
from ordersearch.results import State
from ordersearch.study import Search
from ordersearch.study.kept_study import read_study
from ordersearch.study.outputs import blocks_file, kept_blocks_file
from ordersearch.study.storage import open_storage
from tests.kept_studies import ORDERS, kept_confirmation, kept_search, setting_of, trial_of
from tests.searches import small_search, small_space

Command = Callable[..., tuple[int, str, str]]
VALUES = dict(zip(ORDERS, (0.5, 0.6, 0.7), strict=True))
PAIRS = {ORDERS[0]: [0.5, 0.6, 0.55, 0.52, 0.58], ORDERS[1]: [0.4, 0.52, 0.44, 0.43, 0.47]}
BLOCK = "conv > batch_norm > relu > max_pool > dropout(p=0.1)"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``export`` in an empty folder: exit code, what was printed, errors."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ordersearch", "export", *words])
        with pytest.raises(SystemExit, match=r"^\d*$") as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run_command


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return small_search(small_space(tmp_path))


@pytest.fixture
def run(tmp_path: Path, search: Search) -> Path:
    """A run's folder that was left before there was a blocks file."""
    folder = tmp_path / "runs" / "digits-conv"
    folder.mkdir(parents=True)
    kept_search(search, open_storage(str(folder / "study.journal")), VALUES)
    return folder


def content(**changes: Any) -> dict[str, Any]:
    """What a blocks file of a search on digits holds."""
    return {
        "schema": 1,
        "verdict": "It is the best.",
        "study": {"name": "mine", "network": "cnn", "network width": 8, "network depth": 2, "network stem": False},
        "data": {"name": "digits", "shape": [1, 8, 8], "n_outputs": 10},
        "ranking": [
            {"value": 0.25, "n_runs": 3, "learning_rate": 0.01, "blocks": {"conv": {"notation": BLOCK}}},
            {"value": 0.5, "n_runs": 3, "learning_rate": 0.03, "blocks": {"conv": {"notation": "conv > relu"}}},
        ],
        **changes,
    }


def test_a_block_of_the_command_line_is_written(command: Command) -> None:
    code, out, err = command("nn.Conv2d(3, 64, 3) -> BN -> ReLU", "--to", "torch", "--dims", "1")
    assert (code, err) == (0, "")
    assert "class ConvBlock(nn.Sequential):" in out
    assert "nn.BatchNorm1d(out_channels)" in out
    assert "class DenseBlock(" in command("linear > relu", "--to", "torch")[1]
    assert "class ResidualBlock(" in command("conv > relu > conv > add", "--to", "torch")[1]
    assert yaml.safe_load(command("conv", "--to", "yaml")[1])["ranking"][0]["blocks"]["conv"]["notation"] == "conv"


def test_the_network_that_was_trained_follows_its_blocks(command: Command, tmp_path: Path) -> None:
    write_yaml(tmp_path / "blocks.yaml", content())
    code, out, err = command("blocks.yaml", "--to", "torch", "-o", "mine.py")
    assert (code, out, err) == (0, "Export:  mine.py\n", "")
    source = (tmp_path / "mine.py").read_text()
    assert "# Verdict: It is the best.\n# Study: mine (network cnn, network width 8" in source
    network = find_network("cnn").with_options(width=8, depth=2)
    evidence = evidence_of(read_blocks(tmp_path / "blocks.yaml"))
    assert source == network_source(network, {"conv": BlockSpec.parse(BLOCK)}, (1, 8, 8), 10, evidence=evidence)
    assert command("blocks.yaml", "--to", "torch")[1] == source


def test_another_rank_carries_its_own_figures(command: Command, tmp_path: Path) -> None:
    write_yaml(tmp_path / "blocks.yaml", content())
    out = command("blocks.yaml", "--to", "keras", "--rank", "2")[1]
    assert "# Rank: 2 of the 2 in the blocks file" in out
    assert "# Result: value 0.5, mean of 3 runs" in out
    (tmp_path / "second.yaml").write_text(command("blocks.yaml", "--to", "yaml", "--rank", "2")[1])
    file = read_blocks(tmp_path / "blocks.yaml")
    assert read_blocks(tmp_path / "second.yaml") == replace(file, ranking=file.ranking[1:])
    assert json.loads(command("blocks.yaml", "--to", "json")[1])["ranking"][0]["value"] == 0.25
    code, _, err = command("blocks.yaml", "--to", "torch", "--rank", "3")
    assert (code, err) == (2, "Error: The ranking has the ranks 1 to 2, but rank 3 was asked for.\n")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"study": {"network": "inception", "network width": 8, "network depth": 1}}, "Network 'inception' cannot be"),
        ({"study": {"network": "mine:build"}}, "Network 'mine:build' is code of your own."),
        ({"study": {"network": "cnn", "network width": 8}}, "The file does not say its depth, stem."),
        ({"study": {"network": "gone"}}, "No network is named 'gone'."),
        ({"study": {"network": "resnet", "network width": 8, "network depth": 1}}, "Network 'resnet' is made of"),
        ({"data": {}}, ""),
        ({"data": {"shape": [1, 8, -8], "n_outputs": 10}}, ""),
        ({"data": {"shape": [10**30], "n_outputs": 10}}, ""),
        ({"data": {"shape": "8x8", "n_outputs": 10}}, ""),
        ({"data": {"shape": [True, 8, 8], "n_outputs": 10}}, ""),
        ({"data": {"shape": [1, 8, 8], "n_outputs": True}}, ""),
        ({"study": {"network": "cnn", "network width": 10**9, "network depth": 1, "network stem": False}}, ""),
        ({"study": {"network": ["cnn"]}}, ""),
    ],
)
def test_where_the_network_cannot_be_written_its_blocks_are(
    command: Command, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    (tmp_path / "mine.py").write_text("open('caught', 'w')\ndef build(blocks, input_shape, n_outputs): ...\n")
    write_yaml(tmp_path / "blocks.yaml", content(**changes))
    code, out, err = command("blocks.yaml", "--to", "torch")
    assert code == 0
    assert "class ConvBlock(nn.Sequential)" in out
    assert "class Network(" not in out
    assert err.startswith(f"Only the blocks are written, not their network. {told}" if told else "")
    assert bool(err) is bool(told)
    assert not (tmp_path / "caught").exists()


def test_other_dimensions_are_those_of_the_blocks_alone(command: Command, tmp_path: Path) -> None:
    write_yaml(tmp_path / "blocks.yaml", content())
    out = command("blocks.yaml", "--to", "torch", "--dims", "3")[1]
    assert "nn.Conv3d" in out
    assert "class Network(" not in out


@pytest.mark.parametrize("given", ["digits-conv", "runs/digits-conv", "runs/digits-conv/study.journal"])
def test_a_run_without_a_blocks_file_is_read_from_its_journal(command: Command, run: Path, given: str) -> None:
    code, out, err = command(given, "--to", "torch")
    assert (code, err) == (0, "")
    assert "# Study: small (space small, network cnn, seed 0, network width 16" in out
    assert "# Result: val/loss 0.5, mean of 1 run" in out
    assert "class Network(nn.Sequential)" in out
    # Once there is a blocks file, it is what counts.
    write_yaml(run / "blocks.yaml", content())
    assert "# Study: mine" in command(str(given).removesuffix("/study.journal"), "--to", "torch")[1]


def test_the_journal_holds_what_the_search_would_have_written(run: Path, search: Search) -> None:
    storage = open_storage(str(run / "study.journal"))
    kept = read_study(storage, "small")
    assert replace(kept_blocks_file(kept), versions={}) == replace(blocks_file(search, kept.result), versions={})
    confirmation = kept_confirmation(search, storage, PAIRS)
    kept = read_study(storage, "small")
    assert kept.confirmed is not None
    written = blocks_file(search, kept.result, kept.confirmed.verdict)
    assert replace(kept_blocks_file(kept), versions={}) == replace(written, versions={})
    assert written.ranking[0].n_runs == len(PAIRS[ORDERS[0]]) == confirmation.max_pairs


def test_a_run_without_a_result_says_so(command: Command, tmp_path: Path, search: Search) -> None:
    folder = tmp_path / "runs" / "new"
    folder.mkdir(parents=True)
    study = search.open_study(open_storage(str(folder / "study.journal")))
    study.add_trial(trial_of(setting_of(search, ORDERS[0]), 0, None, state=State.CRASHED))
    code, out, err = command("new", "--to", "torch")
    assert (code, out) == (2, "")
    assert "Error: Study 'small' has no order to take home yet. No trial was completed (1 crashed" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["digits-covn", "--to", "torch"], "digits-covn: there is no such run. Did you mean 'runs/digits-conv'? A run"),
        (["conv > rleu", "--to", "torch"], "No op is named 'rleu'. Did you mean 'relu'?"),
        (
            ["runs", "--to", "torch"],
            "runs: holds neither blocks.yaml nor study.journal, so it is no run's folder. Runs",
        ),
        (["conv", "--to", "onnx"], "No export format is named 'onnx'. Known: fastai, json, keras, mmcv, monai, "),
        (
            ["conv", "--to", "torch", "-o", "gone/a.py"],
            "gone/a.py: cannot be written (No such file or directory). Give",
        ),
        (
            ["conv > max_pool > relu", "--to", "mmcv"],
            "The same network as 'conv > relu > max_pool' can: export that, or",
        ),
        (["small.yaml", "--to", "torch"], "small.yaml: schema: got None, but a blocks file states its schema"),
    ],
)
def test_what_cannot_be_exported_is_told(command: Command, run: Path, words: list[str], expected: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert expected in err


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX")
def test_a_pipe_is_written_into_and_not_replaced(command: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert command("linear > relu", "--to", "yaml", "-o", "pipe") == (0, "Export:  pipe\n", "")
    assert b"notation: linear > relu" in os.read(reader, 10_000)
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_an_equivalent_order_is_written_where_that_is_allowed(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("conv > max_pool > relu", "--to", "mmcv", "--equivalent", "--out", str(tmp_path))
    assert (code, out) == (0, f"Export:  {tmp_path}/exported_block.py\n")
    assert "'conv > relu > max_pool' is the same network as" in (tmp_path / "exported_block.py").read_text()


def test_a_block_is_exported_without_torch() -> None:
    code = (
        "import sys; from ordersearch.cli import main; from ordersearch.export import format_names\n"
        "for to in format_names():\n"
        "    sys.argv = ['ordersearch', 'export', 'conv > batch_norm > relu', '--to', to]\n"
        "    try: main()\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "sys.exit(bool({'torch', 'optuna', 'lightning', 'pytorch_lightning', 'keras', 'monai'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_one_of_several_roles_is_written(command: Command, tmp_path: Path) -> None:
    blocks = {"conv": {"notation": "conv > batch_norm > relu"}, "dense": {"notation": "linear > relu"}}
    write_yaml(tmp_path / "blocks.yaml", content(ranking=[{"blocks": blocks}]))
    code, _, error = command("blocks.yaml", "--to", "mmcv")
    assert code == 2
    assert "Block 'linear > relu' cannot be written for mmcv" in error
    assert error.endswith(" One role alone: --role conv or --role dense.\n")
    code, text, error = command("blocks.yaml", "--to", "mmcv", "--role", "conv")
    assert (code, error) == (0, "")
    assert "ConvModule(" in text
    assert "dense" not in text.partition("import")[2]
    assert command("blocks.yaml", "--to", "torch", "--role", "dnse") == (
        2,
        "",
        "Error: blocks.yaml: no role is named 'dnse'. Did you mean 'dense'? Known: conv, dense.\n",
    )
