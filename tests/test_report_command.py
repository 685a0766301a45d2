"""The command ``report``: which run it finds, what it writes, what it says when there is none."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import optuna
import pytest
import yaml

from ordersearch import load_blocks
from ordersearch.cli import main
from ordersearch.cli.report_command import report_beside
from ordersearch.report.content import Report
from ordersearch.report.documents import SCHEMA
from ordersearch.results import Run
from ordersearch.study import Search
from ordersearch.study.record import keep_command
from ordersearch.study.storage import open_storage
from tests.kept_studies import BEGAN, HOSTILE, ORDERS, kept_confirmation, kept_search
from tests.searches import SMALL_SPACE, small_search, small_space

Command = Callable[..., tuple[int, str, str]]
VALUES = dict(zip(ORDERS, (0.5, 0.6, 0.7), strict=True))
PAIRS = {ORDERS[0]: [0.5, 0.6, 0.55, 0.52, 0.58], ORDERS[1]: [0.4, 0.52, 0.44, 0.43, 0.47]}


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return small_search(small_space(tmp_path))


@pytest.fixture
def run(tmp_path: Path, search: Search) -> Path:
    """A run's folder, in ``runs``."""
    folder = tmp_path / "runs" / "digits-conv"
    folder.mkdir(parents=True)
    storage = open_storage(str(folder / "study.journal"))
    study = kept_search(search, storage, VALUES)
    keep_command(study, "python -m ordersearch digits --space small.yaml", {"ordersearch": "0.1.0", "torch": "2.13"})
    kept_confirmation(search, storage, PAIRS)
    return folder


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``report`` in the folder above ``runs``: exit code, what was printed, errors."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ordersearch", "report", *words])
        with pytest.raises(SystemExit, match=r"^\d*$") as ended:
            main()
        capture = capsys.readouterr()
        return int(ended.value.code or 0), capture.out, capture.err

    return run_command


@pytest.mark.parametrize("given", ["runs/digits-conv", "digits-conv", "runs/digits-conv/study.journal"])
def test_a_run_is_found_by_folder_name_and_journal(command: Command, run: Path, given: str) -> None:
    code, out, err = command(given)
    assert (code, err) == (0, "")
    assert out == "Report:  runs/digits-conv/report.html\n"
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_markdown_is_printed(command: Command, run: Path, golden: Callable[[str, str], None]) -> None:
    code, out, _ = command("digits-conv", "--format", "md")
    assert code == 0
    golden("report.md", out)


def test_json_holds_everything_under_its_documented_keys(command: Command, run: Path) -> None:
    values = json.loads(command("digits-conv", "--format", "json")[1])
    assert values["schema"] == SCHEMA
    assert set(values) == {"schema", "search_runs", "confirmation_runs", *(own.name for own in fields(Report))}
    assert values["headline"] == "Another order is better than yours"
    assert [len(values[key]) for key in ("search_runs", "confirmation_runs")] == [4, 10]
    assert set(values["search_runs"][0]) == {own.name for own in fields(Run)}
    assert values["versions"] == {"ordersearch": "0.1.0", "torch": "2.13"}
    documented = Path(__file__).parents[1].joinpath("docs", "report.md").read_text(encoding="utf-8")
    keys = {*values, *values["candidates"][0], *values["ranking"][0]}
    assert [key for key in keys if f"`{key}`" not in documented] == []


def test_csv_has_a_row_a_run_of_search_and_confirmation(command: Command, run: Path) -> None:
    rows = list(csv.DictReader(command("digits-conv", "--format", "csv")[1].splitlines()))
    assert [row["study"] for row in rows] == ["small"] * 3 + ["small-confirm"] * 10
    assert [float(row["value"]) for row in rows[:3]] == [0.5, 0.6, 0.7]


def test_the_format_follows_from_the_files_name(command: Command, run: Path, tmp_path: Path) -> None:
    assert command("digits-conv", "--out", "told.json")[0] == 0
    assert json.loads((tmp_path / "told.json").read_text())["study"] == "small"
    assert command("digits-conv", "--format", "csv", "--out", "runs")[1] == "Report:  runs/report.csv\n"
    code, _, err = command("digits-conv", "--out", "nowhere/report.html")
    assert code == 2
    assert "nowhere/report.html: cannot be written (No such file or directory). Give another --out." in err


def test_the_block_of_the_page_loads(command: Command, run: Path, tmp_path: Path) -> None:
    snippets = json.loads(command("digits-conv", "--format", "json")[1])["snippets"]
    by_title: Mapping[str, str] = {one["title"]: one["text"] for one in snippets}
    (tmp_path / "block.yaml").write_text(by_title["As a file"])
    assert str(load_blocks(tmp_path / "block.yaml")["conv"].spec) == ORDERS[1]
    names: dict[str, object] = {}
    exec(by_title["With ordersearch"], names)
    assert [name for name, _ in names["conv"].named_children()] == ["conv", "relu", "batch_norm", "max_pool"]  # type: ignore[attr-defined]


