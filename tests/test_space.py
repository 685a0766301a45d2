from __future__ import annotations

import copy
import itertools
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from ordersearch.advice import CATALOGUE
from ordersearch.errors import SpaceError, UnknownNameError
from ordersearch.identities import canonical
from ordersearch.ops import Role
from ordersearch.space import SearchSpace, shipped_spaces
from ordersearch.spec import BlockSpec

parse = BlockSpec.parse
Load = Callable[..., SearchSpace]

CONV: dict[str, list[Any]] = {
    "order": ["weight > activation > pool > dropout", "weight > pool > dropout > activation"],
    "norm_placement": ["none", "first", "after_weight", "after_dropout"],
    "weight": ["conv", "conv(kernel=5)"],
    "norm": ["batch_norm", "group_norm(groups=4)"],
    "activation": ["relu", "leaky_relu(negative_slope=0.1)", "none"],
    "pool": ["max_pool"],
    "dropout": ["none", "dropout", "spatial_dropout"],
    "dropout_rate": [0.2, 0, 0.5],
}
DENSE = {"order": ["weight > activation"], "weight": ["linear"], "activation": ["relu", "tanh"]}
RESIDUAL: dict[str, list[str]] = {
    "orders": [
        "batch_norm > relu > conv > batch_norm > relu > dropout(p=0.3) > conv > add",
        "conv > batch_norm > relu > conv > batch_norm > add > relu",
        "nn.Conv2d(8, 8, 3) -> BatchNormalization -> ReLU",
    ]
}
PLACED_CONV = [
    "conv > relu > max_pool > dropout",
    "conv > max_pool > relu > spatial_dropout",
    "conv > batch_norm > relu",
]
PLACED_DENSE: dict[str, list[Any]] = {
    "order": ["weight > activation > dropout", "weight > dropout > activation"],
    "weight": ["linear"],
    "activation": ["relu"],
    "dropout": ["dropout"],
    "dropout_rate": [0.5, 0.2],
}
ONE: dict[str, Any] = {"roles": {"conv": CONV}, "nuisance": {"lr": [0.001, 0.003, 0.01]}}
CONTENTS: dict[str, dict[str, Any]] = {
    "one": ONE,
    "residual": {"roles": {"residual": RESIDUAL}},
    "rated": {"roles": {"residual": {**RESIDUAL, "dropout_rate": [0.1, 0.4]}}},
    "two": {"roles": {"conv": {**CONV, "weight": ["conv"], "dropout_rate": [0.2]}, "dense": DENSE}},
    "placed": {
        "dropout_placement": ["every_block", "stage_ends", "head_only", "nowhere"],
        "roles": {"conv": {"orders": PLACED_CONV, "dropout_rate": [0.1, 0.3]}, "dense": PLACED_DENSE},
        "nuisance": {"lr": [0.003], "batch_size": [16, 64]},
    },
    "overlapping": {
        "dropout_placement": ["stage_ends", "every_block", "nowhere", "head_only"],
        "roles": {
            "conv": {**CONV, "weight": ["conv"], "activation": ["relu"], "norm": ["batch_norm"], "dropout_rate": [0.2]},
            "dense": {"orders": ["linear > relu > dropout", "linear > relu"]},
        },
    },
}
NAMES = (*sorted(shipped_spaces()), *CONTENTS)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes a search-space file and loads it."""

    def loaded(content: object, name: str = "mine") -> SearchSpace:
        path = tmp_path / f"{name}.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return SearchSpace.load(path)

    return loaded


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SearchSpace]:
    """The shipped spaces and those of ``CONTENTS`` by name."""
    folder = tmp_path_factory.mktemp("spaces")
    for name, content in CONTENTS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    own = {name: SearchSpace.load(folder / f"{name}.yaml") for name in CONTENTS}
    return {**{name: SearchSpace.load(name) for name in shipped_spaces()}, **own}


@pytest.fixture(params=NAMES)
def space(request: pytest.FixtureRequest, spaces: Mapping[str, SearchSpace]) -> SearchSpace:
    return spaces[request.param]


class FirstChoices:
    """All that a space asks of a trial; remembers what it was asked."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.params, self.asked = params, dict[str, Any]()

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.asked[name] = choices[0] if self.params is None else self.params[name]
        assert self.asked[name] in choices
        return self.asked[name]


