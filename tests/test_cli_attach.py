"""The command ``attach``: what it prints and keeps, and what it says where it cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ordersearch.attach import attached_space
from ordersearch.cli import main
from ordersearch.cli.attach_code import AttachedCode
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace
from tests.own_studies import old_study, storage_of

Command = Callable[..., tuple[int, str, str]]
URL = "sqlite:///studies.db"
HOSTILE = '"""; import os; os.system(\'x\')\n\x1b[31m'
AS = ("--as", "linear > batch_norm > relu > dropout(p=0.1)")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``attach`` in an empty folder: exit code, what was printed, errors."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str, space: str = "dense", storage: str = URL) -> tuple[int, str, str]:
        line = ["ordersearch", "attach", "--storage", storage, "--space", space, *words]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit, match=r"^\d*$") as ended:
            main()
        capture = capsys.readouterr()
        return int(ended.value.code or 0), capture.out, capture.err

    return run_command


@pytest.fixture
def study(command: Command, tmp_path: Path) -> optuna.Study:
    """A study of ten trials in the folder's database."""
    return old_study(10, storage=storage_of("sqlite", tmp_path))


def loaded(name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=URL)


def program(out: str) -> str:
    """The printed program."""
    return dedent(out.partition("in the program that has the objective:\n\n")[2])


def test_a_space_is_attached_and_what_that_means_is_told(command: Command, study: optuna.Study) -> None:
    code, out, err = command("--study", "mine", "--references")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "Study    'mine' in sqlite:///studies.db: 10 trials (8 complete, 1 pruned, 1 fail), minimizes, tunes lr, width",
        "Space    dense: 34 orders (rates counted) are 26 distinct networks",
        "Adds     dense.order (3), dense.norm_placement (5), dense.dropout (2), dense.dropout_rate (2); lr stays the "
        "study's own",
        "Queued   7 of the space's 7 references",
    ]
    assert lines[4].startswith("Sampler  TPESampler models 'dense.order', ")
    assert "9 of the 9 finished trials lack some of them" in lines[4]
    assert lines[5] == "         backfill() is --as ORDER --into NEW here."
    assert "TPESampler(multivariate=True, group=True)" in program(out)
    kept = attached_space(loaded("mine"))
    assert kept is not None
    assert kept.fingerprint() == SearchSpace.load("dense").fingerprint()
    assert "Queued   0 of" in command("--study", "mine", "--references")[1]


def test_a_copy_gets_the_order_and_all_that_the_study_has(command: Command, study: optuna.Study) -> None:
    study.set_user_attr("owner", "ada")
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["val/loss"])
    code, out, _ = command("--study", "mine", "--into", "orders", *AS, "--prefix", "b.")
    assert code == 0
    assert f"Copied   10 trials copied: study 'orders', with {AS[1]}" in out
    assert "Sampler  TPESampler, Optuna's default, models all parameters together." in out
    new = loaded("orders")
    assert (new.user_attrs["owner"], new.metric_names, new.directions) == ("ada", ["val/loss"], study.directions)
    assert [trial.params["lr"] for trial in new.trials] == [trial.params["lr"] for trial in study.trials]
    assert attached_space(loaded("mine"), "b.") is None
    again = command("--study", "mine", "--into", "orders", *AS, "--prefix", "b.")
    assert again[0] == 0
    assert "Copied   0 trials copied, 10 there already: study 'orders'\n" in again[1]


def test_the_printed_program_goes_on_with_the_study(command: Command, study: optuna.Study) -> None:
    _, out, _ = command("--study", "mine", "--into", "orders", *AS)
    text = program(out).replace(
        "    ...  # first, as", "    trial.suggest_float('lr', 1e-4, 1.0, log=True)  # first, as"
    )
    text = text.replace("    ...  # train as before", "    return float(run.seed)  # train as before")
    exec(compile(text.replace("n_trials=40", "n_trials=2"), "<printed>", "exec"), {"__name__": "printed"})
    assert len(loaded("orders").trials) == 12


def test_the_printed_program_of_several_objectives_asks_for_no_ranking(command: Command, tmp_path: Path) -> None:
    both = optuna.create_study(
        study_name="both", storage=storage_of("sqlite", tmp_path), directions=["minimize", "maximize"]
    )
    both.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)
    _, out, _ = command("--study", "both", "--into", "orders", *AS)
    text = program(out)
    assert "with run.nuisance['lr'], and return the values" in text
    text = text.replace("    ...  # first, as", "    trial.suggest_float('x', 0, 1)  # first, as")
    text = text.replace("    ...  # train as before", "    return float(run.seed), 1.0  # train as before")
    with pytest.warns(optuna.exceptions.ExperimentalWarning, match="group"):
        exec(compile(text.replace("n_trials=40", "n_trials=1"), "<printed>", "exec"), {"__name__": "printed"})
    assert len(loaded("orders").trials) == 3


