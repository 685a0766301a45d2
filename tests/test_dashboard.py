"""What is written for optuna-dashboard: notes, plots and artifacts, as its own functions and its server read them."""

from __future__ import annotations

import dataclasses
import json
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from optuna.storages import BaseStorage, InMemoryStorage
from sqlalchemy.exc import OperationalError

from ordersearch.objective import Trainer
from ordersearch.report.dashboard import DashboardObserver, refresh
from ordersearch.report.dashboard.feed import OWN_BELOW, Feed
from ordersearch.report.dashboard.leaderboard import interval
from ordersearch.report.dashboard.markdown import code, escaped, fenced, one_line, quoted_as_code, table
from ordersearch.report.dashboard.pictures import confusion_matrix, confusion_table, learning_curve
from ordersearch.report.dashboard.plots import figures
from ordersearch.report.dashboard.trial_note import trial_note
from ordersearch.results import Attribute, Run, State, read_runs, runs_of
from ordersearch.study import Search, SearchResult
from ordersearch.study.baseline import default_baseline, tuned_baseline
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import finalists
from ordersearch.study.kept_study import read_study
from ordersearch.study.packs import Packs
from ordersearch.study.record import keep_command
from ordersearch.study.storage import open_storage
from tests.kept_studies import HOSTILE, ORDERS, kept_search
from tests.searches import small_search, small_space

SPACE = """
roles:
  conv:
    order: [weight > activation > pool]
    norm_placement: [after_weight, after_activation]
    weight: [conv]
    norm: [batch_norm]
    activation: [relu]
    pool: [max_pool]
nuisance:
  lr: [0.003, 0.01]
references:
  - name: convention
    source: a test
    conv: conv > batch_norm > relu > max_pool
"""
"""Two distinct networks that differ in one precedence."""

CONVENTION = "conv > batch_norm > max_pool > relu"


def confirm(search: Search, result: SearchResult, storage: BaseStorage, observer: DashboardObserver | None) -> None:
    """Confirm the best on five pairs."""
    trainer = Trainer(search.dataset, search.network, search.training)
    baseline, _ = tuned_baseline(search, result, default_baseline(search, result), trainer, storage)
    confirmation, study = Confirmation(search, finalists(result, baseline), max_pairs=5).opened(storage)
    confirmation.run(study, trainer, observers=[observer] if observer else [])


@dataclasses.dataclass
class Watched:
    """A search that was watched to its end."""

    search: Search
    result: SearchResult
    storage: BaseStorage
    observer: DashboardObserver
    folder: Path

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def study(self, name: str = "") -> optuna.Study:
        return optuna.load_study(study_name=name or self.search.name, storage=self.storage)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("run")
    storage = open_storage(str(folder / "study.journal"))
    search = small_search(small_space(folder, SPACE))
    observer = DashboardObserver(storage, folder / "artifacts")
    study = search.open_study(storage)
    keep_command(study, "python -m ordersearch digits --trials 4", {})
    result = search.run(study, n_trials=4, observers=[observer])
    confirm(search, result, storage, observer)
    return Watched(search, result, storage, observer, folder)


def note_of(study: optuna.Study, trial: int | None = None) -> str:
    """A note as the dashboard's server reads it."""
    from optuna_dashboard._note import get_note_from_system_attrs

    attributes = study._storage.get_study_system_attrs(study._study_id)
    trial_id = None if trial is None else study.get_trials(deepcopy=False)[trial]._trial_id
    return str(get_note_from_system_attrs(attributes, trial_id)["body"])


def plots_of(study: optuna.Study) -> dict[str, dict[str, Any]]:
    """The plots as the dashboard's server reads them."""
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    found: Mapping[str, str] = get_plotly_graph_objects(study._storage.get_study_system_attrs(study._study_id))
    return {name: json.loads(text) for name, text in found.items()}


def artifacts_of(study: optuna.Study, trial: int) -> dict[str, str]:
    """File name to name in the store, as the dashboard's server lists them."""
    from optuna_dashboard.artifact._backend import list_trial_artifacts

    frozen = study.get_trials(deepcopy=False)[trial]
    attributes = study._storage.get_study_system_attrs(study._study_id)
    listed = list_trial_artifacts(attributes, frozen.system_attrs, frozen)
    return {meta["filename"]: meta["artifact_id"] for meta in listed}


