"""What a report tells: of finalists, of a search alone, of nothing but failures, of another version's study."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState, create_trial

from ordersearch.cli.report_command import FORMATS, text_of
from ordersearch.report.content import Report
from ordersearch.report.headline import headline
from ordersearch.report.summary import report_of
from ordersearch.results import Attribute, State
from ordersearch.study import Search
from ordersearch.study.kept_study import read_study
from tests.kept_studies import ORDERS, kept_confirmation, kept_search, many_trials, setting_of, trial_of
from tests.searches import small_search, small_space

YOURS, OTHER, PLAIN = ORDERS
NAN = float("nan")
VALUES = dict(zip(ORDERS, (0.5, 0.6, 0.7), strict=True))


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return small_search(small_space(tmp_path_factory.mktemp("space")))


@pytest.fixture
def storage() -> BaseStorage:
    return InMemoryStorage()


def told(storage: BaseStorage, search: Search) -> Report:
    """The report, of which every format can be written."""
    kept = read_study(storage, search.name)
    for kind in FORMATS:
        assert text_of(kept, kind)
    return report_of(kept)


def near(mean: float, n: int = 6) -> list[float]:
    """Values around a mean."""
    return [mean + 0.01 * (-1) ** place for place in range(n)]


def test_a_search_without_confirmation_says_so(search: Search, storage: BaseStorage) -> None:
    kept_search(search, storage, VALUES)
    report = told(storage, search)
    assert report.headline == "The best so far, not confirmed"
    assert not report.is_confirmed
    assert [(one.letter, one.mean) for one in report.candidates] == [("A", 0.5), ("B", 0.6), ("C", 0.7)]
    assert report.recommended is not None
    assert report.recommended.canonical == {"conv": YOURS}
    assert [one.rank for one in report.ranking] == [1, 2, 3]
    assert list(report.curves[0].values) == pytest.approx([1.5, 1.0, 0.5 + 1 / 3])
    assert report.counts == {"complete": 3, "waiting": 1}
    assert [fact.label for fact in report.facts] == ["val/loss", "trainings", "distinct networks"]


def test_what_equals_what_is_listed(search: Search, storage: BaseStorage) -> None:
    kept_search(search, storage, VALUES)
    by_letter = {one.letter: one.members for one in told(storage, search).same_networks}
    assert set(by_letter["A"]) == {YOURS, "conv > batch_norm > max_pool > relu"}
    assert by_letter["B"] == (OTHER,)


@pytest.mark.parametrize(
    ("yours", "other", "expected"),
    [
        (near(0.5), near(0.9), "Keep your order: it was better than all others"),
        (near(0.5), [0.4, 0.7, 0.3, 0.8, 0.45, 0.6], "Keep your order: nothing was shown to be better"),
        (near(0.9), near(0.5), "Another order is better than yours"),
        ([NAN, *near(0.9, 5)], near(0.5), "No verdict: orders failed to train"),
        (near(0.5, 2), near(0.9, 2), "Too few pairs for a verdict"),
    ],
)
def test_the_headline_is_the_verdict_in_a_few_words(
    search: Search, storage: BaseStorage, yours: Sequence[float], other: Sequence[float], expected: str
) -> None:
    kept_search(search, storage, VALUES)
    values = {YOURS: [value for value in yours if value == value], OTHER: list(other)}
    confirmation = kept_confirmation(search, storage, values)
    if len(values[YOURS]) < len(yours):
        study = optuna.load_study(study_name=f"{search.name}-confirm", storage=storage)
        seed = confirmation.seed(len(yours) - 1)
        setting = confirmation.baseline.setting
        study.add_trial(trial_of(setting, 99, None, state=State.DIVERGED, seed=seed, SPLIT=seed))
    report = told(storage, search)
    assert report.headline == expected
    assert headline(read_study(storage, search.name)) == expected


def test_the_confirmation_is_read_back_without_the_data(search: Search, storage: BaseStorage) -> None:
    kept_search(search, storage, VALUES)
    confirmation = kept_confirmation(search, storage, {YOURS: near(0.9), OTHER: near(0.5), PLAIN: near(0.95)})
    report = told(storage, search)
    best = report.candidates[0]
    assert (best.letter, best.order, best.is_recommended, best.n) == ("A", OTHER, True, 5)
    assert best.difference == pytest.approx(-0.4)
    assert report.verdict.startswith(f"'{OTHER}' is better than your order")
    assert report.scope.startswith("digits, over retraining and resplitting; network cnn, 2 epochs, batches of 32.")
    assert report.seeds["confirmation"][:2] == [confirmation.seed(0), confirmation.seed(1)]
    assert report.n_confirming == 18
    assert report.curves[0].n == 6
    # As the live search has it, from its data set.
    n_train = search.dataset.n_train()
    assert best.scores["samples_per_second"] == pytest.approx(n_train * 3 / 0.5)


def test_a_study_without_trials_is_reported(search: Search, storage: BaseStorage) -> None:
    search.open_study(storage)
    report = told(storage, search)
    assert report.headline == "No order was trained to the end"
    assert report.verdict.startswith("No trial was completed (none ran)")
    assert (report.candidates, report.ranking, report.snippets) == ((), (), ())


def test_nothing_but_failures_is_reported_with_its_reasons(search: Search, storage: BaseStorage) -> None:
    study = search.open_study(storage)
    for number, reason in enumerate(["loss is nan", "loss is nan", "CUDA error"]):
        setting = setting_of(search, ORDERS[number])
        state = State.CRASHED if "CUDA" in reason else State.DIVERGED
        study.add_trial(trial_of(setting, number, None, state=state, REASON=reason))
    report = told(storage, search)
    assert report.headline == "No order was trained to the end"
    assert [(one.state, one.reason, one.n) for one in report.failures] == [
        ("diverged", "loss is nan", 2),
        ("crashed", "CUDA error", 1),
    ]


def test_five_thousand_trials_are_reported_in_time(search: Search, storage: BaseStorage) -> None:
    study = search.open_study(storage)
    study.add_trials(list(many_trials(search, 5000)))
    started = time.process_time()
    kept = read_study(storage, search.name)
    page = text_of(kept, "html")
    assert time.process_time() - started < 10
    assert len(page) < 3_000_000
    assert text_of(kept, "csv").count("\n") == 5001


def test_a_long_ranking_says_how_many_it_leaves_out(search: Search, storage: BaseStorage) -> None:
    pools = [f"conv > relu > max_pool(kernel={kernel}) > dropout" for kernel in range(2, 32)]
    kept_search(search, storage, {order: place / 10 + 1 for place, order in enumerate(pools)})
    kept = read_study(storage, search.name)
    assert len(report_of(kept).ranking) == 30
    assert "The best 25 of 30 orders; 5 are left out here" in text_of(kept, "html")
    assert "22 more orders are left out." in text_of(kept, "md")


# Other versions


def test_a_study_of_an_older_version_is_reported_as_far_as_it_goes(search: Search, storage: BaseStorage) -> None:
    study = kept_search(search, storage, VALUES)
    older = optuna.create_study(study_name="older", storage=storage)
    older.set_user_attr(str(Attribute.SEARCH), {k: v for k, v in search.identity().items() if k != "weight_decay"})
    older.add_trials([trial for trial in study.get_trials() if trial.state is TrialState.COMPLETE])
    report = report_of(read_study(storage, "older"))
    assert [one.mean for one in report.candidates] == [0.5, 0.6, 0.7]
    assert report.space == {}
    assert report.notes == ("The study does not hold its search space 'small', so its size is not told.",)
    assert text_of(read_study(storage, "older"), "html")


def test_what_a_newer_version_wrote_is_told_and_not_stumbled_over(search: Search, storage: BaseStorage) -> None:
    study = kept_search(search, storage, VALUES)
    study.set_user_attr("ordersearch:from-the-future", {"a": [1]})
    study.set_user_attr(str(Attribute.SPACE), {"name": "small", "shape": "of another kind"})
    study.set_user_attr(str(Attribute.DATA), ["of another kind"])
    future = trial_of(setting_of(search, PLAIN), 8, None, state=State.CRASHED)
    paused = {**future.user_attrs, "ordersearch:state": "paused"}
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=paused))
    odd = {"ordersearch:canonical": {"conv": "conv > hyper_norm"}, "ordersearch:setting": "0", "ordersearch:lr": "fast"}
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=0.1, user_attrs=odd))
    report = told(storage, search)
    assert [one.mean for one in report.candidates] == [0.5, 0.6, 0.7]
    notes = " ".join(report.notes)
    assert "1 trial ended as 'paused', which this version does not know: counted as interrupted." in notes
    assert "1 trial cannot be read by this version, and counts as interrupted (No op is named 'hyper_norm'" in notes
    assert "The kept search space cannot be read (KeyError: 'roles')." in notes
    assert "What the study says of its data is written in a way that this version does not read." in notes


def test_a_confirmation_that_cannot_be_read_leaves_the_search(search: Search, storage: BaseStorage) -> None:
    kept_search(search, storage, VALUES)
    kept_confirmation(search, storage, {YOURS: near(0.9), OTHER: near(0.5)})
    study = optuna.load_study(study_name=f"{search.name}-confirm", storage=storage)
    study.set_user_attr(str(Attribute.CONFIRMATION), {"finalists": "of another kind"})
    report = told(storage, search)
    assert report.headline == "The best so far, not confirmed"
    assert report.notes[0].startswith("The confirmation was written by another version and cannot be read here (")


def test_the_same_study_gives_the_same_report(search: Search, storage: BaseStorage, tmp_path: Path) -> None:
    kept_search(search, storage, VALUES)
    kept_confirmation(search, storage, {YOURS: near(0.9), OTHER: near(0.5)})
    assert told(storage, search) == told(storage, search)