def test_a_journal_is_opened_in_the_program_as_optuna_does(command: Command) -> None:
    old_study(2, storage=JournalStorage(JournalFileBackend("mine.journal")))
    code, out, _ = command("--study", "mine", storage="mine.journal")
    assert code == 0
    assert "storage=JournalStorage(JournalFileBackend('mine.journal')))" in program(out)
    compile(program(out), "<printed>", "exec")


def test_names_from_outside_stay_text(command: Command, tmp_path: Path) -> None:
    old_study(1, storage=storage_of("sqlite", tmp_path), name=HOSTILE)
    code, out, _ = command("--study", HOSTILE)
    assert code == 0
    assert "\x1b" not in out
    names: dict[str, object] = {}
    line = next(line for line in program(out).splitlines() if line.startswith("study = "))
    called = line.replace("optuna.load_study", "dict").removeprefix("study = ")
    exec(f"found = {called}", names)
    assert names["found"] == {"study_name": HOSTILE, "storage": URL}


def test_a_proxy_is_opened_in_the_program_as_optuna_does() -> None:
    code = AttachedCode("mine", "grpc://node1:14000", "dense", ["dense"], "", [], [], in_groups=False)
    text = "\n".join(code.lines())
    assert "from optuna.storages import GrpcStorageProxy" in text
    assert "storage=GrpcStorageProxy(host='node1', port=14000))" in text


def test_a_password_is_in_neither_code_nor_text() -> None:
    code = AttachedCode("mine", "postgresql://ada:secret@host/studies", "dense", ["dense"], "", [], [], in_groups=False)
    text = "\n".join(code.lines())
    assert "secret" not in text
    assert "storage='postgresql://ada:***@host/studies'" in text


# What cannot be


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--study", "min"], "Error: In the storage: no study is named 'min'. Did you mean 'mine'? Known: mine."),
        (
            ["--study", "mine", *AS],
            f"Error: --as: got {AS[1]!r}, but no study to copy the trials to. Name one with --into",
        ),
        (
            ["--study", "mine", "--into", "mine", *AS],
            "Error: --into: got 'mine', which is the study itself. Give the new",
        ),
        (["--study", "mine", "--into", "new", "--as", "linear > gelu"], "It has 'gelu', where the space has: relu."),
        (["--study", "mine", "--into", "new", "--as", "linear > rleu"], "No op is named 'rleu'. Did you mean 'relu'?"),
        (["--study", "mine", "--into", "new"], "Trial 0 of study 'mine' does not say which order it had: give the one"),
    ],
)
def test_what_does_not_go_is_said_and_leaves_nothing(
    command: Command, study: optuna.Study, words: list[str], told: str
) -> None:
    code, _, err = command(*words)
    assert code == 2
    assert told in err
    assert optuna.get_all_study_names(URL) == ["mine"]
    assert loaded("mine").user_attrs == {}


def test_a_database_that_is_not_there_is_not_made(command: Command, tmp_path: Path) -> None:
    code, _, err = command("--study", "mine", storage="sqlite:///none.db")
    assert (code, err) == (
        2,
        "Error: --storage: got 'sqlite:///none.db', but there is no file 'none.db'. Check the path.\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_a_storage_that_does_not_open_is_not_shown(command: Command) -> None:
    code, out, err = command("--study", "mine", storage="nosuch://ada:secret@host/studies")
    assert code == 2
    assert "Storage 'nosuch://ada:***@host/studies' cannot be opened" in err
    assert "secret" not in out + err


def test_a_search_of_ordersearch_is_refused(command: Command, study: optuna.Study) -> None:
    study.set_user_attr(Attribute.SEARCH, {"space": "conv"})
    for words in ([], ["--into", "new", *AS]):
        code, _, err = command("--study", "mine", *words)
        assert code == 2
        assert "Error: Study 'mine' is a search of ordersearch, which has its own space and objective." in err


def test_another_study_is_not_filled_by_mistake(command: Command, study: optuna.Study) -> None:
    other = optuna.create_study(study_name="other", storage=URL, sampler=RandomSampler())
    other.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    code, _, err = command("--study", "mine", "--into", "other", *AS)
    assert (code, len(loaded("other").trials)) == (2, 1)
    assert "Study 'other' exists, and no trial in it came from 'mine'. Give --into the name of a new study." in err


def test_a_changed_space_is_told_and_the_way_out_works(command: Command, study: optuna.Study, tmp_path: Path) -> None:
    text = next(Path(__file__).parents[1].glob("search_spaces/dense.yaml")).read_text(encoding="utf-8")
    (tmp_path / "space.yaml").write_text(text)
    assert command("--study", "mine", space="space.yaml")[0] == 0
    (tmp_path / "space.yaml").write_text(text.replace("dropout_rate: [0.1, 0.3]", "dropout_rate: [0.1, 0.3, 0.5]"))
    code, _, err = command("--study", "mine", space="space.yaml")
    assert code == 2
    assert "'dense.dropout_rate': 0.5 came. Attach it with another prefix, or make a new study and backfill it" in err
    code, out, _ = command("--study", "mine", "--into", "orders", *AS, space="space.yaml")
    assert code == 0
    assert "Copied   10 trials copied" in out
    assert "SearchSpace.load('space.yaml')" in program(out)
