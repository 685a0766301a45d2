"""PyTorch source makes the very layers that were trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from ordersearch import SearchSpace, build_block
from ordersearch.errors import ExportError, SpecError
from ordersearch.export import export_blocks
from ordersearch.export.torch_block import BlockClass
from ordersearch.export.torch_layers import DEFAULTS
from ordersearch.ops import Call, OpKind, Param, Role, op_kind
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.spec import BlockSpec
from tests.exported_source import Case, require_same, require_tidy
from tests.library_blocks import defined
from tests.strategies import block_specs

parse = BlockSpec.parse
IN, OUT = 4, 6
SIZES = {0: (), 1: (9,), 2: (8, 8), 3: (5, 5, 5)}
FURTHER = (
    "conv(kernel=5, bias=true) > group_norm(groups=3) > leaky_relu(negative_slope=0.2) > avg_pool",
    "batch_norm > relu > conv > batch_norm > relu > max_pool > dropout > conv > add",
    "conv(groups=2) > layer_norm > elu > conv(dilation=2, bias=false) > prelu(init=0.1) > feature_alpha_dropout(p=0.2)",
    "conv > add > relu > conv > batch_norm > add > gelu(approximate=tanh)",
    "conv(kernel=2, padding=1) > batch_norm(eps=0.001, momentum=0.4, affine=false) > max_pool(stride=1, padding=1)",
    "conv > avg_pool(kernel=3, stride=2, padding=1) > dropout(p=0.3) > batch_norm > alpha_dropout(p=0.1)",
    "conv > avg_pool(kernel=3, stride=1, padding=1, count_include_pad=false) > dropout > batch_norm > spatial_dropout",
)


def cases_of(spec: BlockSpec, role: str, dims: int) -> Iterator[Case]:
    """The block at places that differ in what a place decides."""
    source = export_blocks({role: spec}, "torch", dims=dims)
    name = f"{role.capitalize()}Block"
    there = BlockClass(name, spec, dims).options
    shape = (5, IN, *(SIZES[dims] if spec.on_maps else ()))
    for asked in ({}, {"pool": False}, {"stride": 2, "dropout": False}):
        chosen = {option: value for option, value in asked.items() if option in there}
        if asked and not chosen:
            continue
        out = IN if spec.ops[-1].role is Role.MERGE and not chosen else OUT
        module = build_block(spec, IN, out, dims=dims, **chosen)  # type: ignore[arg-type]
        yield Case(source, name, module, shape, (IN, out), tuple(chosen.items()))


@pytest.mark.slow
def test_every_order_of_a_space_is_what_was_trained_in_a_fresh_interpreter(tmp_path: Path) -> None:
    spaces = {"conv": 2, "dense": 0, "residual": 2}
    asked = [(spec, role, dims) for role, dims in spaces.items() for spec in SearchSpace.load(role).blocks()[role]]
    assert len(asked) == 154 + 34 + 11
    asked += [(parse(text), "conv", dims) for text in FURTHER for dims in (1, 2, 3)]
    require_same([case for one in asked for case in cases_of(*one)], tmp_path)


@pytest.mark.parametrize(
    ("name", "role", "text", "dims"),
    [
        ("torch_block", "conv", "conv > dropout(p=0.1) > batch_norm > relu > max_pool", 2),
        ("torch_residual_block", "residual", "batch_norm > relu > conv > group_norm > relu > max_pool > conv > add", 3),
    ],
)
def test_source_is_the_golden_one(
    name: str, role: str, text: str, dims: int, golden: Callable[[str, str], None]
) -> None:
    evidence = ["Verdict: 'conv > relu' is the best.", "Study: digits-conv (space conv, network cnn)"]
    golden(f"{name}.py.txt", export_blocks({role: parse(text)}, "torch", dims=dims, evidence=evidence))


@settings(max_examples=40)
@example(parse("conv(kernel=4) > batch_norm > max_pool"), 2, False, True)
@given(block_specs(), st.sampled_from([1, 2, 3]), st.booleans(), st.booleans())
def test_any_block_has_the_layers_that_are_built(spec: BlockSpec, dims: int, pool: bool, dropout: bool) -> None:
    try:
        block = build_block(spec, 24, 48, dims=dims, pool=pool, dropout=dropout)
    except SpecError:
        with pytest.raises(ExportError, match=r"cannot be written for torch: .*padding is at most half the kernel"):
            export_blocks({"conv": spec}, "torch", dims=dims)
        return
    options = BlockClass("", spec, dims).options
    given = {key: value for key, value in (("pool", pool), ("dropout", dropout)) if key in options}
    made = defined(export_blocks({"conv": spec}, "torch", dims=dims))["ConvBlock"](24, 48, **given)
    # Block's own name is the first line.
    assert repr(made).splitlines()[1:] == repr(block).splitlines()[1:]


def test_the_file_loads_into_any_width_with_its_groups(tmp_path: Path) -> None:
    made = defined(export_blocks({"conv": parse("conv > group_norm > relu")}, "torch"))["ConvBlock"]
    for width in (1, 6, 7, 8, 20):
        assert made(3, width).group_norm.num_groups == build_block(parse("conv > group_norm"), 3, width)[1].num_groups


@pytest.mark.parametrize("target", [f"{name}{dims}d" for name in DEFAULTS for dims in (1, 2, 3)] + list(DEFAULTS))
def test_what_goes_without_saying_is_what_pytorch_says(target: str) -> None:
    constructor = getattr(nn, target, None)
    if constructor is None:
        assert any(hasattr(nn, target.rstrip("123d") + end) for end in ("", "2d"))
        return
    own = inspect.signature(constructor).parameters
    expected = DEFAULTS[target if target in DEFAULTS else target[:-2]]
    assert {name: own[name].default for name in expected} == dict(expected)


def test_every_role_has_a_class_whose_name_python_takes(tmp_path: Path) -> None:
    dense = parse("linear > relu > dropout(p=0.2)")
    roles = ["dense", "stage end", "stage_end", "1", "", 'a"""\nimport os', "größe", "class"]
    source = export_blocks(dict.fromkeys(roles, dense), "torch")
    names = [name for name in defined(source) if name.endswith("Block") or name[-1] in "0123456789"]
    assert names == [
        "DenseBlock",
        "StageEndBlock",
        "StageEndBlock2",
        "Role1Block",
        "Block",
        "AImportOsBlock",
        "GrEBlock",
        "ClassBlock",
    ]
    (tmp_path / "roles.py").write_text(source, encoding="utf-8")
    require_tidy(tmp_path)


@pytest.fixture
def plugin_op(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an op that comes from elsewhere, whose name and parameter need care in source."""
    kind = OpKind(
        "lambda",
        Role.ACTIVATION,
        "a test's",
        Call("xml.dom.Layer", {"mode": "$mode", "p": "$p"}),
        params=(Param("mode", 'a"b\\', "text", lambda value: True), Param("p", 0.5, "", lambda value: True)),
    )
    monkeypatch.setitem(BUILTIN_OPS, kind.name, kind)
    yield kind.name
    op_kind.cache_clear()


def test_an_op_from_elsewhere_brings_its_module(plugin_op: str) -> None:
    source = export_blocks({"conv": parse(f"conv > {plugin_op} > {plugin_op}")}, "torch")
    assert "\nimport xml.dom\nfrom torch import nn\n" in source
    assert """        self.add_module("lambda", xml.dom.Layer(mode='a"b\\\\', p=0.5))\n""" in source
    assert """        self.lambda_2 = xml.dom.Layer(mode='a"b\\\\', p=0.5)\n""" in source
    compile(source, "exported", "exec")