def test_the_search_s_note_says_what_where_and_how_to_go_on(watched: Watched) -> None:
    note = note_of(watched.study())
    assert watched.observer.problem == ""
    for part in ("# `small`", "`digits`", "`val/loss`, lower is better", "4 trained"):
        assert part in note
    assert "## Verdict" in note
    assert "## Leaderboard of the search" in note
    assert "python -m ordersearch digits --trials 4" in note
    assert "No trial is running" in note
    assert note.endswith(OWN_BELOW)
    for place in watched.result.places:
        assert f"{place.mean:.4g}" in note


def test_the_confirmation_s_note_has_the_finalists_with_their_intervals(watched: Watched) -> None:
    kept = read_study(watched.storage, "small")
    assert kept.confirmed is not None
    note = note_of(watched.study("small-confirm"))
    found = kept.confirmed.verdict.decision.comparisons[0]
    assert "**The confirmation of `small`**" in note
    assert f"{found.low:+.3g}\u00a0to\u00a0{found.high:+.3g}" in note
    assert "Of at most 5 pairs, each finalist has 5." in note
    assert "**recommended**" in note
    assert quoted_as_code(kept.confirmed.verdict.text) in note
    assert quoted_as_code(kept.confirmed.verdict.text) in note_of(watched.study())


def test_every_trial_has_a_note_with_its_order_class_and_end(watched: Watched) -> None:
    for name in ("small", "small-confirm"):
        study = watched.study(name)
        for run in read_runs(study):
            note = note_of(study, run.trial)
            assert "max_pool\n" in note
            assert "**Class** `conv > " in note
            same = run.canonical["conv"].startswith("conv > batch_norm")
            assert ("2 orders are this one network" in note) is same
            assert ("this order alone is this network" in note) is not same
            assert ("**Complete**" in note) is (run.state is State.COMPLETE)


def test_the_best_and_the_finalists_have_their_curve_and_their_block_as_files(watched: Watched) -> None:
    search, confirmation = watched.study(), watched.study("small-confirm")
    best = watched.result.runs_of(watched.result.places[0])[0]
    for study, trial in ((search, best.trial), (confirmation, 0)):
        files = artifacts_of(study, trial)
        assert {"learning-curve.svg", "block.txt"} <= set(files)
        curve = (watched.artifacts / files["learning-curve.svg"]).read_text()
        assert ElementTree.fromstring(curve).tag.endswith("svg")
        assert (watched.artifacts / files["block.txt"]).read_text().startswith("conv: conv > ")
        assert f"]({address(study, trial, files['learning-curve.svg'])})" in note_of(study, trial)


def address(study: optuna.Study, trial: int, artifact: str) -> str:
    from optuna_dashboard.artifact import get_artifact_path

    # The function takes a trial that is under way; of one it asks these three.
    frozen = study.get_trials(deepcopy=False)[trial]
    return str(get_artifact_path(type("Trial", (), {"study": study, "_trial_id": frozen._trial_id})(), artifact))


def test_the_plots_are_those_of_the_leaderboard_curves_parts_and_costs(watched: Watched) -> None:
    drawn = plots_of(watched.study())
    assert set(drawn) == {
        "ordersearch-leaderboard",
        "ordersearch-precedences-conv",
        "ordersearch-curves",
        "ordersearch-cost",
    }
    kept = read_study(watched.storage, "small")
    assert kept.confirmed is not None
    board = drawn["ordersearch-leaderboard"]["data"][0]
    differences = {
        standing.comparison.difference for standing in kept.confirmed.verdict.standings if standing.comparison
    }
    assert set(board["x"]) == {0.0, *(float(f"{value:.5g}") for value in differences)}
    assert [len(trace["y"]) for trace in drawn["ordersearch-curves"]["data"]] == [2, 2]
    heat = drawn["ordersearch-precedences-conv"]["data"][0]
    rows = dict(zip(heat["y"], heat["z"], strict=True))
    columns = {name: n for n, name in enumerate(heat["x"])}
    assert all(
        value is None or value == -rows[column][columns[row]]
        for row, values in rows.items()
        for column, value in zip(heat["x"], values, strict=True)
    )
    assert set(plots_of(watched.study("small-confirm"))) == {"ordersearch-leaderboard", "ordersearch-curves"}


