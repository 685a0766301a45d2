"""The command line as users meet it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml

from ordersearch import load_blocks
from ordersearch.cli import main
from ordersearch.cli.options import SearchOptions, resume_command
from ordersearch.data import load_dataset
from ordersearch.study.storage import open_storage
from tests.searches import SMALL_SPACE

Run = Callable[..., "Ended"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL_SPACE)
    digits = load_dataset("digits")
    np.savez(tmp_path / "few.npz", x=digits.x[:120, 0], y=digits.y[:120])

    def run_command(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ordersearch", *words])
        try:
            main()
        except SystemExit as ended:
            return Ended(int(ended.code or 0), *capsys.readouterr())
        raise AssertionError("a command line ends with an exit code")

    return run_command


def trials(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's ``trials.csv``."""
    return list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))


SMALL = ("few.npz", "--space", "small.yaml", "--max-epochs", "1", "--confirm", "off")
CONFIRMED = (*SMALL[:-1], "5")


def test_a_bare_data_set_searches_and_leaves_its_files(run: Run, tmp_path: Path) -> None:
    ended = run(*SMALL, "--trials", "3")
    assert ended.code == 0, ended.err
    assert "Verdict: 'conv > " in ended.out
    assert "4 orders (rates counted) are 2 distinct networks" in ended.out
    assert "optuna-dashboard runs/few-small/study.journal" in ended.out
    folder = tmp_path / "runs" / "few-small"
    written = {"blocks.yaml", "trials.csv", "effects.csv", "effects.json", "report.html"}
    assert {path.name for path in folder.iterdir()} == {"study.journal", "artifacts", *written}
    assert all(f"runs/few-small/{name}" in ended.out for name in written)
    rows = trials(folder)
    assert len(rows) == 3
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    assert load_blocks(folder / "blocks.yaml")["conv"](3, 64) is not None
    kept = yaml.safe_load((folder / "blocks.yaml").read_text())
    assert kept["counts"]["distinct_networks"] == 2
    assert kept["ranking"][0]["blocks"]["conv"]["notation"] in ended.out


def test_the_best_are_confirmed_on_fresh_pairs_and_what_is_there_is_not_trained_again(run: Run, tmp_path: Path) -> None:
    ended = run(*CONFIRMED, "--trials", "4")
    assert ended.code == 0, ended.err
    assert "Scope:   few, over retraining and resplitting; network cnn, 1 epochs, batches of 128." in ended.out
    assert "[10/10, 0:00 left]" in ended.out
    folder = tmp_path / "runs" / "few-small"
    rows = list(csv.DictReader((folder / "confirmation.csv").read_text().splitlines()))
    assert len(rows) == 10
    assert len({row["seed"] for row in rows}) == 5
    kept = yaml.safe_load((folder / "blocks.yaml").read_text())
    assert [entry["n_runs"] for entry in kept["ranking"]] == [5, 5]
    verdict = next(line for line in ended.out.splitlines() if line.startswith("Verdict: "))
    assert kept["verdict"].startswith(verdict.removeprefix("Verdict: "))
    again = run(*CONFIRMED, "--trials", "4")
    assert "[1/10" not in again.out
    assert verdict in again.out


def test_an_order_of_ones_own_is_what_the_others_are_compared_with(run: Run) -> None:
    ended = run(*CONFIRMED, "--trials", "2", "--baseline", "conv -> LeakyReLU -> MaxPool", "--anytime")
    assert ended.code == 0, ended.err
    assert "conv > max_pool > leaky_relu" in ended.out
    refused = run(*CONFIRMED, "--trials", "2", "--baseline", "conv > rleu")
    assert refused.code == 2
    assert "Did you mean 'relu'?" in refused.err


def test_an_order_of_ones_own_that_is_wrong_is_said_before_anything_is_trained(run: Run, tmp_path: Path) -> None:
    ended = run(*CONFIRMED, "--trials", "2", "--baseline", "conv > max_pool > max_pool > max_pool > max_pool")
    assert ended.code == 2
    assert "does not fit an 8x8 input" in ended.err
    assert not (tmp_path / "runs").exists()


def test_an_unfinished_confirmation_comes_before_the_search_goes_on(run: Run, tmp_path: Path) -> None:
    assert run(*SMALL, "--trials", "4").code == 0
    storage = open_storage(str(tmp_path / "runs" / "few-small" / "study.journal"))
    cut = run(*SMALL[:-1], "5", "--timeout", "0.02")
    assert cut.code == 0, cut.err
    assert "Too few pairs for a verdict: the first look is after 5. The same command goes on." in cut.out
    again = run(*SMALL[:-1], "5", "--timeout", "1m")
    assert "First the confirmation that is not finished; then the same command searches on." in again.out
    assert "over 5 pairs" in again.out
    assert set(optuna.get_all_study_names(storage)) == {"few-small", "few-small-confirm"}


