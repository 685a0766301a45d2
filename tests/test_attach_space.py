"""A space in a study of one's own: kept there, and a changed one is told of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from ordersearch.attach import attach_space, attached_space
from ordersearch.errors import SpaceError, StudyMismatchError
from ordersearch.results import Attribute
from ordersearch.space import PermutedRole, SearchSpace
from ordersearch.space.blocks_line import parse_blocks
from ordersearch.spec import BlockSpec
from tests.own_studies import STORAGES, dense, old_study, storage_of

ORDERS = ("weight > activation > dropout", "weight > dropout > activation")
CHOICES: dict[str, tuple[Any, ...]] = {
    "order": ORDERS,
    "norm_placement": ("none", "after_weight"),
    "weight": ("linear",),
    "norm": ("batch_norm",),
    "activation": ("relu", "tanh"),
    "dropout": ("none", "dropout"),
    "dropout_rate": (0.1, 0.3),
}


def space_with(*, lr: tuple[float, ...] = (0.003, 0.01), **changes: Any) -> SearchSpace:
    """A small space in which some choices are others; ``None`` leaves a parameter out."""
    choices = {name: own for name, own in {**CHOICES, **changes}.items() if own is not None}
    return SearchSpace("mine", {"dense": PermutedRole("dense", choices)}, nuisance={"lr": lr})


def test_importing_it_loads_no_torch() -> None:
    code = (
        "import ordersearch.attach, sys; sys.exit(bool({'torch', 'pytorch_lightning', 'lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What else takes a space


def test_a_tool_that_takes_a_dictionary_of_distributions_finds_every_block() -> None:
    def search(parameters: dict[str, BaseDistribution], score: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
        """As tools do that search over an estimator's parameters."""
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        for _ in range(30):
            trial = study.ask(fixed_distributions=parameters)
            study.tell(trial, score(trial.params))
        return study.best_params

    space = dense()
    best = search(
        {**space.distributions("net__"), **space.nuisance_distributions("net__")},
        lambda params: float(len(space.decode(params, "net__")["dense"])),
    )
    assert str(space.decode(best, "net__")["dense"]) == "linear > relu"


def test_a_tool_that_takes_a_function_of_a_trial_gives_parameters_to_decode() -> None:
    space = dense()

    def define_by_run(trial: optuna.Trial) -> None:
        space.suggest(trial, prefix="b.")

    study = optuna.create_study(sampler=RandomSampler(seed=1))
    asked = set()
    for _ in range(20):
        trial = study.ask()
        define_by_run(trial)
        asked.add(frozenset(trial.params))
        assert space.decode(trial.params, "b.")["dense"] in space.blocks()["dense"]
    assert len(asked) > 1


# Kept, and checked


@pytest.mark.parametrize("kind", STORAGES)
def test_a_changed_space_is_told_of_in_words_and_not_by_optuna(kind: str, tmp_path: Path) -> None:
    study = old_study(3, storage=storage_of(kind, tmp_path))
    attach_space(study, space_with())
    again = optuna.load_study(study_name="mine", storage=storage_of(kind, tmp_path)) if kind != "memory" else study
    attach_space(again, space_with())
    changed = space_with(activation=("relu", "gelu"))
    with pytest.raises(StudyMismatchError, match=r"'dense.activation': 'gelu' came and 'tanh' went\. .*another prefix"):
        attach_space(again, changed)
    assert attach_space(again, changed, prefix="second.") == 0
    assert [kept_fingerprint(again, prefix) for prefix in ("", "second.")] == [
        space_with().fingerprint(),
        changed.fingerprint(),
    ]


def kept_fingerprint(study: optuna.Study, prefix: str) -> str:
    kept = attached_space(study, prefix)
    assert kept is not None
    return kept.fingerprint()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dropout_rate": (0.1, 0.3, 0.5)}, r": 'b\.dense\.dropout_rate': 0\.5 came\. Attach"),
        ({"dropout_rate": (0.1,)}, r": 'b\.dense\.dropout_rate': 0\.3 went\. Attach"),
        ({"order": ORDERS[::-1]}, r": 'b\.dense\.order': the same choices in another order\. "),
        ({"lr": (0.003,)}, r": 'b\.lr': 0\.01 went\. "),
        (
            {"dropout": None, "dropout_rate": None, "order": ("weight > activation",)},
            r"came and .* went; the parameter 'b\.dense\.dropout' is gone; the parameter 'b\.dense\.dropout_rate' is ",
        ),
    ],
)
def test_every_change_is_named(changes: dict[str, Any], told: str) -> None:
    study = optuna.create_study()
    attach_space(study, space_with(), prefix="b.")
    with pytest.raises(StudyMismatchError, match=told):
        attach_space(study, space_with(**changes), prefix="b.")