def test_a_study_in_a_database_is_found_by_name(command: Command, search: Search, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    storage = open_storage(url)
    kept_search(search, storage, VALUES)
    kept_confirmation(search, storage, PAIRS)
    assert command("--storage", url)[1] == "Report:  small-report.html\n"
    kept_search(replace(search, name="second"), storage, VALUES)
    code, _, err = command("--storage", url)
    assert code == 2
    assert "holds 2 searches, so say which: --name small, --name second." in err
    assert command("--storage", url, "--name", "second")[1] == "Report:  second-report.html\n"
    code, _, err = command("--storage", url, "--name", "secnd")
    assert "no study is named 'secnd'. Did you mean 'second'? Known: second, small." in err
    code, _, err = command("--storage", url, "--name", "small-confirm")
    assert "Study 'small-confirm' holds further runs of another study's search: report on that one." in err
    optuna.create_study(study_name="mine", storage=url)
    assert "Study 'mine' exists, but ordersearch did not make it." in command("--storage", url, "--name", "mine")[2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["digits-covn"], "digits-covn: there is no such run. Did you mean 'runs/digits-conv'? A run is the folder"),
        (["runs/nothing"], "runs/nothing: there is no such run. Runs there: runs/digits-conv. A run is the folder"),
        (["runs"], "runs: holds no study.journal, so it is no run's folder. Runs there: runs/digits-conv."),
        ([], "Which run? Give its folder, or --storage URL --name NAME. Runs there: runs/digits-conv."),
        (["digits-conv", "--format", "pdf"], "--format: no format is named 'pdf'. Known: csv, html, json, md."),
        (["digits-conv", "--storage", "sqlite:///a.db"], "Got the run 'digits-conv' and --storage, but a report is of"),
        (["--storage", "sqlite:///a.db"], "--storage: got 'sqlite:///a.db', but there is no file 'a.db'. Check the"),
        (["--storage", "sqlite+pysqlite:///b.db?timeout=5"], "--storage: got 'sqlite+pysqlite:///b.db?timeout=5', but"),
        (
            ["small.yaml"],
            "Storage 'small.yaml' cannot be opened (ValueError: a storage is a path that ends in .jo",
        ),
    ],
)
def test_what_is_no_run_is_said_to_be_none(command: Command, run: Path, given: list[str], expected: str) -> None:
    code, out, err = command(*given)
    assert (code, out) == (2, "")
    assert f"Error: {expected}" in err


def test_an_empty_journal_is_no_search_yet(command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs" / "new").mkdir(parents=True)
    open_storage(str(tmp_path / "runs" / "new" / "study.journal"))
    (tmp_path / "runs" / "new" / "study.journal").touch()
    assert "study.journal: holds no search of ordersearch yet." in command("new")[2]


def test_names_that_markdown_reads_are_text_in_it(command: Command, search: Search, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    named = replace(search, name=HOSTILE, dataset=replace(search.dataset, name=HOSTILE))
    kept_search(named, open_storage(url), VALUES)
    out = command("--storage", url, "--format", "md")[1]
    assert "<script" not in out
    assert out.count(r"&lt;script&gt;alert(1)&lt;/script&gt; \"'\`\|&amp;&lt;b&gt;\*x\*".replace('\\"', '"')) == 2
    assert all(line.count("|") - line.count(r"\|") == 6 for line in out.splitlines() if line.startswith("| 1"))


def test_a_report_that_fails_takes_nothing_with_it(
    run: Path, search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = open_storage(str(run / "study.journal"))
    assert report_beside(run, storage, "small") == [run / "report.html"]
    assert report_beside(tmp_path / "nowhere", storage, "small") == []
    assert report_beside(run, storage, "gone") == []
    err = capsys.readouterr().err
    assert "nowhere/report.html was not written (FileNotFoundError: " in err
    assert "no study is named 'gone'" in err
    assert "python -m ordersearch report tries again." in err


def test_a_search_leaves_its_report_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL_SPACE)
    words = ["digits", "--space", "small.yaml", "--max-epochs", "1", "--confirm", "off", "--trials", "1", "-q"]
    monkeypatch.setattr(sys, "argv", ["ordersearch", *words, "--name", "mine", "--workers", "1", "--pack", "off"])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    page = (tmp_path / "runs" / "mine" / "report.html").read_text(encoding="utf-8")
    assert "python -m ordersearch digits --space small.yaml" in page
    assert "1797 images" in page
    # The data set and the space's file may be gone by now.
    (tmp_path / "small.yaml").unlink()
    monkeypatch.setattr(sys, "argv", ["ordersearch", "report", "mine", "--format", "json"])
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    values = json.loads(capsys.readouterr().out)
    assert (values["space"]["n_orders"], values["space"]["n_networks"]) == (4, 2)
    assert values["commands"][0].startswith("python -m ordersearch digits ")
    assert yaml.safe_load((tmp_path / "runs" / "mine" / "blocks.yaml").read_text())["verdict"] == values["verdict"]


def test_the_moments_are_those_of_the_trials(command: Command, run: Path) -> None:
    values = json.loads(command("digits-conv", "--format", "json")[1])
    assert values["started"] == str(BEGAN)