def test_the_same_command_goes_on_and_then_has_nothing_left_to_do(run: Run, tmp_path: Path) -> None:
    run(*SMALL, "--trials", "2")
    assert run(*SMALL, "--trials", "4").code == 0
    blocks = tmp_path / "runs" / "few-small" / "blocks.yaml"
    before = blocks.read_text()
    again = run(*SMALL, "--trials", "4")
    assert again.code == 0
    assert "All trials are trained" in again.out
    assert blocks.read_text() == before


def test_an_option_that_is_left_out_when_resuming_is_the_studys(run: Run) -> None:
    run(*SMALL, "--trials", "1")
    ended = run("few.npz", "--space", "small.yaml", "--trials", "2", "--confirm", "off")
    assert ended.code == 0, ended.err
    assert "of up to 1 epoch on" in ended.out


def test_data_read_as_something_else_are_said_to_be(run: Run) -> None:
    run("few.npz", "--space", "dense", "--network", "mlp", "--trials", "1", "--max-epochs", "1", "--confirm", "off")
    ended = run("few.npz", "--space", "dense", "--network", "mlp", "--trials", "1", "--input", "table")
    assert ended.code == 2
    assert "another kind of input (kind of input 'image', now 'table')" in ended.err


def test_an_output_that_cannot_show_a_sign_shows_another(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ordersearch", "explain", "conv > relu > max_pool"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "?  may be swapped" in ended.stdout


def test_another_seed_under_the_same_name_is_refused(run: Run) -> None:
    run(*SMALL, "--trials", "1")
    ended = run(*SMALL, "--trials", "1", "--seed", "1")
    assert ended.code == 2
    assert "was made with another seed (seed 0, now 1)" in ended.err


def test_quiet_prints_the_verdict_alone(run: Run) -> None:
    ended = run(*SMALL, "--trials", "1", "--quiet")
    assert ended.out.startswith("Verdict: ")
    assert ended.out.count("\n") == 1


def test_another_place_and_name_are_used(run: Run, tmp_path: Path) -> None:
    assert run(*SMALL, "--trials", "1", "--out", "mine", "--name", "first try").code == 0
    assert (tmp_path / "mine" / "first try" / "blocks.yaml").exists()


def test_sqlite_holds_a_study_too(run: Run, tmp_path: Path) -> None:
    assert run(*SMALL, "--trials", "1", "--storage", "sqlite:///study.db").code == 0
    assert (tmp_path / "study.db").exists()
    assert not (tmp_path / "runs" / "few-small" / "study.journal").exists()


def test_a_table_gets_dense_blocks(run: Run, tmp_path: Path) -> None:
    ended = run("few.npz", "--input", "table", "--trials", "1", "--max-epochs", "1")
    assert ended.code == 0
    assert "mlp: " in ended.out
    assert (tmp_path / "runs" / "few-dense" / "blocks.yaml").exists()


def arrays(folder: Path, name: str, **changes: object) -> str:
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(40, 8, 8)), "y": np.arange(40) % 4, **changes}
    np.savez(folder / name, **values)  # type: ignore[arg-type]
    return name


BAD_COMMANDS = [
    (["nowhere.npz"], "nowhere.npz"),
    (["digts"], "Did you mean 'digits'"),
    (["few.npz", "--space", "cnov"], "Did you mean 'conv'"),
    (["few.npz", "--space", "missing.yaml"], "missing.yaml: cannot be read"),
    (["few.npz", "--network", "cn"], "Did you mean 'cnn'"),
    (["few.npz", "--network", "mlp", "--space", "conv"], "is made of dense blocks"),
    (["few.npz", "--metric", "val/acc"], "The metric 'val/acc' was not logged"),
    (["few.npz", "--device", "tpu"], "it is auto, cpu or cuda"),
    (["few.npz", "--timeout", "soon"], "a time is written as 90, 90s, 10m or 1h30m"),
    (["few.npz", "--confirm", "maybe"], "it is auto, off or a number of pairs"),
    (["few.npz", "--confirm", "²"], "it is auto, off or a number of pairs"),
    (["few.npz", "--baseline", "conv > rleu"], "Did you mean 'relu'?"),
    (["few.npz", "--confirm", "4"], "fewer than 5 pairs cannot show a difference"),
    (["few.npz", "--input", "movie"], "movie"),
    (["few.npz", "--name", "../up"], "a name is at most 120"),
    (["few.npz", "--no-such-option"], "No such option: --no-such-option"),
    (["few.npz", "--trials", "0"], "--trials"),
    (["few.npz", "--storage", "nonsense"], "Storage 'nonsense' cannot be opened"),
    (["few.npz", "--storage", "sqlite:////nowhere/at/all.db"], "cannot be opened"),
    (["few.npz", "--storage", "postgresql://ada:secret@localhost:1/x"], "cannot be opened"),
    (["few.npz", "--out", "few.npz"], "cannot be written"),
    (["few.npz", "--out", "/proc/runs"], "cannot be written"),
    ([], "Usage"),
]


