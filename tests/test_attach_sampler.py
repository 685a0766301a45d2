"""What the samplers of Optuna model, and that the check says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    PartialFixedSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

from ordersearch.attach import backfill, check_sampler
from ordersearch.attach.outlook import foreseen
from ordersearch.space import SearchSpace
from tests.own_studies import OLD_ORDER, dense, going_on, old_objective, old_study, own_part, storage_of

OURS = ["dense.order", "dense.norm_placement", "dense.dropout", "dense.dropout_rate"]
ALL = sorted([*OURS, "lr", "width"])


# Some of the samplers are new to Optuna, and say so when they are made.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

MODELLING: dict[str, Callable[[], BaseSampler]] = {
    "tpe": lambda: TPESampler(seed=0),
    "groups": lambda: TPESampler(multivariate=True, group=True, seed=0),
    "univariate": lambda: TPESampler(multivariate=False, seed=0),
    "gp": lambda: GPSampler(seed=0),
    "nsga2": lambda: NSGAIISampler(seed=0),
    "nsga3": lambda: NSGAIIISampler(seed=0),
    "cma": lambda: CmaEsSampler(seed=0),
    "fixed": lambda: PartialFixedSampler({"dense.norm_placement": "first"}, TPESampler(seed=0)),
}


def flat(trial: optuna.Trial) -> float:
    """Asks for all parameters."""
    value = own_part(trial)
    for name, distribution in dense().distributions().items():
        trial.suggest_categorical(name, distribution.choices)
    return value


def conditional(trial: optuna.Trial) -> float:
    """Asks for those alone that change something."""
    value = own_part(trial)
    dense().suggest(trial)
    return value


def backfilled(sampler: BaseSampler, n_trials: int = 20) -> optuna.Study:
    new = optuna.create_study(sampler=sampler)
    backfill(old_study(n_trials), new, dense(), OLD_ORDER)
    return new


def modelled(study: optuna.Study) -> list[str]:
    """What the study's sampler models together at the next trial, or in groups."""
    return sorted(study.sampler.infer_relative_search_space(study, study.trials[-1]))


# What is foreseen is what comes


@pytest.mark.parametrize("is_old", [False, True], ids=["fresh", "old"])
@pytest.mark.parametrize("is_conditional", [False, True], ids=["flat", "conditional"])
@pytest.mark.parametrize("name", MODELLING)
def test_the_outlook_is_what_the_sampler_models_later(name: str, is_conditional: bool, is_old: bool) -> None:
    study = old_study(12 if is_old else 0)
    if not is_old:
        study.optimize(conditional if is_conditional else flat, n_trials=1)
    outlook = foreseen(going_on(study, MODELLING[name]()), dense(), "", conditional=is_conditional)
    going_on(study, RandomSampler(seed=1)).optimize(conditional if is_conditional else flat, n_trials=30)
    assert sorted(outlook.relative) == modelled(going_on(study, MODELLING[name]()))


# What is told


@pytest.mark.parametrize("name", ["tpe", "gp", "nsga2"])
def test_what_most_samplers_do_not_model_in_a_mixed_study_they_do_in_a_backfilled_one(name: str) -> None:
    mixed = going_on(old_study(20), MODELLING[name]())
    (told,) = check_sampler(mixed, dense())
    how = "each on its own" if name == "tpe" else "at random, whatever the trials show"
    assert re.findall(r"'([\w.]+)'", told)[:4] == OURS
    assert f"{how}. 18 of the 18 finished trials lack some of them: backfill() copies trials to a new study" in told
    going_on(mixed, RandomSampler(seed=1)).optimize(flat, n_trials=10)
    assert modelled(going_on(mixed, MODELLING[name]())) == ["lr", "width"]
    new = backfilled(MODELLING[name]())
    assert (check_sampler(new, dense()), modelled(new)) == ([], ALL)


def test_a_tpe_in_groups_models_them_but_apart_from_the_studys_own() -> None:
    study = going_on(old_study(20), MODELLING["groups"]())
    (told,) = check_sampler(study, dense())
    assert f"TPESampler models groups that know nothing of each other: lr, width | {', '.join(OURS)}. 18 of" in told
    going_on(study, RandomSampler(seed=1)).optimize(flat, n_trials=1)
    assert modelled(going_on(study, MODELLING["groups"]())) == ALL
    assert check_sampler(backfilled(MODELLING["groups"]()), dense()) == []


@pytest.mark.parametrize("make", [lambda: GPSampler(seed=0), lambda: NSGAIISampler(seed=0, population_size=4)])
def test_what_a_gp_or_nsga_does_not_model_it_draws_whatever_the_values(make: Callable[[], BaseSampler]) -> None:
    def drawn(study: optuna.Study, sign: float) -> dict[str, Any]:
        turned = optuna.create_study(sampler=make())
        for trial in study.trials:
            turned.add_trial(optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=sign * trial.params["width"]
            ))  # fmt: skip
        asked = turned.ask({**study.trials[-1].distributions, **dense().distributions()})
        return {name: asked.params[name] for name in OURS}

    mixed = old_study(10, objective=own_part)
    assert drawn(mixed, 1.0) == drawn(mixed, -1.0)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "tpe",
            r"^TPESampler models 'dense\.dropout_rate' on its own\. space\.suggest leaves out what changes nothing;",
        ),
        ("groups", r"know nothing of each other: lr, .*dense\.dropout \| dense\.dropout_rate\. space\.suggest leaves"),
        ("gp", r"^GPSampler draws 'dense\.dropout_rate' at random, whatever the trials show\. space\.suggest leaves"),
        ("fixed", r"^PartialFixedSampler leaves 'dense\.norm_placement' and 'dense\.dropout_rate' out of what it mode"),
    ],
)
def test_what_an_objective_leaves_out_is_told_where_it_asks_with_suggest(name: str, told: str) -> None:
    study = backfilled(MODELLING[name](), 8)
    problems = check_sampler(study, dense(), conditional=True)
    assert [bool(re.search(told, problem)) for problem in problems] == [True]


