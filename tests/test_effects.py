"""What the parts of the orders do, from real runs: the files, and the table in the terminal."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage
from rich.console import Console

from ordersearch.networks import find_network
from ordersearch.ranking import Effect, PartEffect, PartEffects
from ordersearch.report.effects import effects_table, print_effects
from ordersearch.results import Run, State
from ordersearch.space import SearchSpace
from ordersearch.study import Search, SearchResult
from ordersearch.study.effects import effects_of, limits, write_effects
from ordersearch.study.outputs import write_outputs
from ordersearch.training.settings import TrainingSettings
from tests.searches import small_digits, small_search, small_space

SPACE = """
roles:
  conv:
    order: [weight > activation > pool > dropout, weight > pool > activation > dropout]
    norm_placement: [after_weight, after_activation, after_dropout]
    weight: [conv]
    norm: [batch_norm]
    activation: [relu]
    pool: [max_pool]
    dropout: [none, dropout]
    dropout_rate: [0.2]
nuisance:
  lr: [0.003, 0.01]
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, SearchResult]:
    # With one epoch, nothing is pruned.
    search = small_search(small_space(tmp_path_factory.mktemp("space"), SPACE), max_seeds=1)
    search = replace(search, training=replace(search.training, max_epochs=1))
    return search, search.run(search.open_study(InMemoryStorage()), n_trials=40)


def printed(search: Search, runs: list[Run], width: int = 80) -> str:
    file = io.StringIO()
    print_effects(Console(file=file, width=width, no_color=True, highlight=False), search, runs)
    return file.getvalue()


def test_a_search_leaves_a_table_and_the_data_of_a_heat_map(
    searched: tuple[Search, SearchResult], tmp_path: Path
) -> None:
    search, result = searched
    paths = write_outputs(tmp_path, search, result)
    assert [path.name for path in paths] == ["blocks.yaml", "trials.csv", "effects.csv", "effects.json"]
    rows = list(csv.DictReader((tmp_path / "effects.csv").read_text().splitlines()))
    parts = {(row["about"], row["part"]) for row in rows}
    assert {
        ("precedence", "norm before activation"),
        ("precedence", "pool before activation"),
        ("placement", "batch_norm after weight"),
        ("placement", "no dropout"),
    } <= parts
    kept = json.loads((tmp_path / "effects.json").read_text())
    assert (kept["metric"], kept["direction"]) == ("val/loss", "minimize")
    assert len(kept["precedences"]) + len(kept["placements"]) == len(rows)
    (heat_map,) = kept["heat_maps"]
    assert "no dropout" in heat_map["columns"]
    for name in ("effect", "low", "high", "n_contexts", "n_runs", "repaired"):
        assert [len(cells) for cells in heat_map[name]] == [len(heat_map["columns"])] * len(heat_map["rows"])
    assert sum(value is not None for cells in heat_map["effect"] for value in cells) > 2


def test_the_effect_in_the_files_is_that_of_the_runs(searched: tuple[Search, SearchResult], tmp_path: Path) -> None:
    search, result = searched
    write_effects(tmp_path, search, result.runs)
    rows = csv.DictReader((tmp_path / "effects.csv").read_text().splitlines())
    row = next(row for row in rows if row["part"] == "norm before activation")
    values = {(run.order, run.learning_rate): run.value for run in result.runs if run.state is State.COMPLETE}
    first, second = "conv > batch_norm > relu > max_pool", "conv > relu > batch_norm > max_pool"
    both = [
        (one, other)
        for rest in ("", " > dropout")
        for rate in (0.003, 0.01)
        if (one := values.get((first + rest, rate))) is not None
        and (other := values.get((second + rest, rate))) is not None
    ]
    assert both
    assert (int(row["n_contexts"]), int(row["n_runs"])) == (len(both), 2 * len(both))
    assert float(row["effect"]) == pytest.approx(sum(one - other for one, other in both) / len(both), rel=1e-5)


