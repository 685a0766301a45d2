from __future__ import annotations

import inspect
import pickle
import re
from collections import Counter
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given

from ordersearch.errors import SpecError, UnknownNameError
from ordersearch.ops import OpKind, OpSpec, Role, Trait, fold, op_kind, op_names
from ordersearch.ops.plugins import FITTING, FROM_PLACE
from ordersearch.ops.table import BUILTIN_OPS
from tests.strategies import op_specs

ROWS = list(BUILTIN_OPS.values())
PARAMS = [(row, param) for row in ROWS for param in row.params]
TARGETS = sorted(
    {
        (call.target.format(dims=dims), tuple(call.arguments))
        for row in ROWS
        for call in (row.on_maps, row.on_features)
        if call
        for dims in (1, 2, 3)
    }
)


def names(row: OpKind) -> set[str]:
    return {fold(name) for name in (row.name, *row.aliases)}


ISSUE_2 = {
    Role.WEIGHT: {"conv", "linear"},
    Role.NORM: {"batch_norm", "group_norm", "layer_norm"},
    Role.ACTIVATION: {"relu", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "gelu", "silu", "mish"},
    Role.DROPOUT: {"dropout", "spatial_dropout", "alpha_dropout", "feature_alpha_dropout"},
    Role.POOL: {"max_pool", "avg_pool"},
    Role.MERGE: {"add"},
}


def test_table_has_every_op_of_the_issue() -> None:
    for role, wanted in ISSUE_2.items():
        assert wanted <= {name for name in op_names() if op_kind(name).role is role}


def test_no_name_means_two_ops() -> None:
    counts = Counter(name for row in ROWS for name in names(row))
    assert [name for name, count in counts.items() if count > 1] == []