def test_a_heat_map_that_has_nothing_to_say_is_left_out(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    search.run(search.open_study(storage), n_trials=1)
    assert set(figures(read_study(storage, "small"))) == {
        "ordersearch-leaderboard",
        "ordersearch-curves",
        "ordersearch-cost",
    }


def test_writing_once_more_writes_nothing(watched: Watched) -> None:
    journal = watched.folder / "study.journal"
    before = journal.stat().st_size
    files = {path: path.stat().st_mtime_ns for path in watched.artifacts.iterdir()}
    refresh(watched.storage, "small", watched.artifacts)
    assert journal.stat().st_size == before
    assert {path: path.stat().st_mtime_ns for path in watched.artifacts.iterdir()} == files


def test_a_search_that_nobody_watched_gets_the_same_afterwards(watched: Watched, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "study.journal"))
    study = watched.search.open_study(storage)
    keep_command(study, "python -m ordersearch digits --trials 4", {})
    result = watched.search.run(study, n_trials=4)
    confirm(watched.search, result, storage, None)
    refresh(storage, "small", tmp_path / "artifacts")
    again = optuna.load_study(study_name="small", storage=storage)
    # Watching changes no value, so even the leaderboard's digits are the same.
    assert note_of(again) == note_of(watched.study())
    assert plots_of(again)["ordersearch-leaderboard"] == plots_of(watched.study())["ordersearch-leaderboard"]
    names = {path.name for path in (tmp_path / "artifacts").iterdir()}
    assert names == {path.name for path in watched.artifacts.iterdir()}


