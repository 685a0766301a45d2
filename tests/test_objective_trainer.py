"""What a training of one run gives besides its value."""

from __future__ import annotations

import pytest
from optuna.storages import InMemoryStorage

from ordersearch.objective import Setting, Trainer
from ordersearch.results import State
from ordersearch.spec import BlockSpec
from ordersearch.study import Search
from tests.searches import small_search, small_space

SHIFTED = "conv > relu > dropout(p=0.4) > batch_norm > max_pool"
NOT_SHIFTED = "conv > batch_norm > relu > dropout(p=0.4) > max_pool"

SHIFTED_SPACE = """
roles:
  conv:
    order: [weight > activation > pool > dropout]
    norm_placement: [after_weight, after_dropout]
    weight: [conv]
    norm: [batch_norm]
    activation: [relu]
    pool: [max_pool]
    dropout: [dropout]
    dropout_rate: [0.3]
nuisance:
  lr: [0.003, 0.01]

"""


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return small_search(small_space(tmp_path_factory.mktemp("space")))


@pytest.fixture
def trainer(search: Search) -> Trainer:
    return Trainer(search.dataset, search.network, search.training)


def setting(search: Search, text: str) -> Setting:
    return Setting.of({"conv": BlockSpec.parse(text)}, {"lr": 0.01}, search.network)


def test_a_run_with_dropout_before_its_norm_is_scored_repaired_as_a_confirmed_one_is(
    search: Search, trainer: Trainer
) -> None:
    run, scores = trainer.run(setting(search, SHIFTED), seed=3, split=1)
    confirmed, all_scores = trainer.confirm(setting(search, SHIFTED), seed=3, split=1)
    assert scores == {name: value for name, value in all_scores.items() if name.startswith("repaired/")}
    assert set(scores) == {"repaired/loss", "repaired/accuracy"}
    assert scores["repaired/loss"] != run.metrics["val/loss"]
    assert [without_time(epoch) for epoch in run.history] == [without_time(epoch) for epoch in confirmed.history]


def without_time(epoch: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in epoch.items() if name != "seconds"}


def test_a_run_without_dropout_before_its_norm_has_no_further_scores(search: Search, trainer: Trainer) -> None:
    _, scores = trainer.run(setting(search, NOT_SHIFTED), seed=3, split=1)
    assert scores == {}


def test_a_pruned_run_is_not_scored(search: Search, trainer: Trainer) -> None:
    result, scores = trainer.run(setting(search, SHIFTED), seed=3, split=1, should_prune=lambda: True)
    assert (result.pruned, scores) == (True, {})


def test_a_search_keeps_the_repaired_scores_of_its_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    search = small_search(small_space(tmp_path_factory.mktemp("space"), SHIFTED_SPACE))
    result = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    complete = [run for run in result.runs if run.state is State.COMPLETE]
    is_shifted = {run.order.endswith("batch_norm") for run in complete}
    assert is_shifted == {True, False}
    for run in complete:
        assert ("repaired/loss" in run.metrics) is run.order.endswith("batch_norm")
        assert not any(name.startswith("test/") for name in run.metrics)