def points(space: SearchSpace) -> list[dict[str, Any]]:
    distributions = space.distributions()
    values = itertools.product(*(distribution.choices for distribution in distributions.values()))
    return [dict(zip(distributions, value, strict=True)) for value in values]


def written(blocks: Mapping[str, BlockSpec]) -> dict[str, str]:
    return {role: str(spec) for role, spec in blocks.items()}


# Loading


def test_unknown_space_gives_the_nearest_and_says_that_a_path_will_do() -> None:
    message = r"^No search space is named 'cnov'\. Did you mean 'conv'\? Known: .*conv, .* Or give the path of a YAML"
    with pytest.raises(UnknownNameError, match=message):
        SearchSpace.load("cnov")


def test_missing_file_is_named() -> None:
    for missing in ("nowhere/mine.yaml", Path("nowhere/mine.yaml"), "mine_that_is_not_here.yml"):
        with pytest.raises(
            SpaceError, match=rf"^{missing}: cannot be read \(No such file or directory\)\. Check the path"
        ):
            SearchSpace.load(missing)


# Encode, decode, suggest


def test_every_block_is_encoded_and_decoded(space: SearchSpace) -> None:
    for point in points(space):
        blocks = space.decode(point)
        params = space.encode(blocks)
        assert space.decode(params) == blocks
        assert set(params) == set(space.distributions())
        assert tuple(blocks) == space.block_roles
        assert all(blocks[role] in known for role, known in space.blocks().items())


@settings(max_examples=100)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_points_are_decoded_and_encoded_up_to_what_is_inactive(
    data: st.DataObject, name: str, spaces: Mapping[str, SearchSpace]
) -> None:
    space = spaces[name]
    point: dict[str, Any] = {
        key: data.draw(st.sampled_from(d.choices), key) for key, d in space.distributions().items()
    }
    trial = FirstChoices(point)
    blocks = space.suggest(trial)
    assert space.decode(point) == blocks
    assert space.decode(trial.asked) == blocks
    back = space.encode(blocks)
    assert space.decode(back) == blocks
    inactive = set(point) - set(trial.asked)
    again = FirstChoices(back)
    space.suggest(again)
    assert all(back[key] == space.distributions()[key].choices[0] for key in set(back) - set(again.asked))
    if sum(space.decode(other) == blocks for other in points(space)) == math.prod(
        len(space.distributions()[key].choices) for key in inactive
    ):
        assert {key: back[key] for key in trial.asked} == trial.asked


def test_suggest_asks_a_fixed_trial_a_fake_and_a_study_alike(space: SearchSpace) -> None:
    reference = space.encode(space.suggest(FirstChoices()))
    assert space.suggest(FixedTrial(reference)) == space.suggest(FirstChoices()) == space.decode(reference)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask()
        blocks = space.suggest(trial)
        nuisance = space.suggest_nuisance(trial)
        assert space.decode(trial.params) == blocks
        assert nuisance == {name: trial.params[name] for name in space.nuisance}
        study.tell(trial, 0.0)


def test_study_may_be_asked_for_the_distributions_instead(space: SearchSpace) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask(fixed_distributions={**space.distributions("x_"), **space.nuisance_distributions("x_")})
        assert space.suggest(trial, prefix="x_") == space.decode(trial.params, prefix="x_")
        asked = {name: trial.params[f"x_{name}"] for name in space.nuisance}
        assert space.suggest_nuisance(trial, prefix="x_") == asked