@pytest.mark.parametrize(("words", "message"), BAD_COMMANDS, ids=[" ".join(words) for words, _ in BAD_COMMANDS])
def test_bad_options_get_a_sentence_and_leave_nothing_behind(
    run: Run, tmp_path: Path, words: list[str], message: str
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    ended = run(*words)
    said = " ".join((ended.out + ended.err).split())
    assert ended.code == 2
    assert message in said
    assert "Traceback" not in said
    assert "secret" not in said
    assert len(said) < 500 or not words
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.zeros(40, int)}, "class"),
        ({"y": np.arange(39) % 4}, "39"),
        ({"x": np.full((40, 8, 8), np.nan)}, "NaN"),
        ({"x": np.array([None] * 40, object)}, "object"),
    ],
    ids=["one class", "labels that do not match", "NaN", "objects"],
)
def test_bad_data_get_a_sentence(run: Run, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    ended = run(arrays(tmp_path, "bad.npz", **changes))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err
    assert not (tmp_path / "runs").exists()


def test_a_rate_out_of_bounds_and_an_unknown_op_are_said_with_their_place(run: Run, tmp_path: Path) -> None:
    role = "{order: [weight > activation], weight: [conv], activation: [%s], dropout: [dropout], dropout_rate: [%s]}"
    (tmp_path / "rate.yaml").write_text("roles: {conv: " + role % ("relu", "0.1, 1.2") + "}")
    (tmp_path / "op.yaml").write_text("roles: {conv: " + role % ("rleu", "0.1") + "}")
    expected = "rate.yaml: roles.conv.dropout_rate[1]: got 1.2, but a rate lies in [0, 1)."
    assert expected in run("few.npz", "--space", "rate.yaml").err
    assert (
        "op.yaml: roles.conv.activation[0]: No op is named 'rleu'. Did you mean 'relu'?"
        in run("few.npz", "--space", "op.yaml").err
    )


def test_a_space_of_which_no_order_fits_is_refused(run: Run, tmp_path: Path) -> None:
    text = "roles: {conv: {orders: ['conv > max_pool > max_pool > max_pool > max_pool']}}"
    (tmp_path / "shrinking.yaml").write_text(text)
    ended = run("few.npz", "--space", "shrinking.yaml", "--trials", "2", "--max-epochs", "1")
    assert ended.code == 2
    assert "does not fit an 8x8 input: op 5 (max_pool) would get 1x1 for a window of 2" in ended.err
    assert not (tmp_path / "runs").exists()


def test_an_order_that_does_not_fit_is_a_result_among_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mixed.yaml").write_text("roles: {conv: {orders: [conv > max_pool(kernel=9), conv > relu]}}")
    ended = run("few.npz", "--space", "mixed.yaml", "--max-epochs", "1")
    assert ended.code == 0, ended.err
    states = {row["blocks"]: row["state"] for row in trials(tmp_path / "runs" / "few-mixed")}
    assert states == {"conv > max_pool(kernel=9)": "does-not-fit", "conv > relu": "complete"}


def test_a_search_of_which_every_trial_diverges_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wild.yaml").write_text("roles: {conv: {orders: [conv > leaky_relu]}}\nnuisance: {lr: [1e+6]}")
    ended = run("few.npz", "--space", "wild.yaml", "--max-epochs", "8")
    assert ended.code == 1
    assert "No trial was completed (1 diverged)" in ended.out


def test_a_timeout_is_kept_to_and_told(run: Run) -> None:
    ended = run("few.npz", "--space", "wide", "--max-epochs", "1", "--timeout", "2s")
    assert ended.code == 0
    assert "2 s long" in ended.out
    assert "The time is up" in ended.out


def test_a_broken_journal_is_said_to_be(run: Run, tmp_path: Path) -> None:
    run(*SMALL, "--trials", "1")
    journal = tmp_path / "runs" / "few-small" / "study.journal"
    journal.write_text("garbage\n" + journal.read_text())
    ended = run(*SMALL, "--trials", "2")
    assert ended.code == 2
    assert "study.journal' cannot be opened (JSONDecodeError" in ended.err


def test_help_and_version_need_no_torch() -> None:
    code = (
        "import sys; from ordersearch.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'optuna' in sys.modules)"
    )
    for words in (["--help"], ["search", "--help"], ["--version"]):
        ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda signum: signum.name)