def test_a_parameter_that_has_come_is_named() -> None:
    study = optuna.create_study()
    attach_space(study, space_with(dropout=None, dropout_rate=None, order=("weight > activation",)))
    with pytest.raises(StudyMismatchError, match=r"the parameter 'dense\.dropout' is new; the parameter 'dense\.drop"):
        attach_space(study, space_with())


def test_what_optuna_does_not_mind_is_no_change() -> None:
    study = optuna.create_study()
    attach_space(study, space_with())
    turned = {"dense": PermutedRole("dense", dict(reversed(CHOICES.items())))}
    reordered = SearchSpace("mine", turned, nuisance=space_with().nuisance)
    assert reordered.fingerprint() != space_with().fingerprint()
    assert attach_space(study, reordered) == 0


def test_a_parameter_that_is_there_already_with_other_choices_is_found() -> None:
    def objective(trial: optuna.Trial) -> float:
        return float(trial.suggest_categorical("dense.activation", ["relu", "elu"]) == "elu")

    study = old_study(2, objective=objective)
    with pytest.raises(StudyMismatchError, match=r"has a parameter 'dense.activation' already, .*'elu'.* 'block\.'\."):
        attach_space(study, dense())
    assert Attribute.ATTACHED not in study.user_attrs
    assert attach_space(study, dense(), prefix="block.") == 0


def test_a_search_of_ordersearch_is_left_alone() -> None:
    study = optuna.create_study(study_name="digits-conv")
    study.set_user_attr(Attribute.SEARCH, {"space": "conv"})
    with pytest.raises(StudyMismatchError, match=r"'digits-conv' is a search of ordersearch, .* study of your own"):
        attach_space(study, dense())


# References


def test_references_are_queued_once_and_those_that_are_there_are_left_out() -> None:
    space, study = dense(), old_study(2)
    third = space.references()[2]
    # Another trial has the network of the third, by another of its orders or without its idle parameters.
    study.enqueue_trial(space.encode(third.blocks, "b."))
    assert attach_space(study, space, prefix="b.", references=True) == 6
    assert attach_space(study, space, prefix="b.", references=True) == 0
    waiting = study.get_trials(states=(TrialState.WAITING,))
    names = [trial.user_attrs.get(Attribute.REFERENCE) for trial in waiting]
    assert names == [None, *(one.name for one in space.references() if one is not third)]

    def objective(trial: optuna.Trial) -> float:
        # The learning rate stays the study's own.
        return trial.suggest_float("lr", 1e-4, 1.0, log=True) + len(space.suggest(trial, prefix="b.")["dense"])

    study.optimize(objective, n_trials=7)
    blocks = [space.decode(trial.params, "b.") for trial in study.trials[2:]]
    assert blocks == [third.blocks, *(one.blocks for one in space.references() if one is not third)]


def test_a_reference_whose_trial_failed_is_queued_again() -> None:
    study = optuna.create_study()
    attach_space(study, dense(), references=True)
    study.tell(study.ask(), state=TrialState.FAIL)
    assert attach_space(study, dense(), references=True) == 1


def test_two_spaces_by_two_prefixes_share_a_study() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    spaces = {"head.": dense(), "body.": SearchSpace.load("conv")}
    for prefix, space in spaces.items():
        attach_space(study, space, prefix, references=True)

    def objective(trial: optuna.Trial) -> float:
        return float(sum(len(spec) for p, space in spaces.items() for spec in space.suggest(trial, p).values()))

    study.optimize(objective, n_trials=20)
    for prefix, space in spaces.items():
        attach_space(study, space, prefix)
        assert all(space.decode(trial.params, prefix) for trial in study.trials)
    with pytest.raises(StudyMismatchError, match=r"another space by the prefix 'head\.' than 'conv': 'dense'"):
        attach_space(study, spaces["body."], "head.")


# Blocks in one line


@pytest.mark.parametrize(
    ("name", "text", "blocks"),
    [
        ("dense", "linear > relu", {"dense": "linear > relu"}),
        ("dense", "dense: linear > relu", {"dense": "linear > relu"}),
        ("conv", "MONAI NDA", {"conv": "conv > batch_norm > dropout(p=0.1) > relu > max_pool"}),
        ("conv_dense", "conv: conv > relu; dense: linear > relu", {"conv": "conv > relu", "dense": "linear > relu"}),
    ],
)
def test_blocks_are_read_from_a_line(name: str, text: str, blocks: dict[str, str]) -> None:
    space = SearchSpace.load(name)
    assert parse_blocks(text, space) == {role: BlockSpec.parse(order) for role, order in blocks.items()}


def test_a_role_that_is_missing_in_a_line_is_told() -> None:
    with pytest.raises(SpaceError, match=r"Got 'conv > relu', but the space has the roles conv, dense"):
        parse_blocks("conv > relu", SearchSpace.load("conv_dense"))