def test_prefix_keeps_a_study_of_ones_own_apart(spaces: Mapping[str, SearchSpace]) -> None:
    space, study = spaces["two"], optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    trial = study.ask()
    assert trial.suggest_categorical("conv.order", ["mine"]) == "mine"
    first, second = space.suggest(trial, prefix="first."), space.suggest(trial, prefix="second.")
    assert space.decode(trial.params, prefix="first.") == first
    assert space.decode(trial.params, prefix="second.") == second
    assert all(name.startswith(("first.", "second.")) for name in trial.params if name != "conv.order")
    assert set(space.encode(first, prefix="first.")) == set(space.distributions("first."))


def test_suggest_asks_only_for_what_matters(spaces: Mapping[str, SearchSpace]) -> None:
    def asked(**params: Any) -> set[str]:
        point = {**points(spaces["one"])[0], **{f"conv.{key}": value for key, value in params.items()}}
        trial = FirstChoices(point)
        spaces["one"].suggest(trial)
        return {name.removeprefix("conv.") for name in trial.asked}

    always = {"order", "norm_placement", "weight", "activation", "pool", "dropout"}
    assert asked(norm_placement="none", dropout="none") == always
    assert asked(norm_placement="first", dropout="none") == {*always, "norm"}
    assert asked(norm_placement="none", dropout="dropout") == {*always, "dropout_rate"}


def test_distributions_are_flat_and_cover_what_suggest_asks(space: SearchSpace) -> None:
    distributions = space.distributions()
    for distribution in (*distributions.values(), *space.nuisance_distributions().values()):
        assert all(isinstance(choice, str | int | float) for choice in distribution.choices)
    asked: set[str] = set()
    for point in points(space):
        trial = FirstChoices(point)
        space.suggest(trial)
        asked |= set(trial.asked)
    assert asked == set(distributions)
    assert set(space.nuisance_distributions("p.")) == {f"p.{name}" for name in space.nuisance}


def test_inactive_parameters_change_nothing(spaces: Mapping[str, SearchSpace]) -> None:
    space = spaces["one"]
    for point in points(space)[::7]:
        trial = FirstChoices(point)
        space.suggest(trial)
        for name in set(point) - set(trial.asked):
            for choice in space.distributions()[name].choices:
                moved: dict[str, Any] = {**point, name: choice}
                assert space.decode(moved) == space.decode(point)


def test_decode_names_what_is_missing_or_no_choice(spaces: Mapping[str, SearchSpace]) -> None:
    space = spaces["one"]
    params = space.encode({"conv": parse("conv > relu > max_pool > dropout(p=0.2)")})
    assert space.decode({**params, "foreign": 1}) == space.decode(params)
    with pytest.raises(SpaceError, match=r"^conv\.pool: got 'pool', but the choices are 'max_pool'\.$"):
        space.decode({**params, "conv.pool": "pool"})
    with pytest.raises(SpaceError, match=r"^The parameter 'conv\.order' is missing\. Got: none\.$"):
        space.decode({})
    with pytest.raises(SpaceError, match=r"^The parameter 'x\.conv\.order' is missing\. Got: conv\.order, "):
        space.decode(params, prefix="x.")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            "conv > gelu > max_pool",
            r"is none of the \d+ blocks of the role 'conv'\. It has 'gelu', where the space has: ",
        ),
        (
            "conv > relu > max_pool > dropout(p=0.9)",
            r"It has 'dropout\(p=0\.9\)', where the space has: dropout, dropout\(p",
        ),
        ("max_pool > conv > relu", r"Its ops are all known there, but not in this order\.$"),
        ("conv > relu > max_pool > add", r"It has 'add', where the space has: no merge\.$"),
    ],
)
def test_block_outside_the_space_is_refused(spaces: Mapping[str, SearchSpace], block: str, message: str) -> None:
    with pytest.raises(SpaceError, match=rf"^Block '{re.escape(block)}' {message}" if message[:2] == "is" else message):
        spaces["one"].encode({"conv": parse(block)})