def test_aliases_are_folded_so_that_they_can_be_found() -> None:
    assert [alias for row in ROWS for alias in row.aliases if alias != fold(alias)] == []
    assert {alias: op_kind(alias).name for row in ROWS for alias in row.aliases} == {
        alias: row.name for row in ROWS for alias in row.aliases
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_is_whole(row: OpKind) -> None:
    assert row.summary
    assert not row.summary.endswith(".")
    assert row.role is Role.MERGE or row.on_maps or row.on_features
    param_names = [name for param in row.params for name in (param.name, *param.aliases)]
    assert len(param_names) == len(set(param_names))
    assert {*row.torch_positional, *row.keras_positional} <= {*param_names, "_", "stride"}
    assert set(row.conditions) <= row.traits
    assert all(row.role in FITTING[trait] for trait in row.traits)
    assert str(OpSpec(row.name)) == row.name


@pytest.mark.parametrize(("row", "param"), PARAMS, ids=lambda value: value.name)
def test_default_is_accepted_and_nonsense_is_not(row: OpKind, param: Any) -> None:
    assert param.accepts(param.default)
    for nonsense in ("nonsense", -7.5e300, float("nan"), float("inf")):
        if param.name not in ("negative_slope", "init") or nonsense != -7.5e300:
            message = re.escape(f"{row.name}({param.name}=...): got {nonsense!r}, but {param.holds}.")
            with pytest.raises(SpecError, match=f"^{message}$"):
                OpSpec(row.name, **{param.name: nonsense})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_calls_take_what_the_op_and_its_place_give(row: OpKind) -> None:
    given_names = {param.name for param in row.params} | FROM_PLACE | {"n_groups"}
    for call in (row.on_maps, row.on_features):
        values = map(str, (call.arguments if call else {}).values())
        taken = {value[1:] for value in values if value.startswith("$")}
        assert taken <= given_names
    used = {str(value) for call in (row.on_maps, row.on_features) if call for value in call.arguments.values()}
    assert {f"${param.name}" for param in row.params} - used <= {"$groups"}, "a parameter changes no layer"


@pytest.mark.parametrize(("target", "keywords"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
def test_constructor_exists_with_these_keywords(target: str, keywords: tuple[str, ...]) -> None:
    module, _, name = target.rpartition(".")
    constructor = getattr(import_module(module), name)
    assert set(keywords) <= set(inspect.signature(constructor).parameters)


@pytest.mark.parametrize("row", [row for row in ROWS if row.torch_positional], ids=lambda row: row.name)
def test_positional_arguments_are_those_of_torch(row: OpKind) -> None:
    call = row.on_features if row.name == "layer_norm" else row.on_maps or row.on_features
    assert call is not None
    module, _, name = call.target.format(dims=2).rpartition(".")
    places = list(inspect.signature(getattr(import_module(module), name)).parameters)
    for place, param in zip(places, row.torch_positional, strict=False):
        if param not in ("_", "stride"):
            assert row.param(place) is row.param(param)


@pytest.mark.parametrize(
    ("pasted", "name"),
    {
        "Conv2D": "conv",
        "nn.Conv3d": "conv",
        "Convolution1D": "conv",
        "torch.nn.Linear": "linear",
        "layers.Dense": "linear",
        "FC": "linear",
        "BatchNormalization": "batch_norm",
        "nn.BatchNorm2d": "batch_norm",
        "Batch Norm": "batch_norm",
        "batch-norm": "batch_norm",
        "BN": "batch_norm",
        "GroupNorm": "group_norm",
        "LayerNormalization": "layer_norm",
        "ReLU": "relu",
        "LeakyReLU": "leaky_relu",
        "SiLU": "silu",
        "swish": "silu",
        "MaxPooling2D": "max_pool",
        "nn.MaxPool1d": "max_pool",
        "AveragePooling3D": "avg_pool",
        "Dropout": "dropout",
        "nn.Dropout1d": "spatial_dropout",
        "nn.Dropout2d": "spatial_dropout",
        "nn.Dropout3d": "spatial_dropout",
        "SpatialDropout2D": "spatial_dropout",
        "AlphaDropout": "alpha_dropout",
        "nn.FeatureAlphaDropout": "feature_alpha_dropout",
        "shortcut": "add",
    }.items(),
)
def test_names_that_people_paste(pasted: str, name: str) -> None:
    assert op_kind(pasted).name == name


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("rleu", "relu"),
        ("batchnrm", "batch_norm"),
        ("MaxPoool2d", "max_pool"),
        ("dropuot", "dropout"),
        ("fcc", "linear"),
    ],
)
def test_unknown_op_gives_the_nearest_by_name_or_alias(name: str, close: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"^No op is named '{name}'\. Did you mean '{close}'\? Known: add,"):
        OpSpec(name)


def test_unknown_parameter_and_broken_bound_say_what_holds() -> None:
    with pytest.raises(SpecError, match=r"^Op 'dropout' has no parameter 'q'\. It has: p\.$"):
        OpSpec("dropout", q=0.1)
    with pytest.raises(SpecError, match=r"^Op 'relu' has no parameter 'p'\. It has: none\.$"):
        OpSpec("relu", p=0.1)
    for rate in (1, 1.2, -0.1, True, "0.1", None):
        with pytest.raises(SpecError, match=rf"^dropout\(p=\.\.\.\): got {rate!r}, but a rate lies in \[0, 1\)\.$"):
            OpSpec("dropout", p=rate)
    with pytest.raises(SpecError, match=r"^conv is given 'kernel' twice\.$"):
        OpSpec("conv", kernel=3, kernel_size=5)


@given(op_specs())
def test_op_is_a_value(op: OpSpec) -> None:
    again = OpSpec(op.name, **op.params)
    assert again == op
    assert hash(again) == hash(op)
    assert pickle.loads(pickle.dumps(op)) == op
    assert op.replace() == op
    assert op != str(op)
    assert op.traits <= op.kind.traits


def test_one_value_is_written_in_one_way() -> None:
    assert str(OpSpec("elu", alpha=2)) == str(OpSpec("elu", alpha=2.0)) == "elu(alpha=2.0)"
    assert str(OpSpec("dropout", p=-0.0)) == "dropout(p=0.0)"
    assert str(OpSpec("dropout", rate=0.5)) == "dropout"


def test_op_is_immutable_and_replaced_by_name_or_alias() -> None:
    op = OpSpec("dropout", p=0.1)
    with pytest.raises(AttributeError, match=r"immutable; take dropout\.replace\(p=\.\.\.\)"):
        op.p = 0.2
    with pytest.raises(TypeError, match="does not support item assignment"):
        op.params["p"] = 0.2  # type: ignore[index]
    assert str(op.replace(p=0.3)) == str(op.replace(rate=0.3)) == "dropout(p=0.3)"
    assert str(op) == "dropout(p=0.1)"
    with pytest.raises(SpecError, match=r"got 3, but a rate lies"):
        op.replace(p=3)


@pytest.mark.parametrize("text", ["dropout(p=0)", "max_pool(kernel=1)", "avg_pool(kernel=1)", "spatial_dropout(p=0)"])
def test_ops_that_do_nothing_are_known(text: str) -> None:
    name, _, rest = text.rstrip(")").partition("(")
    key, _, value = rest.partition("=")
    assert OpSpec(name, **{key: int(value)}).is_identity
    assert not OpSpec(name).is_identity


def test_traits_follow_the_parameters() -> None:
    assert Trait.MONOTONE in OpSpec("leaky_relu").traits
    assert Trait.MONOTONE not in OpSpec("leaky_relu", negative_slope=-0.1).traits
    assert Trait.POINTWISE in OpSpec("conv", kernel=1).traits
    assert Trait.POINTWISE not in OpSpec("conv", kernel=3).traits
    assert Trait.KEEPS_CONSTANTS not in OpSpec("avg_pool", padding=1).traits
