"""Where dropout sits in the network, as a parameter of a space."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from ordersearch.errors import SpaceError
from ordersearch.identities import canonical
from ordersearch.ops import Role
from ordersearch.space import ListedRole, PermutedRole, SearchSpace
from ordersearch.space.dropout_placement import WITH_DROPOUT
from ordersearch.spec import BlockSpec

parse = BlockSpec.parse
CONV: dict[str, Any] = {"orders": ["conv > batch_norm > relu > max_pool > dropout"], "dropout_rate": [0.1, 0.3]}
DENSE: dict[str, Any] = {
    "order": ["weight > activation > dropout"],
    "weight": ["linear"],
    "activation": ["relu"],
    "dropout": ["dropout"],
    "dropout_rate": [0.5],
}
CONTENT: dict[str, Any] = {"dropout_placement": [*WITH_DROPOUT], "roles": {"conv": CONV, "dense": DENSE}}


def loaded(folder: Path, content: Mapping[str, Any]) -> SearchSpace:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
    return SearchSpace.load(path)


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return loaded(tmp_path, CONTENT)


@pytest.mark.parametrize(
    ("placement", "dropped"),
    [
        ("every_block", {"conv", "stage_end", "dense"}),
        ("stage_ends", {"stage_end"}),
        ("head_only", {"dense"}),
        ("nowhere", set()),
    ],
)
def test_a_placement_says_which_places_keep_their_dropout(
    space: SearchSpace, placement: str, dropped: set[str]
) -> None:
    trial = FixedTrial({"dropout_placement": placement, "conv.order": CONV["orders"][0], **RATES, **HEAD})
    blocks = space.suggest(trial)
    assert list(blocks) == ["conv", "stage_end", "dense"]
    assert {role for role, spec in blocks.items() if any(op.role is Role.DROPOUT for op in spec)} == dropped
    assert {str(spec.without(Role.DROPOUT)) for role, spec in blocks.items() if role != "dense"} == {
        "conv > batch_norm > relu > max_pool"
    }
    assert blocks == space.decode(trial.params)


RATES = {"conv.dropout_rate": 0.3, "dense.dropout_rate": 0.5}
HEAD = {
    "dense.order": "weight > activation > dropout",
    "dense.norm_placement": "none",
    "dense.weight": "linear",
    "dense.activation": "relu",
    "dense.dropout": "dropout",
}


@pytest.mark.parametrize(
    ("placement", "idle"),
    [
        ("every_block", set()),
        ("stage_ends", {"dense.dropout", "dense.dropout_rate"}),
        ("head_only", {"conv.dropout_rate"}),
        ("nowhere", {"conv.dropout_rate", "dense.dropout", "dense.dropout_rate"}),
    ],
)
def test_only_what_the_placement_leaves_is_asked_for(space: SearchSpace, placement: str, idle: set[str]) -> None:
    every = {"dropout_placement": placement, "conv.order": CONV["orders"][0], **RATES, **HEAD}
    trial = FixedTrial(every)
    space.suggest(trial)
    assert set(every) - set(trial.params) == idle
    assert next(iter(trial.params)) == next(iter(space.distributions("p."))).removeprefix("p.") == "dropout_placement"
    missing = {name: value for name, value in every.items() if name not in idle}
    assert space.decode(missing) == space.decode(every)


def test_the_fingerprint_includes_the_placements(tmp_path: Path) -> None:
    both: Mapping[str, Any] = {"roles": CONTENT["roles"]}
    contents = [
        both,
        CONTENT,
        {**CONTENT, "dropout_placement": ["every_block"]},
        {**CONTENT, "dropout_placement": ["nowhere"]},
        {**CONTENT, "dropout_placement": list(WITH_DROPOUT)[::-1]},
    ]
    assert len({loaded(tmp_path, content).fingerprint() for content in contents}) == len(contents)


def test_blocks_that_no_placement_gives_together_are_refused(space: SearchSpace) -> None:
    plain, dropped = parse("conv > batch_norm > relu > max_pool"), parse(CONV["orders"][0]).at_rate(0.3)
    dense = parse("linear > relu")
    assert space.decode(space.encode({"conv": plain, "stage_end": dropped, "dense": dense}))["conv"] == plain
    with pytest.raises(SpaceError, match=r"^No dropout placement of space 'mine' gives these blocks together: conv '"):
        space.encode({"conv": dropped, "stage_end": plain, "dense": dense})
    with pytest.raises(SpaceError, match=r"^Block 'conv > relu' is none of the 3 blocks of the role 'stage_end'\."):
        space.encode({"conv": plain, "stage_end": parse("conv > relu"), "dense": dense})
    with pytest.raises(SpaceError, match=r"has the roles conv, stage_end, dense, but got blocks for conv, dense\.$"):
        space.encode_class({"conv": plain, "dense": dense})
    with pytest.raises(SpaceError, match=r"has the roles conv, stage_end, dense: name one\.$"):
        space.orders()


REFERENCE = {"name": "norm only", "conv": CONV["orders"][0], "dense": "linear > relu > dropout"}


def test_a_reference_says_where_its_dropout_sits(tmp_path: Path) -> None:
    content = {**CONTENT, "references": [{**REFERENCE, "dropout_placement": "nowhere"}]}
    (found,) = loaded(tmp_path, content).references()
    assert {role: str(spec) for role, spec in found.blocks.items()} == {
        "conv": "conv > batch_norm > relu > max_pool",
        "stage_end": "conv > batch_norm > relu > max_pool",
        "dense": "linear > relu",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout_placement": []}, "dropout_placement: got [], but a list of at least one choice stands here."),
        (
            {"dropout_placement": ["everywhere"]},
            "dropout_placement[0]: got 'everywhere', but a placement is one of every_block, stage_ends, head_only",
        ),
        ({"dropout_placement": ["nowhere"] * 2}, "dropout_placement[1]: got 'nowhere', but every choice stands once."),
        (
            {"roles": {"conv": CONV}},
            "dropout_placement is about the roles conv and dense, but the roles here are conv.",
        ),
        (
            {"roles": {"conv": {"orders": ["conv"]}, "dense": DENSE}},
            "dropout_placement is about dropouts, but no block of the role 'conv' has one.",
        ),
        ({"references": [REFERENCE]}, "references[0].dropout_placement: got None, but text stands here."),
        (
            {"references": [{**REFERENCE, "dropout_placement": "head_only"}], "dropout_placement": ["nowhere"]},
            "references[0].dropout_placement: got 'head_only', but a placement is one of nowhere.",
        ),
        (
            {"roles": {"dropout_placement": CONV}},
            "roles.dropout_placement: got 'dropout_placement', but a role has another name than the keys of a ref",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_file_errors(tmp_path: Path, changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match="^" + re.escape(f"{tmp_path / 'mine.yaml'}: {message}")):
        loaded(tmp_path, {**CONTENT, **changes})


def test_a_space_made_without_a_file_is_checked_too() -> None:
    role = ListedRole("conv", {"order": ("conv > dropout",)})
    with pytest.raises(SpaceError, match=r"^dropout_placement is about the roles conv and dense, but the roles here "):
        SearchSpace("mine", {"conv": role}, nuisance={"lr": (0.01,)}, dropout_placement=("nowhere",))


# Any two roles


KINDS = st.lists(st.sampled_from(["none", "dropout", "spatial_dropout"]), min_size=1, max_size=3, unique=True)
TAILS = ["activation > pool > dropout", "pool > dropout > activation", "dropout > activation > pool"]
LISTED = ["conv > relu > dropout", "conv > dropout > relu", "conv > relu", "conv > batch_norm > spatial_dropout > relu"]


@st.composite
def conv_roles(draw: st.DrawFn) -> PermutedRole | ListedRole:
    rates = {"dropout_rate": tuple(draw(st.sampled_from([[0.1], [0.2, 0.0], [0.5, 0.3]])))}
    if draw(st.booleans()):
        orders = draw(st.lists(st.sampled_from(LISTED), min_size=1, unique=True))
        return ListedRole("conv", {"order": tuple(orders), **rates})
    return PermutedRole(
        "conv",
        {
            "order": tuple(
                f"weight > {tail}" for tail in draw(st.lists(st.sampled_from(TAILS), min_size=1, unique=True))
            ),
            "norm_placement": ("none", "after_dropout"),
            "weight": ("conv",),
            "norm": ("batch_norm",),
            "activation": tuple(draw(st.sampled_from([["relu"], ["tanh", "relu"]]))),
            "pool": ("max_pool",),
            "dropout": tuple(draw(KINDS)),
            **rates,
        },
    )


@st.composite
def placed_spaces(draw: st.DrawFn) -> SearchSpace:
    kinds = tuple(draw(st.sampled_from([["dropout"], ["none", "dropout"], ["dropout", "none"]])))
    dense = PermutedRole(
        "dense",
        {
            "order": ("weight > activation > dropout", "weight > dropout > activation"),
            "weight": ("linear",),
            "activation": ("relu",),
            "dropout": kinds,
            "dropout_rate": (0.5, 0.2),
        },
    )
    conv = draw(conv_roles().filter(lambda role: any(op.role is Role.DROPOUT for spec in role.specs for op in spec)))
    placements = draw(st.lists(st.sampled_from([*WITH_DROPOUT]), min_size=1, unique=True))
    roles = {"conv": conv, "dense": dense}
    return SearchSpace("drawn", roles, nuisance={"lr": (0.01,)}, dropout_placement=tuple(placements))


@given(placed_spaces(), st.data())
@settings(max_examples=60)
def test_points_go_there_and_back(space: SearchSpace, data: st.DataObject) -> None:
    point: dict[str, Any] = {
        name: data.draw(st.sampled_from(d.choices), name) for name, d in space.distributions().items()
    }
    trial = FixedTrial({f"p.{name}": value for name, value in point.items()})
    blocks = space.suggest(trial, prefix="p.")
    assert blocks == space.decode(point) == space.decode(trial.params, prefix="p.")
    back = space.encode(blocks)
    assert space.decode(back) == blocks
    assert set(back) == set(point)
    again = FixedTrial(back)
    space.suggest(again)
    assert all(back[name] == space.distributions()[name].choices[0] for name in set(back) - set(again.params))
    first = space.decode(space.encode_class(blocks))
    assert {role: canonical(spec) for role, spec in first.items()} == {r: canonical(s) for r, s in blocks.items()}


@given(placed_spaces())
@settings(max_examples=40)
def test_counts_are_those_of_all_points(space: SearchSpace) -> None:
    choices: dict[str, Any] = {name: d.choices for name, d in space.distributions().items()}
    every = [space.decode(dict(zip(choices, values, strict=True))) for values in itertools.product(*choices.values())]
    networks = {tuple(str(canonical(spec)) for spec in blocks.values()) for blocks in every}
    assert space.n_points == len(every) == math.prod(map(len, choices.values()))
    assert space.n_specs == len({tuple(map(str, blocks.values())) for blocks in every})
    assert space.n_classes == len(networks) == len(list(space.settings()))
    for role, known in space.blocks().items():
        assert set(known) == {blocks[role] for blocks in every}
        assert set(space.classes(role)) == {canonical(spec) for spec in known}
