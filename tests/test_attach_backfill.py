"""Backfill: old trials in a new study, with their order filled in and nothing lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from ordersearch.attach import attach_space, backfill, ranked
from ordersearch.errors import SpaceError, StudyMismatchError
from ordersearch.results import Attribute, State, read_runs
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from tests.own_studies import OLD_ORDER, STORAGES, dense, old_study, storage_of
from tests.test_attach_space import space_with

parse = BlockSpec.parse


def carried(trial: FrozenTrial) -> tuple[Any, ...]:
    """What a trial carries besides the space's parameters and ordersearch's attributes."""
    return (
        trial.state,
        trial.values,
        trial.intermediate_values,
        {name: trial.params[name] for name in ("lr", "width")},
        {name: trial.distributions[name] for name in ("lr", "width")},
        {name: value for name, value in trial.user_attrs.items() if not name.startswith("ordersearch:")},
        trial.constraints,
        trial.datetime_start,
        trial.datetime_complete,
    )


@pytest.mark.parametrize("kind", STORAGES)
def test_nothing_of_the_old_trials_is_lost(kind: str, tmp_path: Path) -> None:
    storage, space = storage_of(kind, tmp_path), dense()
    old = old_study(20, storage=storage)
    new = optuna.create_study(study_name="new", storage=storage)
    came = backfill(old, new, space, OLD_ORDER, prefix="b.")
    assert (came.n_copied, str(came)) == (20, "20 trials copied")
    assert [carried(trial) for trial in new.trials] == [carried(trial) for trial in old.trials]
    assert Counter(trial.state.name for trial in new.trials) == {"COMPLETE": 16, "PRUNED": 2, "FAIL": 2}
    for trial in new.trials:
        assert space.decode(trial.params, "b.") == {"dense": OLD_ORDER}
        assert trial.distributions.items() >= space.distributions("b.").items()
    assert new.best_value == old.best_value
    assert [run.order for run in read_runs(new)] == ["linear > batch_norm > relu > dropout"] * 20


def test_running_it_again_copies_what_has_come_since() -> None:
    old, new, space = old_study(3), optuna.create_study(), dense()
    running = old.ask()
    running.suggest_float("lr", 1e-4, 1.0, log=True)
    old.enqueue_trial({"lr": 0.1})
    assert str(backfill(old, new, space, OLD_ORDER)) == "3 trials copied, 2 not finished, hence not copied"
    old.tell(running, 0.5)
    again = backfill(old, new, space, OLD_ORDER)
    assert (again.n_copied, again.n_known, again.n_unfinished) == (1, 3, 1)
    assert new.trials[3].params["lr"] == running.params["lr"]
    assert [trial.user_attrs[Attribute.ORIGIN][:2] for trial in new.trials] == [["mine", n] for n in range(4)]


def test_studies_of_one_name_in_two_storages_are_two() -> None:
    space, new = dense(), optuna.create_study(study_name="mine")
    assert backfill(old_study(2), new, space, OLD_ORDER).n_copied == 2
    assert backfill(old_study(3), new, space, OLD_ORDER).n_copied == 3


def test_a_study_is_not_backfilled_from_itself() -> None:
    study = old_study(2)
    with pytest.raises(StudyMismatchError, match=r"'mine' cannot be backfilled from itself: make a new one"):
        backfill(study, study, dense(), OLD_ORDER)


@pytest.mark.parametrize("sampler", [TPESampler(seed=0), NSGAIISampler(seed=0, population_size=5)])
def test_studies_of_several_objectives(sampler: optuna.samplers.BaseSampler) -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        return trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)

    old = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
    old.optimize(objective, n_trials=12)
    new, space = optuna.create_study(directions=old.directions, sampler=sampler), dense()
    assert backfill(old, new, space, OLD_ORDER).n_copied == 12
    assert [trial.values for trial in new.best_trials] == [trial.values for trial in old.best_trials]
    new.optimize(lambda trial: (*objective(trial), space.suggest(trial))[:2], n_trials=12)
    with pytest.raises(StudyMismatchError, match=r"do not optimise the same: minimize/maximize and minimize\. Make"):
        backfill(old, optuna.create_study(), space, OLD_ORDER)


# The order


def test_an_order_that_is_not_in_the_space_but_its_network_is_enters_as_that() -> None:
    space, new = space_with(order=("weight > activation > dropout",), activation=("relu",)), optuna.create_study()
    # Dropout commutes with ReLU.
    backfill(old_study(2), new, space, parse("linear > dropout(p=0.3) > relu"))
    assert str(space.decode(new.trials[0].params)["dense"]) == "linear > relu > dropout(p=0.3)"


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        (
            parse("linear > batch_norm > relu > dropout(p=0.25)"),
            r"'dropout\(p=0\.25\)', where the space has: dropout\(",
        ),
        (parse("linear > gelu"), r"'gelu', where the space has: relu"),
        ({"conv": parse("conv > relu")}, r"has the roles dense, but got blocks for conv"),
        ("linear > relu", r"blocks: got 'linear > relu', where a block is a BlockSpec: BlockSpec\.parse reads one"),
        (None, r"Trial 0 of study 'mine' does not say which order it had: give the one"),
    ],
)
def test_an_order_that_does_not_fit_is_told_and_nothing_is_written(blocks: Any, told: str) -> None:
    new = optuna.create_study()
    with pytest.raises(SpaceError, match=told):
        backfill(old_study(2), new, dense(), blocks)
    assert (new.trials, new.user_attrs) == ([], {})


def test_several_roles_take_a_block_each() -> None:
    space, new = SearchSpace.load("conv_dense"), optuna.create_study()
    blocks = space.references()[0].blocks
    with pytest.raises(SpaceError, match=r"has the roles conv, dense, but got one block: give a block for each"):
        backfill(old_study(2), new, space, OLD_ORDER)
    assert backfill(old_study(2), new, space, blocks).n_copied == 2
    assert space.decode(new.trials[0].params) == blocks


# Learning rates


def test_a_learning_rate_of_the_studys_own_stays_what_it_is() -> None:
    old, new = old_study(2), optuna.create_study()
    backfill(old, new, dense(), OLD_ORDER, nuisance={"lr": 0.01})
    assert new.trials[0].distributions["lr"] == FloatDistribution(1e-4, 1.0, log=True)
    assert [run.learning_rate for run in read_runs(new)] == [trial.params["lr"] for trial in old.trials]


def test_a_learning_rate_that_was_not_tuned_can_be_filled_in() -> None:
    def objective(trial: optuna.Trial) -> float:
        return float(trial.suggest_categorical("width", [16, 64]))

    new, space = optuna.create_study(), dense()
    backfill(old_study(2, objective=objective), new, space, OLD_ORDER, nuisance={"lr": 0.01}, prefix="b.")
    assert [trial.params["b.lr"] for trial in new.trials] == [0.01, 0.01]
    assert new.trials[0].distributions["b.lr"] == CategoricalDistribution(space.nuisance["lr"])
    for wrong, told in (({"lr": 0.02}, r"lr: got 0\.02, but the choices are 0\.003"), ({"wd": 1.0}, r"Known: lr")):
        with pytest.raises(SpaceError, match=told):
            backfill(old_study(1), optuna.create_study(), space, OLD_ORDER, nuisance=wrong)


# Parameters that are there


def test_a_parameter_of_the_spaces_name_in_the_old_study_is_refused() -> None:
    def objective(trial: optuna.Trial) -> float:
        return float(trial.suggest_int("dense.order", 1, 3))

    new = optuna.create_study()
    with pytest.raises(StudyMismatchError, match=r"'mine' has a parameter 'dense.order' already, .*IntDistribution"):
        backfill(old_study(2, objective=objective), new, dense(), OLD_ORDER)
    assert new.trials == []


def test_a_new_study_that_has_gone_another_way_is_refused() -> None:
    new = old_study(2, name="new", objective=lambda trial: float(trial.suggest_categorical("lr", [0.1, 0.2])))
    with pytest.raises(
        StudyMismatchError, match=r"'new' has a parameter 'lr' that is another than that of 'mine': Cat"
    ):
        backfill(old_study(2), new, dense(), OLD_ORDER)
    assert len(new.trials) == 2


def test_a_range_that_was_widened_goes_into_one_study() -> None:
    new = old_study(2, name="new", objective=lambda trial: trial.suggest_float("lr", 1e-5, 2.0, log=True))
    assert backfill(old_study(2), new, dense(), OLD_ORDER).n_copied == 2


# A space that has changed


def test_trials_of_a_changed_space_enter_the_new_one_with_their_own_orders() -> None:
    before, old = space_with(), optuna.create_study(study_name="old", sampler=RandomSampler(seed=0))
    old.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    attach_space(old, before)

    def objective(trial: optuna.Trial) -> float:
        return (
            trial.suggest_float("x", 0, 1) + len(before.suggest(trial)["dense"]) + before.suggest_nuisance(trial)["lr"]
        )

    old.optimize(objective, n_trials=20)
    now = space_with(activation=("relu", "gelu"), dropout_rate=(0.1, 0.3, 0.5), lr=(0.001, 0.003, 0.01))
    new = optuna.create_study()
    came = backfill(old, new, now, parse("linear > relu"))
    kept = [trial for trial in old.trials if trial.params.get("dense.activation") != "tanh"]
    assert 2 < len(kept) == came.n_copied < 22
    assert set(came.left_out.values()) != set()
    assert sum(came.left_out.values()) == 22 - came.n_copied
    assert all("'tanh', where the space has: gelu, relu" in reason for reason in came.left_out)
    for trial, copy in zip(kept[2:], new.trials[2:], strict=True):
        assert now.decode(copy.params) == before.decode(trial.params)
        assert copy.params["lr"] == trial.params["lr"]
        assert copy.distributions.items() >= {**now.distributions(), **now.nuisance_distributions()}.items()
    assert {str(now.decode(trial.params)["dense"]) for trial in new.trials[:2]} == {"linear > relu"}


def test_a_trial_that_ended_before_it_had_said_its_order_is_left_out() -> None:
    space, old = dense(), optuna.create_study()
    attach_space(old, space)
    trial = old.ask()
    trial.suggest_categorical("dense.order", space.distributions()["dense.order"].choices)
    old.tell(trial, state=TrialState.FAIL)
    came = backfill(old, optuna.create_study(), space, OLD_ORDER)
    assert str(came).startswith("0 trials copied, 1 left out (The parameter 'dense.norm_placement' is missing. Got: ")


# Their runs


def test_runs_of_one_setting_get_seeds_of_their_own_unless_they_are_one_run() -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_categorical("width", [16]) + trial.number // 2

    old, new, space = old_study(4, objective=objective), optuna.create_study(), dense()
    backfill(old, new, space, OLD_ORDER)
    assert [(run.seed, run.value) for run in read_runs(new)] == [(0, 16), (0, 16), (1, 17), (1, 17)]
    old.tell(old.ask({"width": CategoricalDistribution([16])}), 46)
    backfill(old, new, space, OLD_ORDER)
    assert [run.seed for run in read_runs(new)] == [0, 0, 1, 1, 2]
    assert [(place.n_runs, place.params) for place in ranked(new)] == [(3, {"width": 16})]
    assert {run.state for run in read_runs(new)} == {State.COMPLETE}