def test_roles_must_be_those_of_the_space(spaces: Mapping[str, SearchSpace]) -> None:
    conv = {"conv": parse("conv > relu > max_pool")}
    with pytest.raises(SpaceError, match=r"^Space 'two' has the roles conv, dense, but got blocks for conv\.$"):
        spaces["two"].encode(conv)
    with pytest.raises(SpaceError, match=r"^Space 'two' has the roles conv, dense: name one\.$"):
        spaces["two"].classes()
    with pytest.raises(SpaceError, match=r"but got blocks for conv, head\.$"):
        spaces["one"].encode({**conv, "head": parse("linear")})


# Counts


def test_counts_agree_with_brute_force(space: SearchSpace) -> None:
    every = points(space)
    specs = {tuple(written(space.decode(point)).items()) for point in every}
    classes = {tuple(str(canonical(spec)) for spec in space.decode(point).values()) for point in every}
    assert space.n_points == len(every)
    assert space.n_specs == len(specs)
    assert space.n_classes == len(classes)
    n_values = math.prod(map(len, space.nuisance.values()))
    assert space.n_settings == len(classes) * n_values
    assert space.n_settings_as_written == len(specs) * n_values
    for role, known in space.blocks().items():
        found = space.classes(role)
        assert all(canonical(member) == name for name, members in found.items() for member in members)
        assert sum(map(len, found.values())) == len(known)


def test_conv_saves_most_of_the_training() -> None:
    space = SearchSpace.load("conv")
    assert 2 * space.n_classes < space.n_specs < space.n_points


def setting(space: SearchSpace, params: Mapping[str, Any]) -> tuple[Any, ...]:
    blocks = space.decode(params)
    return (*(str(canonical(spec)) for spec in blocks.values()), *(params[name] for name in space.nuisance))


def test_settings_are_distinct_and_complete(space: SearchSpace) -> None:
    every = list(space.settings())
    assert len(every) == len({setting(space, params) for params in every}) == space.n_settings
    assert all(list(params) == [*space.distributions(), *space.nuisance] for params in every)


def test_a_class_is_encoded_by_the_first_of_its_blocks(space: SearchSpace) -> None:
    firsts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for params in space.settings():
        blocks = space.decode(params)
        firsts[tuple(map(canonical, blocks.values()))] = {name: params[name] for name in space.distributions()}
    for point in points(space)[::5]:
        named = {role: canonical(spec) for role, spec in space.decode(point).items()}
        assert space.encode_class(named) == firsts[tuple(named.values())]


def test_settings_are_drawn_evenly(spaces: Mapping[str, SearchSpace]) -> None:
    generator = random.Random(0)
    for name in ("rated", "placed", "overlapping"):
        space = spaces[name]
        drawn = Counter(setting(space, space.draw(generator)) for _ in range(40 * space.n_settings))
        assert len(drawn) == space.n_settings
        assert 15 < min(drawn.values()) <= max(drawn.values()) < 75


# Fingerprint


def test_fingerprint_is_the_schema(load: Load) -> None:
    def fingerprint(**changes: Any) -> str:
        return load({**ONE, **changes}).fingerprint()

    def with_conv(**changes: Any) -> str:
        return fingerprint(roles={"conv": {**CONV, **changes}})

    same = fingerprint()
    reference = {"name": "convention", "source": "us", "conv": "conv > batch_norm > relu > max_pool > dropout"}
    assert re.fullmatch("[0-9a-f]{16}", same)
    assert fingerprint(references=[reference], description="another text", network="cnn") == same
    assert load(ONE, "another_name").fingerprint() == same
    others = [
        fingerprint(nuisance={"lr": [0.001]}),
        fingerprint(roles={"other": CONV}),
        with_conv(activation=["relu"]),
        with_conv(activation=CONV["activation"][::-1]),
        with_conv(dropout_rate=[0.2, 0, 0.4]),
        with_conv(norm_placement=["none", "first"]),
        fingerprint(nuisance={**ONE["nuisance"], "batch_size": [16]}),
    ]
    assert len({same, *others}) == 1 + len(others)