def test_several_objectives_have_a_tpe_of_single_parameters_by_default() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(lambda trial: (flat(trial), 0.0), n_trials=2)
    assert modelled(study) == []
    (told,) = check_sampler(study, dense())
    assert told == (
        "TPESampler models every parameter on its own (with several objectives that is its default). "
        "TPESampler(multivariate=True) models together what every trial has."
    )
    study.sampler = TPESampler(multivariate=True)
    assert (check_sampler(study, dense()), modelled(study)) == ([], ALL)


def test_several_objectives_with_trials_from_before_need_more_than_a_multivariate_tpe() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(lambda trial: (own_part(trial), 0.0), n_trials=2)
    (told,) = check_sampler(study, dense())
    assert told.endswith(
        "TPESampler(multivariate=True) models together what every trial has. 2 of the 2 finished trials lack some of "
        "them: backfill() copies trials to a new study with all parameters filled in."
    )


@pytest.mark.parametrize("kind", [RandomSampler, QMCSampler, BruteForceSampler])
def test_samplers_that_learn_nothing_are_named(kind: Callable[[], BaseSampler]) -> None:
    (told,) = check_sampler(optuna.create_study(sampler=kind()), dense())
    assert told.startswith(f"{kind.__name__} learns nothing from trials. TPESampler and GPSampler learn")


def test_a_cma_es_takes_no_choices() -> None:
    (told,) = check_sampler(going_on(old_study(5), CmaEsSampler()), dense())
    assert told.startswith("CmaEsSampler takes numbers only, and draws 'dense.order', 'dense.norm_placement', ")


def test_a_grid_that_lacks_the_space_fails_as_told() -> None:
    study = going_on(old_study(2), GridSampler({"lr": [0.01, 0.1], "width": [16, 64]}))
    (told,) = check_sampler(study, dense())
    cause = "The parameter name, dense.order, is not found in the given grid"
    assert told == (
        f"GridSampler fails on such trials (ValueError: {cause}). Give it the choices of space.distributions(), too."
    )
    with pytest.raises(ValueError, match=cause):
        study.optimize(flat, n_trials=1)
    choices = {name: distribution.choices for name, distribution in dense().distributions().items()}
    study.sampler = GridSampler({"lr": [0.01, 0.1], "width": [16, 64], **choices})
    study.optimize(flat, n_trials=1)


def test_a_brute_force_fails_in_a_mixed_study_as_told() -> None:
    def width(trial: optuna.Trial) -> float:
        return float(trial.suggest_categorical("width", [16, 64]))

    study = going_on(old_study(4, objective=width), BruteForceSampler(seed=0))
    (told,) = check_sampler(study, dense())
    assert re.match(r"BruteForceSampler fails on such trials \(ValueError: param_name .*\)\. 4 of the 4 finished", told)
    with pytest.raises(ValueError, match="param_name mismatch"):
        study.optimize(lambda trial: width(trial) + len(dense().suggest(trial)), n_trials=10)


# Nuisance parameters


def test_a_learning_rate_of_the_spaces_counts_where_the_study_has_none() -> None:
    def width(trial: optuna.Trial) -> float:
        return float(trial.suggest_categorical("width", [16, 64]))

    old, new, space = old_study(4, objective=width), optuna.create_study(), dense()
    backfill(old, new, space, OLD_ORDER)
    (told,) = check_sampler(new, space)
    assert told.startswith("TPESampler models 'lr' on its own. 4 of the 4 finished trials lack it: backfill() copies")
    assert "all parameters filled in ('lr' by its nuisance=)." in told
    filled = optuna.create_study()
    backfill(old, filled, space, OLD_ORDER, nuisance={"lr": 0.01})
    assert check_sampler(filled, space) == []


# The check itself


def test_nothing_is_changed_by_looking() -> None:
    def next_params(*, is_checked: bool) -> dict[str, Any]:
        study = going_on(old_study(12), TPESampler(seed=3))
        study.enqueue_trial({"lr": 0.5})
        if is_checked:
            check_sampler(study, dense())
        assert len(study.trials) == 13
        study.optimize(flat, n_trials=2)
        return study.trials[-1].params

    assert next_params(is_checked=True) == next_params(is_checked=False)


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_sampler_that_has_worked_on_the_study_can_be_asked(kind: str, tmp_path: Path) -> None:
    storage = storage_of(kind, tmp_path)
    old_study(1, storage=storage, name="first")
    study = old_study(2, storage=storage, name="second")
    study.sampler = TPESampler(seed=0)
    study.optimize(old_objective, n_trials=2)
    (told,) = check_sampler(study, dense())
    assert "4 of the 4 finished trials lack some of them" in told


class Fragile(RandomSampler):
    """A sampler of someone else's that fails before the first trial."""

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        raise KeyError("no such thing")


def test_a_sampler_that_cannot_be_asked_is_told_of() -> None:
    study = optuna.create_study(sampler=Fragile())
    assert check_sampler(study, dense()) == ["Fragile could not be asked what it models (KeyError: 'no such thing')."]


def test_two_spaces_are_each_others_own() -> None:
    body, study = SearchSpace.load("conv"), optuna.create_study()
    for _ in range(3):
        study.tell(study.ask({**body.distributions("body.")}), 0.0)
    (told,) = check_sampler(study, dense(), "head.")
    assert told.startswith("TPESampler models 'head.dense.order', ")
    assert "the space's parameters together, but apart from 'body.conv.dropout', 'body.conv.dropout_rate'" in told