def test_ops_that_commute_are_told_as_the_same_network(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    row = next(row for row in effects_of(search, result.runs).precedences if row.part == "pool before activation")
    assert row.effect is None
    assert row.same_network[0].startswith("relu never decreases")


def test_runs_that_two_workers_trained_count_once_and_their_order_never_matters(
    searched: tuple[Search, SearchResult],
) -> None:
    search, result = searched
    once = effects_of(search, result.runs)
    twice = [replace(run, trial=run.trial + 1000) for run in result.runs] + list(result.runs)
    random.Random(0).shuffle(twice)
    assert effects_of(search, twice) == once


def test_the_limits_are_told(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    complete = [run for run in result.runs if run.state is State.COMPLETE]
    told = limits(search, complete)
    assert told[0] == (f"All {len(complete)} runs are of one split and one seed, which the intervals do not vary.")
    assert len(told) == 2
    fresh = [replace(run, seed=77, split=77) for run in complete[:3]]
    assert limits(search, [*complete, *fresh])[0].startswith(f"{len(complete)} of {len(complete) + 3} runs are of")
    probe = replace(complete[0], state=State.PRUNED, value=None)
    assert limits(search, [*complete, probe]) == told
    pruned = replace(probe, setting="another")
    assert limits(search, [*complete, probe, pruned, pruned])[-1].startswith(
        "Settings that were probed and never trained whole are left out: 1."
    )


def test_probes_give_effects_of_their_own(searched: tuple[Search, SearchResult], tmp_path: Path) -> None:
    search, result = searched
    metric = search.training.metric
    probes = [replace(run, state=State.PRUNED, value=None, n_epochs=1) for run in result.runs]
    assert effects_of(search, probes, of_probes=True) == effects_of(search, result.runs)
    assert effects_of(search, result.runs, of_probes=True).precedences[0].effect is None
    other = replace(probes[0], n_epochs=5, metrics={metric: 99.0})
    assert effects_of(search, [other, *probes], of_probes=True) == effects_of(search, probes, of_probes=True)
    write_effects(tmp_path, search, [*result.runs, *probes])
    kept = json.loads((tmp_path / "effects.json").read_text())
    assert kept["after_probes"]["n_epochs"] == 1
    assert kept["after_probes"]["precedences"] == kept["precedences"]


def test_the_table_keeps_to_80_columns_a_line_a_part(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    text = printed(search, list(result.runs))
    table = text[: text.index("Parts:")].splitlines()
    assert table[0].startswith("What the parts do to val/loss (lower is better)")
    assert max(map(len, table)) <= 80
    n_rows = sum(" before " in line for line in table)
    assert n_rows == min(6, len(effects_of(search, result.runs).precedences))
    assert "effects.csv" in text
    assert "better than" not in text


def test_too_few_runs_are_told_in_a_sentence_and_none_in_none(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    orders = ("conv > batch_norm > relu > max_pool", "conv > relu > batch_norm > max_pool")
    complete = [run for run in result.runs if run.state is State.COMPLETE]
    pair = [next(run for run in complete if (run.order, run.learning_rate) == (order, 0.01)) for order in orders]
    assert printed(search, pair) == ("Parts:   too few runs to say what they do; effects.csv has what there is.\n")
    assert printed(search, pair[:1]) == printed(search, []) == ""


def made(mean: float, reach: float | None, n: int = 9) -> Effect:
    return Effect(mean, None if reach is None else mean - reach, None if reach is None else mean + reach, n, 2 * n)


def test_the_clearest_effects_come_first_and_six_at_most(searched: tuple[Search, SearchResult]) -> None:
    search, _ = searched
    rows = [
        PartEffect("conv", "unclear and large", made(-9.0, 20.0)),
        PartEffect("conv", "same", None, None, ("why",)),
        PartEffect("conv", "clear and small", made(0.011, 0.002)),
        PartEffect("conv", "one context", made(50.0, None, 1)),
        PartEffect("dense", "clear and large", made(-1.0, 0.2), made(-0.5, 0.2)),
        PartEffect("conv", "unclear and small", made(0.01, 0.02)),
        PartEffect("conv", "another same", None, None, ("why",)),
    ]
    early = PartEffects((PartEffect("conv", "clear and small", made(-0.034, 0.002, 9)),), (), ())
    table = effects_table(search, PartEffects(tuple(rows), (), ()), early, 2)
    parts, effects, counts, repaired, probed = (list(column.cells) for column in table.columns)
    assert table.columns[-1].header == "epoch 2 (n)"
    assert probed == ["", "-0.034 (9)", "", "", "", ""]
    assert parts == [
        "dense: clear and large",
        "conv: clear and small",
        "conv: unclear and large",
        "conv: unclear and small",
        "conv: one context",
        "conv: another same",
    ]
    assert effects[:2] == ["-1.0 (-1.2 to -0.8)", "+0.011 (+0.009 to +0.013)"]
    assert effects[-2:] == ["+50", "same network"]
    assert counts == ["9", "9", "9", "9", "1", ""]
    assert repaired == ["-0.5", "", "", "", "", ""]


@pytest.mark.parametrize(("metric", "kept"), [("val/loss", True), ("val/accuracy", True), ("train/loss", False)])
def test_repaired_is_of_the_searchs_own_metric(searched: tuple[Search, SearchResult], metric: str, kept: bool) -> None:
    search, result = searched
    search = replace(search, training=replace(search.training, metric=metric))
    runs = [
        replace(run, value=run.metrics[metric], metrics=dict.fromkeys(run.metrics, 7.0))
        for run in result.runs
        if run.state is State.COMPLETE
    ]
    found = [row for row in effects_of(search, runs).placements if row.part == "batch_norm after dropout"]
    assert [row.repaired is not None for row in found] == [kept]
    assert all(row.repaired and row.repaired.mean > 1 for row in found if kept)


def simulated(space: SearchSpace) -> list[Run]:
    """A run of each setting of a space, with a value by chance."""
    draw = random.Random(0)
    runs = []
    for number, params in enumerate(space.settings()):
        blocks = {role: str(spec) for role, spec in space.decode(params).items()}
        rate = float(params["lr"])
        run = Run(number, State.COMPLETE, blocks, blocks, f"{number}", rate, value=draw.random())
        runs.append(run)
    return runs


@pytest.mark.parametrize("name", ["conv_dense", "norms", "pre_activation", "spatial"])
def test_shipped_spaces_of_permuted_parts_are_told(name: str) -> None:
    space = SearchSpace.load(name)
    search = small_search(space)
    found = effects_of(search, simulated(space))
    assert {row.role for row in found.precedences} == set(space.roles)
    assert {row.role for row in found.placements} == set(space.roles)
    assert len(found.heat_maps) == len(space.roles) * (name != "norms")


def test_a_residual_space_is_left_out_with_the_reason() -> None:
    space = SearchSpace.load("residual")
    search = Search("residual", space, small_digits(), find_network("resnet"), TrainingSettings(max_epochs=1))
    runs = simulated(space)
    assert effects_of(search, runs) == PartEffects((), (), ())
    assert limits(search, runs)[-1].startswith(f"{len(runs)} runs are left out whose blocks repeat a role or join a")
    assert printed(search, runs) == ""