# Listed orders, references


def test_listed_orders_keep_their_rates(spaces: Mapping[str, SearchSpace]) -> None:
    specs = list(map(str, spaces["residual"].roles["residual"].specs))
    assert specs == [RESIDUAL["orders"][0], RESIDUAL["orders"][1], "conv > batch_norm > relu"]
    assert spaces["residual"].n_points == 3


def test_listed_orders_take_the_rates_of_the_space(spaces: Mapping[str, SearchSpace]) -> None:
    space = spaces["rated"]
    assert (space.n_points, space.n_specs) == (6, 4)
    rates = {op["p"] for spec in space.roles["residual"].specs for op in spec if op.role is Role.DROPOUT}
    assert rates == {0.1, 0.4}
    trial = FirstChoices({"residual.order": RESIDUAL["orders"][1]})
    space.suggest(trial)
    assert set(trial.asked) == {"residual.order"}


def test_reference_without_a_rate_takes_the_first_of_the_space(load: Load) -> None:
    def reference(order: str) -> str:
        item = {"name": "mine", "source": "me", "conv": order}
        (found,) = load({**ONE, "references": [item]}).references()
        assert (found.name, found.source, found.claim) == ("mine", "me", "")
        return str(found.blocks["conv"])

    assert reference("Conv2D -> ReLU -> MaxPooling2D -> Dropout") == "conv > relu > max_pool > dropout", "0.5 is there"
    assert reference("conv > relu > max_pool > dropout(p=0.0)").endswith("dropout(p=0.0)")
    assert reference("conv > relu > max_pool") == "conv > relu > max_pool"


def test_a_space_that_spans_too_many_points_is_refused_quickly(load: Load) -> None:
    many = [f"elu(alpha={n})" for n in range(1, 1001)]
    role = {"order": ["weight > activation > dropout"], "weight": ["conv"], "activation": many, "dropout": ["dropout"]}
    rates = [n / 1000 for n in range(300)]
    with pytest.raises(SpaceError, match=r"roles\.conv: got 300000, but the choices of a role span at most 200000"):
        load({"roles": {"conv": {**role, "dropout_rate": rates}}})


def test_a_role_cannot_be_called_as_a_reference_key_is(load: Load) -> None:
    with pytest.raises(SpaceError, match=r"roles\.source: got 'source', but a role has another name"):
        load({"roles": {"source": {"order": ["weight"], "weight": ["conv"]}}})


def test_default_nuisance_is_the_middle_choice(spaces: Mapping[str, SearchSpace]) -> None:
    assert spaces["one"].nuisance == {"lr": (0.001, 0.003, 0.01)}
    assert spaces["one"].default_nuisance() == {"lr": 0.003}
    assert list(spaces["residual"].default_nuisance()) == ["lr"]


def test_batch_size_is_a_nuisance_beside_the_learning_rate(spaces: Mapping[str, SearchSpace], load: Load) -> None:
    assert spaces["placed"].default_nuisance() == {"lr": 0.003, "batch_size": 64}
    assert load({**ONE, "nuisance": {"batch_size": [8, 16]}}).nuisance == {"lr": (0.003,), "batch_size": (8, 16)}
    sizes = {params["batch_size"] for params in spaces["placed"].settings()}
    assert sizes == {16, 64}
    assert all(isinstance(size, int) for size in sizes)


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("cnn", {"name": "cnn"}),
        ("mine.networks:build", {"name": "mine.networks:build"}),
        ({"name": "cnn", "depth": 2, "stem": True}, {"name": "cnn", "depth": 2, "stem": True}),
        (None, {}),
    ],
)
def test_a_space_names_its_network(load: Load, written: object, network: dict[str, object]) -> None:
    assert load({**ONE, "network": written}).network == network


