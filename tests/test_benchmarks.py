"""OrderBench: the table, the problem, and searches replayed on it."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import math
import sys
from pathlib import Path
from types import ModuleType

import optuna
import pytest

from ordersearch.benchmarks import ENCODINGS, OrderBench, load, table_path
from ordersearch.benchmarks.problem import bench_space
from ordersearch.errors import UnknownNameError
from ordersearch.identities import canonical

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def replay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("replay", BENCHMARKS / "replay.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["replay"] = module
    spec.loader.exec_module(module)
    return module


def test_every_class_has_every_seed_on_both_data_sets() -> None:
    rows = load()
    orders = {str(order.at_rate(0.2)) for order in bench_space().orders()}
    wanted = set(itertools.product(("fashion_mnist", "cifar10"), orders, range(30)))
    assert {(row.data, row.order, row.seed) for row in rows} == wanted
    assert len(rows) == len(wanted) == 2 * 28 * 30
    assert {row.learning_rate for row in rows} == {0.01}
    assert all(len(row.validation_losses) == len(row.seconds) == 6 for row in rows)
    assert all(math.isfinite(value) for row in rows for value in (*row.train_losses, *row.validation_losses))
    assert all(("repaired/loss" in row.scores) == ("batch_norm" in row.order) for row in rows)
    assert all(0 < row.scores["test/accuracy"] < 1 for row in rows)


def test_the_second_part_has_more_rates_and_learning_rates() -> None:
    rows = load("rates")
    assert {row.learning_rate for row in rows} == {0.003, 0.01, 0.03}
    settings = {(row.data, row.order, row.learning_rate, row.seed) for row in rows}
    assert {row.data for row in rows} == {"fashion_mnist"}
    assert len(settings) == len(rows) == 3 * (5 + 23 * 3)
    both = {(row.data, row.order, row.learning_rate, row.seed): row for row in load()}
    shared = [row for row in rows if (row.data, row.order, row.learning_rate, row.seed) in both]
    assert len(shared) == 28
    assert all(both[row.data, row.order, row.learning_rate, row.seed] == row for row in shared)


def test_the_files_are_small_and_a_wrong_part_is_refused() -> None:
    assert sum(table_path(part).stat().st_size for part in ("orders", "rates")) < 5_000_000
    assert gzip.decompress(table_path().read_bytes()).startswith(b"data,order,learning_rate,seed,train/loss@1,")
    with pytest.raises(UnknownNameError, match=r"No part of OrderBench is named 'order'. Did you mean 'orders'\?"):
        table_path("order")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_reaches_every_class_and_nothing_else(encoding: str) -> None:
    problem = OrderBench("cifar10", seed=2, encoding=encoding)
    space = problem.search_space
    points = (
        dict(zip(space, values, strict=True)) for values in itertools.product(*(d.choices for d in space.values()))
    )
    found = [problem.order(params) for params in points]
    assert set(found) - {None} == set(problem.orders) == {str(canonical(spec)) for spec in bench_space().classes()}
    assert (None in found) is (encoding == "slots")
    assert len(found) == {"placement": 90, "order": 68, "slots": 1024}[encoding]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_study_gets_the_table_s_values_and_pays_for_what_it_saw(encoding: str) -> None:
    problem = OrderBench("fashion_mnist", seed=5, encoding=encoding)
    study = optuna.create_study(
        directions=problem.directions,
        sampler=optuna.samplers.RandomSampler(seed=1),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    study.optimize(problem, n_trials=60)
    assert problem.n_epochs == sum(len(trial.intermediate_values) for trial in study.trials) > 0
    for trial in study.trials:
        order = problem.order(trial.params)
        assert list(trial.intermediate_values.values()) == list(
            problem.curves[order][: len(trial.intermediate_values)] if order else ()
        )
        if trial.state is optuna.trial.TrialState.COMPLETE:
            assert trial.value == problem.evaluate(trial.params) == problem.curves[order or ""][-1]


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="No data set of OrderBench is named 'cifar100'"):
        OrderBench("cifar100")
    with pytest.raises(UnknownNameError, match="No encoding is named 'slot'"):
        OrderBench(encoding="slot")


def test_a_replay_answers_as_it_goes_and_says_what_it_believes(replay: ModuleType) -> None:
    truth = replay.truth("fashion_mnist")
    worst = max(truth, key=truth.__getitem__)
    number = next(n for n in range(200) if replay.own_order("fashion_mnist", n) == worst)
    path = replay.ordersearch("fashion_mnist", number, n_trials=30)
    costs = [cost for cost, _ in path.answers]
    assert costs == sorted(costs)
    assert costs[0] == pytest.approx(1 / 6), "the first probe"
    assert path.answer(0.1) is None
    assert path.answer(1e9) == path.answers[-1][1]
    assert path.against_own, "the worst class of the table is told from the best of a search"
    assert all(worse == worst and truth[better] < truth[worse] for better, worse in path.against_own)
    assert all(low < high for _, _, low, high in path.intervals)


def test_a_plain_replay_pays_by_the_epoch(replay: ModuleType) -> None:
    path = replay.plain(
        "cifar10",
        3,
        sampler=lambda seed: optuna.samplers.RandomSampler(seed=seed),
        pruner=optuna.pruners.NopPruner,
        budget=4,
        encoding="placement",
    )
    assert [cost for cost, _ in path.answers] == [1, 2, 3, 4]
    best = min(path.answers, key=lambda answer: replay.final_losses("cifar10")[answer[1]][replay.drawn_seed(3, 0)])
    assert path.answers[-1][1] == best[1]