def test_a_stopped_or_killed_search_loses_no_run(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "ordersearch", "digits", "--quiet", "--confirm", "off", "--trials"]
    with subprocess.Popen(
        [*command, "90", "--max-epochs", "4"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as search:
        journal, deadline = tmp_path / "runs" / "digits-conv" / "study.journal", time.monotonic() + 120
        while time.monotonic() < deadline and (
            not journal.exists() or "ordersearch:setting" not in journal.read_text()
        ):
            time.sleep(0.01)
        search.send_signal(ending)
    assert search.returncode == (-signal.SIGKILL if ending is signal.SIGKILL else 130)
    again = subprocess.run(
        [*command, "9", "--max-epochs", "4"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    rows = trials(journal.parent)
    assert "running" not in {row["state"] for row in rows}
    trained = [row["reference"] for row in rows if row["state"] in ("complete", "pruned")]
    assert trained.count("convention") == 1
    ended = [(row["setting"], row["seed"], row["state"]) for row in rows if row["state"] in ("complete", "pruned")]
    assert len(ended) == len(set(ended)) == 9


def test_ctrl_c_leaves_a_search_that_the_same_command_goes_on_with(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ordersearch", "digits", "--max-epochs", "2"]
    search = subprocess.Popen(
        [*command, "--trials", "500"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    csv_path, deadline = tmp_path / "runs" / "digits-conv" / "trials.csv", time.monotonic() + 120
    journal = csv_path.with_name("study.journal")
    while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count("complete") < 2):
        time.sleep(0.1)
    search.send_signal(signal.SIGINT)
    out, err = search.communicate(timeout=60)
    assert search.returncode == 130, err
    assert err == "Interrupted. To go on: python -m ordersearch digits --trials 500 --max-epochs 2\n"
    assert "Verdict: " in out
    n_before = len(csv_path.read_text().splitlines())
    again = subprocess.run(
        [*command, "--trials", "5", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert len(csv_path.read_text().splitlines()) >= n_before


def test_two_processes_share_a_study_and_count_every_run_once(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ordersearch", *SMALL, "--trials", "12", "--quiet"]
    both = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
    run(*SMALL, "--trials", "12", "--quiet")
    folder = tmp_path / "runs" / "few-small"
    rows = [row for row in trials(folder) if row["state"] == "complete"]
    for place in yaml.safe_load((folder / "blocks.yaml").read_text())["ranking"]:
        notation = place["blocks"]["conv"]["notation"]
        runs = {
            r["seed"] for r in rows if r["blocks"] == notation and float(r["learning_rate"]) == place["learning_rate"]
        }
        assert place["n_runs"] == len(runs) <= 3
    values: dict[tuple[str, str], str] = {}
    for row in rows:
        assert values.setdefault((row["setting"], row["seed"]), row["value"]) == row["value"], "a run has one value"


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (SearchOptions("digits"), "python -m ordersearch digits"),
        (SearchOptions("my data.npz", trials=5, quiet=True), "python -m ordersearch 'my data.npz' --trials 5 --quiet"),
        (SearchOptions("-dash.npz", seed=2), "python -m ordersearch --seed 2 -- -dash.npz"),
        (
            SearchOptions("digits", storage="postgresql://ada:s3cret@localhost/x"),
            "python -m ordersearch digits --storage 'postgresql://ada:***@localhost/x'",
        ),
    ],
)
def test_the_command_to_go_on_with_is_the_one_that_was_given(options: SearchOptions, command: str) -> None:
    assert resume_command(options) == command


def test_a_network_alone_gets_the_space_of_its_blocks(run: Run) -> None:
    ended = run(
        "few.npz", "--network", "resnet", "--width", "4", "--trials", "1", "--max-epochs", "1", "--confirm", "off"
    )
    assert ended.code == 0, ended.err
    assert "Space    residual: " in ended.out
    assert "Plan     1 trial of up to 1 epoch on cpu, by val/loss\n" in ended.out


def test_a_name_of_the_catalogue_is_an_order_to_compare_with(run: Run) -> None:
    ended = run(*CONFIRMED, "--trials", "2", "--baseline", "norm only")
    assert ended.code == 0, ended.err
    assert "conv > batch_norm > max_pool > relu" in ended.out