def test_a_reference_may_leave_its_source_to_the_catalogue(load: Load) -> None:
    order = {"conv": "conv > relu > max_pool"}
    (found,) = load({**ONE, "references": [{"name": "neither", **order}]}).references()
    known = CATALOGUE["neither"]
    assert (found.source, found.claim) == (known.source, known.claim)
    (found,) = load({**ONE, "references": [{"name": "neither", "claim": "Mine.", **order}]}).references()
    assert (found.source, found.claim) == (known.source, "Mine.")
    (found,) = load({**ONE, "references": [{"name": "neither", "source": "me", **order}]}).references()
    assert (found.source, found.claim) == ("me", "")


def test_learning_rate_may_be_written_with_an_exponent(load: Load) -> None:
    space = load("roles:\n  dense: {order: [weight], weight: [linear]}\nnuisance: {lr: [1e-3, 3E-3]}\n")
    assert space.nuisance == {"lr": (0.001, 0.003)}


# What a file can get wrong

LEFT_OUT = object()
FILE_ERRORS: list[tuple[str, object, str]] = [
    ("roles.conv.dropout_rate.2", 1.2, "roles.conv.dropout_rate[2]: got 1.2, but a rate lies in [0, 1)."),
    ("roles.conv.dropout_rate.0", -0.1, "roles.conv.dropout_rate[0]: got -0.1, but a rate lies in [0, 1)."),
    ("roles.conv.dropout_rate.0", True, "roles.conv.dropout_rate[0]: got True, but a rate lies in [0, 1)."),
    ("roles.conv.dropout_rate.0", "many", "roles.conv.dropout_rate[0]: got 'many', but a rate lies in [0, 1)."),
    ("roles.conv.dropout_rate.0", math.nan, "roles.conv.dropout_rate[0]: got nan, but a rate lies in [0, 1)."),
    (
        "roles.conv.dropout_rate",
        0.5,
        "roles.conv.dropout_rate: got 0.5, but a list of at least one choice stands here.",
    ),
    ("roles.conv.dropout_rate", [], "roles.conv.dropout_rate: got [], but a list of at least one choice stands here."),
    ("roles.conv.dropout_rate", [0.1, 0.1], "roles.conv.dropout_rate[1]: got 0.1, but every choice stands once."),
    ("roles.conv.dropout_rate", [0, 0.0], "roles.conv.dropout_rate[1]: got 0.0, but every choice stands once."),
    (
        "roles.conv.dropout_rate",
        LEFT_OUT,
        "roles.conv.dropout_rate: got None, but the order has a dropout, so its rates stand here.",
    ),
    ("nuisance.lr.1", 0, "nuisance.lr[1]: got 0, but a learning rate is greater than 0."),
    ("nuisance.lr.1", math.inf, "nuisance.lr[1]: got inf, but a learning rate is greater than 0."),
    ("nuisance", {"learning_rate": [0.1]}, "nuisance: no key is named 'learning_rate'. Known: batch_size, lr."),
    (
        "nuisance.batch_size",
        [1],
        "nuisance.batch_size[0]: got 1, but a batch size is a whole number from 2 to 1000000.",
    ),
    ("nuisance.batch_size", [16, 32.0], "nuisance.batch_size[1]: got 32.0, but a batch size is a whole number from 2 "),
    ("nuisance.batch_size", [True], "nuisance.batch_size[0]: got True, but a batch size is a whole number from 2 to "),
    ("nuisance.batch_size", [16, 16], "nuisance.batch_size[1]: got 16, but every choice stands once."),
    ("network", 3, "network: got 3, but a mapping stands here."),
    ("network", " ", "network: got ' ', but text stands here."),
    ("network", {"depth": 2}, "network.name: got None, but text stands here."),
    (
        "network",
        {"name": "cnn", "width": 1.5},
        "network.width: got 1.5, but an option of a network is a whole number, ",
    ),
    (
        "network",
        {"name": "cnn", "stem": "yes"},
        "network.stem: got 'yes', but an option of a network is a whole number",
    ),
    ("roles", LEFT_OUT, "roles: got None, but a mapping stands here."),
    ("roles", {}, "roles: got {}, but a mapping stands here."),
    ("roles.conv", ["conv"], "roles.conv: got ['conv'], but a mapping stands here."),
    ("roles.a/b", DENSE, "roles: got 'a/b', but a key is a plain name."),
    ("rolse", {}, "no key is named 'rolse'. Did you mean 'roles'? Known: description, dropout_placement, network, "),
    (
        "roles.conv.dropot_rate",
        [0.1],
        "roles.conv: no key is named 'dropot_rate'. Did you mean 'dropout_rate'? Known: ",
    ),
    ("version", 2, "version: got 2, but this version of ordersearch reads version 1."),
    (
        "roles.conv.order.1",
        "weight > pool",
        "roles.conv.order[1]: got 'weight > pool', but an order names the parts of ",
    ),
    ("roles.conv.order.0", "activation > pool", "roles.conv.order[0]: got 'activation > pool', but an order names "),
    (
        "roles.conv.order.0",
        3,
        "roles.conv.order[0]: got 3, but an order names the parts of the first one, weight among ",
    ),
    (
        "roles.conv.order",
        ["weight > pool > pool"],
        "roles.conv.order[0]: got 'weight > pool > pool', but an order names ",
    ),
    ("roles.conv.order", ["weight > relu"], "roles.conv.order[0]: got 'weight > relu', but an order names the parts "),
    ("roles.conv.order", LEFT_OUT, "roles.conv.order: got None, but a list of at least one choice stands here."),
    (
        "roles.conv.norm_placement.1",
        "last",
        "roles.conv.norm_placement[1]: got 'last', but a placement is one of none, first, after_weight, "
        "after_activation, after_pool, after_dropout.",
    ),
    ("roles.conv.norm", LEFT_OUT, "roles.conv.norm: got None, but the order has a norm, so its choices stand here."),
    ("roles.conv.pool", LEFT_OUT, "roles.conv.pool: got None, but the order has a pool, so its choices stand here."),
    ("roles.conv.pool.0", "relu", "roles.conv.pool[0]: got 'relu', but a choice here is one pool op."),
    (
        "roles.conv.pool.0",
        "max_pool > relu",
        "roles.conv.pool[0]: got 'max_pool > relu', but a choice here is one pool ",
    ),
    ("roles.conv.weight.0", "none", "roles.conv.weight[0]: No op is named 'none'."),
    (
        "roles.conv.activation.1",
        "rleu",
        "roles.conv.activation[1]: No op is named 'rleu'. Did you mean 'relu'? Known: ",
    ),
    (
        "roles.conv.activation.0",
        7,
        "roles.conv.activation[0]: got 7, but a choice is an op written as text (or 'none').",
    ),
    (
        "roles.conv.pool.0",
        "max_pool(kernel=0)",
        "roles.conv.pool[0]: Block 'max_pool(kernel=0)', op 1: max_pool(kernel=...): got 0, but kernel is an integer ",
    ),
    ("roles.conv.weight", ["linear"], "roles.conv: Block 'linear > relu > max_pool': op 3 (max_pool) works on maps "),
    ("roles.dense", {**DENSE, "pool": ["max_pool"]}, "roles.dense.pool: got ['max_pool'], but the order has no pool, "),
    (
        "roles.dense",
        {**DENSE, "dropout_rate": [0.1]},
        "roles.dense.dropout_rate: got [0.1], but the order has no dropout",
    ),
    (
        "roles.res",
        {"orders": ["conv > rleu"]},
        "roles.res.orders[0]: No op is named 'rleu'. Did you mean 'relu'? Known: ",
    ),
    ("roles.res", {"orders": ["conv", "relu"]}, "roles.res.orders[1]: Block 'relu' has no weight, but a block has at "),
    (
        "roles.res",
        {"orders": ["conv", 3]},
        "roles.res.orders[1]: A block is written as text such as 'conv > batch_norm ",
    ),
    ("roles.res", {"orders": ["conv", "conv"]}, "roles.res.orders[1]: got 'conv', but every choice stands once."),
    (
        "roles.res",
        {"orders": ["conv"], "pool": ["max_pool"]},
        "roles.res.pool: got ['max_pool'], but a list of whole orders leaves nothing else to choose.",
    ),
    ("references", {"name": "x"}, "references: got {'name': 'x'}, but a list of at least one choice stands here."),
    (
        "references",
        [{"name": "convntion", "conv": "conv > relu > max_pool"}],
        "references[0].source: got None, but text stands here unless the catalogue has the name (did you mean "
        "'convention'?).",
    ),
    ("references", [{"source": "y", "conv": "conv"}], "references[0].name: got None, but text stands here."),
    (
        "references",
        [{"name": "x", "source": "y", "claim": 3, "conv": "conv > relu > max_pool"}],
        "references[0].claim: got 3, but text stands here.",
    ),
    ("references", [{"name": "x", "source": "y"}], "references[0].conv: got None, but text stands here."),
    (
        "references",
        [{"name": "x", "source": "y", "conv": "conv > gelu"}],
        "references[0].conv: Block 'conv > gelu' is none of the ",
    ),
    (
        "references",
        [{"name": "x", "source": "y", "conv": "conv > rleu"}],
        "references[0].conv: No op is named 'rleu'. Did you mean 'relu'? Known: ",
    ),
    (
        "references",
        [{"name": "x", "source": "y", "conf": "conv", "conv": "conv"}],
        "references[0]: no key is named 'conf'. Did you mean 'conv'? Known: claim, conv, name, source.",
    ),
]