def test_what_a_person_writes_below_the_line_stays(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    study = search.open_study(storage)
    refresh(storage, "small", tmp_path)
    import optuna_dashboard

    optuna_dashboard.save_note(study, optuna_dashboard.get_note(study) + "\n\nAsk Ada about trial 2.")
    search.run(study, n_trials=2)
    refresh(storage, "small", tmp_path)
    note = note_of(study)
    assert note.endswith(f"{OWN_BELOW}\n\nAsk Ada about trial 2.")
    assert "2 trained" in note


def test_a_shorter_text_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    study = optuna.create_study(storage=storage)
    for n in (9000, 5000, 10, 6200):
        feed = Feed(storage, study._study_id, tmp_path)
        feed.note("n" * n)
        feed.plot("one", {"data": [], "layout": {"title": "t" * n}})
        assert note_of(study) == "n" * n + f"\n\n---\n{OWN_BELOW}"
        assert len(plots_of(study)["one"]["layout"]["title"]) == n


def test_a_study_without_a_finished_trial_is_told_of(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    study = search.open_study(storage)
    study.ask()
    refresh(storage, "small", tmp_path)
    note = note_of(study)
    assert "No trial was completed (1 running)" in note
    assert "Running:" in note
    assert plots_of(study) == {}


def test_why_trials_failed_stands_in_their_notes(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    study = search.open_study(storage)
    trial = study.ask()
    trial.set_user_attr(Attribute.STATE, State.DIVERGED)
    trial.set_user_attr(Attribute.REASON, f"the loss was inf {HOSTILE}")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    refresh(storage, "small", tmp_path)
    assert "**Diverged**" in note_of(study, 0)
    assert code(f"the loss was inf {HOSTILE}", 500) in note_of(study, 0)
    assert "1 diverged" in note_of(study)


@pytest.mark.parametrize("state", sorted(set(State) - {State.WAITING, State.RUNNING}))
def test_every_end_of_a_trial_is_told_in_words(state: State) -> None:
    run = Run(1, state, {"conv": CONVENTION}, {"conv": CONVENTION}, value=0.5, n_epochs=2, reason="because")
    note = trial_note([run], "val/loss", 16, 2)
    first = note.splitlines()[0]
    assert first.startswith("**")
    assert "`because`" in note
    assert state is not State.PRUNED or "after 2 of 16 epochs" in first


def test_the_seeds_of_a_pack_are_told_one_by_one() -> None:
    runs = [Run(1, State.COMPLETE, {"conv": CONVENTION}, {"conv": CONVENTION}, seed=n, value=n / 2) for n in range(3)]
    note = trial_note(runs, "val/loss", 16, 2)
    assert "val/loss 0.5, the mean over 3 seeds" in note
    assert note.count("complete") == 3


class Away(InMemoryStorage):
    """A storage that is away for the dashboard's texts, while trials are kept."""

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        if key.startswith("dashboard:"):
            raise OperationalError("INSERT", {}, Exception("postgresql://ada:secret@db is away"))
        super().set_study_system_attr(study_id, key, value)


def test_a_storage_or_a_disk_that_is_away_costs_no_trial(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    taken = tmp_path / "taken"
    taken.write_text("no folder")
    alone = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    for storage, folder in ((Away(), tmp_path), (InMemoryStorage(), taken / "artifacts")):
        observer = DashboardObserver(storage, folder)
        result = search.run(search.open_study(storage), n_trials=4, observers=[observer])
        assert [run.value for run in result.runs] == [run.value for run in alone.runs]
        assert observer.problem.startswith("The dashboard's notes and plots are not up to date (")
        assert "secret" not in observer.problem
        assert "\n" not in observer.problem


def test_a_storage_that_is_back_is_no_problem_any_more(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    taken = tmp_path / "artifacts"
    taken.write_text("no folder")
    observer = DashboardObserver(storage, taken)
    search.run(search.open_study(storage), n_trials=2, observers=[observer])
    assert observer.problem
    taken.unlink()
    search.run(search.open_study(storage), n_trials=3, observers=[observer])
    assert observer.problem == ""
    assert taken.is_dir()


def test_updates_are_few_and_leave_the_search_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersearch.report.dashboard.observer.FEWEST_SECONDS", 0.0)
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    observer = DashboardObserver(storage, tmp_path / "artifacts")
    ends: list[float] = []
    waits: list[float] = []
    update = observer._update

    def timed(write: Any) -> None:
        started = time.monotonic()
        waits.append(started - (ends[-1] if ends else started))
        update(write)
        ends.append(time.monotonic())
        lengths.append(ends[-1] - started)

    lengths: list[float] = []
    monkeypatch.setattr(observer, "_update", timed)
    search.run(search.open_study(storage), n_trials=8, observers=[observer])
    assert len(ends) == observer.n_updates >= 2
    # Each update but the last, which is made when no trial comes any more, waits for 49 times what the last one took.
    assert all(wait >= 49 * length for wait, length in zip(waits[1:-1], lengths, strict=False))


MARKDOWN = MarkdownIt("commonmark").enable("table")


@given(
    st.text(max_size=80)
    | st.sampled_from(
        [
            HOSTILE,
            "[a](javascript:alert(2)) www.example.com",
            "a|b",
            "`",
            "``",
            "\\",
            "\\|",
            "<b>",
            "&lt;",
            "- x",
            "1. x",
        ]
    )
)
def test_a_name_is_text_wherever_it_stands(name: str) -> None:
    plain = one_line(name)
    in_table = table(["name", ">n"], [[code(name), "3"]])
    tokens = [token for token in MARKDOWN.parse(in_table) if token.type == "inline"]
    assert len(tokens) == 4
    if plain:
        shown = [(child.type, child.content.replace("\u200b", "").strip()) for child in inline(tokens[2])]
        assert shown == [("code_inline", plain.replace("\u200b", "").strip())]
        (paragraph,) = [token for token in MARKDOWN.parse(f"# {code(name)}") if token.type == "inline"]
        assert [child.content.strip() for child in inline(paragraph)] == [plain.strip()]
    tokens = MARKDOWN.parse(f"Scope: {escaped(name)}")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children or []} <= {"text"}
    tokens = MARKDOWN.parse(escaped(name)) if plain else []
    assert "html_block" not in {token.type for token in tokens}
    assert {child.type for token in tokens for child in token.children or []} <= {"text"}
    (block,) = MARKDOWN.parse(fenced([name, "second"]))
    assert block.type == "fence"
    assert block.content.endswith("second\n")


def inline(token: Any) -> list[Any]:
    """What is in a cell, without the room around it."""
    return [child for child in token.children if child.content.strip("\u00a0")]


@given(st.text(max_size=30), st.lists(st.lists(st.floats(allow_nan=True), min_size=0, max_size=8), max_size=4))
def test_a_curve_is_a_picture_whatever_is_drawn(title: str, curves: list[list[float]]) -> None:
    picture = learning_curve(curves, "val/loss", title)
    has_value = any(abs(value) < 1e30 for curve in curves for value in curve)
    assert bool(picture) is has_value
    if picture:
        ElementTree.fromstring(picture)


def test_a_confusion_matrix_shows_its_counts_and_names() -> None:
    names = ("<b>cat</b>", "dog")
    picture = ElementTree.fromstring(confusion_matrix([[5, 1], [0, 4]], names, "Trial 3"))
    texts = ["".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"5", "1", "0", "4", "<b>cat</b>", "dog"} <= set(texts)
    assert "9 of 10 are right, those on the diagonal. Rows: the true class." in texts
    assert confusion_table([[5, 1], [0, 4]], names).splitlines() == [
        "true \\ predicted,<b>cat</b>,dog",
        "<b>cat</b>,5,1",
        "dog,0,4",
    ]


def test_two_values_have_no_interval() -> None:
    assert interval([1.0, 3.0]) is None
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_a_finalist_s_confusion_matrix_agrees_with_its_accuracy(watched: Watched) -> None:
    study = watched.study("small-confirm")
    classes = (
        [int(label) for label in watched.search.dataset.y_test] if watched.search.dataset.y_test is not None else []
    )
    for trial in study.get_trials(deepcopy=False):
        counts = trial.system_attrs[Attribute.CONFUSION]
        n = sum(map(sum, counts))
        right = sum(counts[i][i] for i in range(len(counts)))
        assert right / n == pytest.approx(trial.user_attrs[Attribute.METRIC + "test/accuracy"], abs=1e-6)
        assert not classes or [sum(row) for row in counts] == [classes.count(label) for label in range(len(counts))]


def test_the_seeds_of_a_pack_add_up_to_one_confusion_matrix(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path, SPACE), packs=Packs(confirmation=5))
    storage = InMemoryStorage()
    result = search.run(search.open_study(storage), n_trials=4)
    confirm(search, result, storage, None)
    study = optuna.load_study(study_name="small-confirm", storage=storage)
    refresh(storage, "small", tmp_path / "artifacts")
    (trial, _) = study.get_trials(deepcopy=False)
    assert len(runs_of(trial)) == 5
    (test_part,) = {sum(map(sum, trial.system_attrs[Attribute.CONFUSION])) / 5}
    assert test_part == search.dataset.sizes()[2]
    files = artifacts_of(study, 0)
    assert set(files) == {"learning-curve.svg", "block.txt", "confusion-matrix.svg", "confusion-matrix.csv"}
    picture = (tmp_path / "artifacts" / files["learning-curve.svg"]).read_text()
    assert "5 seeds; bold: their mean" in picture
    assert picture.count("<polyline") == 6
    # Each is one line on the dashboard's page, which none of them may make wider than a screen.
    longest = max(len(json.dumps(value)) for value in trial.user_attrs.values())
    assert longest < 300


def test_the_dashboard_s_own_plots_find_numbers(watched: Watched) -> None:
    numeric = (
        Attribute.PARAMETERS,
        Attribute.SAMPLES_PER_SECOND,
        Attribute.SECONDS,
        Attribute.EPOCHS,
        Attribute.SEED,
    )
    for name in ("small", "small-confirm"):
        for trial in watched.study(name).get_trials(deepcopy=False):
            if trial.state is optuna.trial.TrialState.COMPLETE:
                assert all(isinstance(trial.user_attrs[key], int | float) for key in numeric)


def test_of_many_trials_the_first_and_the_best_have_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersearch.report.dashboard.writing.MOST_NOTES", 5)
    search = small_search(small_space(tmp_path))
    storage = InMemoryStorage()
    values = {order: 0.9 - n / 100 for n, order in enumerate((*ORDERS, *(f"{o} > dropout(p=0.2)" for o in ORDERS)))}
    study = kept_search(search, storage, values)
    refresh(storage, search.name, tmp_path / "artifacts")
    n = len(study.get_trials(deepcopy=False))
    assert n > 6
    told = [number for number in range(n) if note_of(study, number)]
    best = read_study(storage, search.name).result
    pictured = {run.trial for place in best.places[:5] for run in best.runs_of(place)}
    assert max(pictured) >= 5
    assert set(told) - pictured <= set(range(5))
    assert pictured <= set(told)
    assert "only the first 5 and the best have a note" in note_of(study)
