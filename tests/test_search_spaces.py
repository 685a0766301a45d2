"""The search spaces that ship: what their comments say, what is in them, and the references."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest

from ordersearch.advice import CATALOGUE, well_known
from ordersearch.identities import canonical, equivalent
from ordersearch.ops import Role
from ordersearch.space import SearchSpace, shipped_spaces
from ordersearch.spec import BlockSpec

parse = BlockSpec.parse
NAMES = tuple(shipped_spaces())
COUNTS = re.compile(
    r"^# (\d+) orders \(rates counted\) are (\d+) distinct networks; "
    r"with the learning rates(?: and batch sizes)? (\d+) settings\.$"
)
FINGERPRINTS = {"conv": "fe0002d9f0dc40f3", "dense": "a0f4ab39698e2303", "wide": "bd7bcc4151b89ee3"}


@pytest.fixture(params=NAMES)
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SearchSpace.load(request.param)


def comment(name: str) -> list[str]:
    return list(
        itertools.takewhile(lambda line: line.startswith("# "), shipped_spaces()[name].read_text().splitlines())
    )


def test_these_ship() -> None:
    there = {"conv", "dense", "conv_dense", "residual", "neither_or_both", "activations", "spatial", "pooling", "where"}
    assert set(NAMES) == {*there, "pre_activation", "norms", "wide"}


def test_the_comment_counts_orders_networks_and_settings(space: SearchSpace) -> None:
    (found,) = [match for line in comment(space.name) if (match := COUNTS.match(line))]
    assert tuple(map(int, found.groups())) == (space.n_specs, space.n_classes, space.n_settings)
    assert ("batch sizes" in found[0]) == ("batch_size" in space.nuisance)


def test_the_comment_names_a_source(space: SearchSpace) -> None:
    assert any(line.startswith("# Source: ") for line in comment(space.name))


def test_classes_are_those_of_all_points(space: SearchSpace) -> None:
    choices: dict[str, Any] = {name: distribution.choices for name, distribution in space.distributions().items()}
    blocks = [space.decode(dict(zip(choices, point, strict=True))) for point in itertools.product(*choices.values())]
    networks = {tuple(canonical(spec) for spec in each.values()) for each in blocks}
    assert space.n_classes == len(networks)
    assert space.n_settings == len(networks) * math.prod(map(len, space.nuisance.values()))


@pytest.mark.parametrize(("name", "fingerprint"), FINGERPRINTS.items())
def test_a_study_of_an_earlier_version_finds_its_space(name: str, fingerprint: str) -> None:
    assert SearchSpace.load(name).fingerprint() == fingerprint


def test_it_loads_by_name_and_by_path_and_says_what_it_is(space: SearchSpace) -> None:
    path = shipped_spaces()[space.name]
    by_path = [SearchSpace.load(path), SearchSpace.load(str(path))]
    assert {found.fingerprint() for found in by_path} == {space.fingerprint()}
    assert space.description
    assert "lr" in space.nuisance
    assert 3 <= len(space.nuisance["lr"]) <= 5
    assert space.n_settings <= (6216 if space.name == "wide" else 400)


def test_references_are_in_the_space(space: SearchSpace) -> None:
    assert space.references()
    assert len({reference.name for reference in space.references()}) == len(space.references())
    for reference in space.references():
        assert space.decode(space.encode(reference.blocks)) == reference.blocks
        assert reference.source


def test_the_convention_is_the_first_reference(space: SearchSpace) -> None:
    first = "original residual" if space.name == "residual" else "convention"
    assert space.references()[0].name == first


def test_a_reference_with_a_source_of_the_catalogue_is_what_its_name_means(space: SearchSpace) -> None:
    for reference in space.references():
        known = CATALOGUE.get(reference.name)
        if known and reference.source == known.source:
            assert reference.claim == known.claim
            names = {found.name for spec in reference.blocks.values() for found in well_known(spec)}
            assert reference.name in names


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("conv", "conv > batch_norm > relu > max_pool > dropout(p=0.1)"),
        ("dense", "linear > batch_norm > relu > dropout(p=0.1)"),
    ],
)
def test_convention_is_the_one_of_the_tutorials(name: str, convention: str) -> None:
    assert str(SearchSpace.load(name).references()[0].blocks[name]) == convention


def test_conv_spans_every_permutation_behind_the_weight() -> None:
    orders = {spec.order for spec in SearchSpace.load("conv").roles["conv"].specs}
    for others in itertools.permutations(["batch_norm", "relu", "max_pool", "dropout"]):
        assert " > ".join(("conv", *others)) in orders


def test_residual_holds_the_five_placements_and_three_dropouts() -> None:
    space = SearchSpace.load("residual")
    specs = space.roles["residual"].specs
    placements = [spec for spec in specs if not any(op.role is Role.DROPOUT for op in spec)]
    assert len(placements) == len({canonical(spec) for spec in placements}) == 5
    blocks = {reference.name: reference.blocks["residual"].at_rate() for reference in space.references()}
    assert equivalent(blocks["Wide ResNet"], blocks["dropout after the last norm"])
    assert not equivalent(blocks["Wide ResNet"], blocks["dropout before the last norm"])
    assert all(op.name == "add" for spec in specs for op in spec if op.role is Role.MERGE)


def test_where_puts_two_weights_without_dropout_before_a_norm() -> None:
    space = SearchSpace.load("where")
    assert space.network == {"name": "cnn", "depth": 2}
    blocks = next(r.blocks for r in space.references() if r.name == "two weights before the norm")
    path = [op.role for op in (*blocks["stage_end"], *blocks["conv"])]
    behind = path[path.index(Role.DROPOUT) + 1 :]
    assert behind[: behind.index(Role.NORM)].count(Role.WEIGHT) == 2


def test_pooling_has_a_stride_where_no_pool_is() -> None:
    specs = SearchSpace.load("pooling").roles["conv"].specs
    pools = {next((op.name for op in spec if op.role is Role.POOL), "stride") for spec in specs}
    assert pools == {"max_pool", "avg_pool", "stride"}


def test_norms_has_one_before_the_first_layer_and_batch_sizes() -> None:
    space = SearchSpace.load("norms")
    assert {spec.ops[0].name for spec in space.roles["conv"].specs} >= {"batch_norm", "group_norm", "layer_norm"}
    assert min(space.nuisance["batch_size"]) < 16 < max(space.nuisance["batch_size"])