def edited(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    whole = copy.deepcopy(content)
    *parents, last = path.split(".")
    inner: Any = whole
    for key in parents:
        inner = inner[key]
    if value is LEFT_OUT:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value", "message"),
    FILE_ERRORS,
    ids=[f"{p}={'absent' if v is LEFT_OUT else repr(v):.30}" for p, v, _ in FILE_ERRORS],
)
def test_file_errors_name_file_path_value_and_condition(
    load: Load, tmp_path: Path, path: str, value: object, message: str
) -> None:
    with pytest.raises(SpaceError, match="^" + re.escape(f"{tmp_path / 'mine.yaml'}: {message}")) as caught:
        load(edited(ONE, path, value))
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got None, but a mapping stands here."),
        ("- a", "got ['a'], but a mapping stands here."),
        ("roles: {a: {}, a: {}}", "line 1, column 16: the key 'a' stands here twice. Only plain YAML is read."),
        ("roles: *a", "line 1, column 8: an alias (*name) is not read here. Only plain YAML is read."),
        ("roles: [", "line 2, column 1: did not find expected node content. Only plain YAML is read."),
        ("3: 4", "got 3, but a key is a plain name."),
    ],
)
def test_file_that_is_no_space(load: Load, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpaceError, match="^" + re.escape(f"{tmp_path / 'mine.yaml'}: {message}") + "$"):
        load(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.sampled_from([*"ab", "conv", "relu", "weight"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["lr", "conv", "name"]), inner, max_size=3)
    ),
    max_leaves=5,
)
PATHS = ["version", "description", "roles", "nuisance", "nuisance.lr", "nuisance.lr.0", "references", "roles.conv"]
PATHS += ["network", "dropout_placement", "nuisance.batch_size"]
PATHS += [f"roles.conv.{key}" for key in (*CONV, "orders")] + [f"roles.conv.{key}.0" for key in CONV]


@settings(max_examples=150)
@given(edits=st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=1))
def test_wrong_values_give_our_error_alone(
    edits: list[tuple[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "wrong.yaml"
    path.write_text(yaml.safe_dump(edited(ONE, *edits[0])))
    try:
        space = SearchSpace.load(path)
    except SpaceError:
        return
    assert space.n_points >= space.n_specs >= space.n_classes >= 1
