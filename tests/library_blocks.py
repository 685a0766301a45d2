"""Blocks that were written in a library's terms, run and held against our own."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import pytest
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch import Tensor, nn

from ordersearch import build_block
from ordersearch.errors import ShapeError
from ordersearch.export.format import find_format, reason_against
from ordersearch.ops import Role
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from tests.strategies import op_specs

INS, OUTS = 6, 10
# Maps stay as large as any pool of ``blocks``: AvgPool3d looks at them without their padding.
SIZES = {0: (), 1: (13,), 2: (12, 12), 3: (9, 9, 9)}


def need(module: str) -> Any:
    """A library's module, or skips the test that needs it with the error as the reason."""
    found = _imported(module)
    if isinstance(found, Exception):
        pytest.skip(f"{module} does not import here: {type(found).__name__}: {found}")
    return found


@cache
def _imported(module: str) -> ModuleType | Exception:
    # Old calls to torch.jit and the like, which are not ours to change.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(module)
        # A library that is built for another torch raises whatever it meets first.
        except Exception as error:  # noqa: BLE001
            return error


@cache
def orders(role: str) -> tuple[BlockSpec, ...]:
    """Every order of the space of this name, rates at their default."""
    return tuple(spec for members in SearchSpace.load(role).orders().values() for spec in members)


@cache
def expressible(to: str) -> tuple[BlockSpec, ...]:
    """The orders of the conv and dense spaces that a format expresses."""
    return tuple(spec for spec in (*orders("conv"), *orders("dense")) if not reason_against(spec, find_format(to), 2))


def source(spec: BlockSpec, to: str, dims: int = 2) -> str:
    """The source of a block."""
    return find_format(to).write({"role": spec}, dims, [])


def defined(text: str) -> dict[str, Any]:
    """What a source defines."""
    names: dict[str, Any] = {}
    exec(compile(text, "export", "exec"), names)
    return names


def made(spec: BlockSpec, to: str, dims: int = 2, **options: int) -> nn.Module:
    """The module that the source of a block makes."""
    return cast(nn.Module, defined(source(spec, to, dims))["role_block"](INS, OUTS, **options))


class Recorded(nn.Module):
    """A library's block that is known by its arguments alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.kwargs = kwargs

    def arguments(self, **renamed: str) -> dict[str, Any]:
        """Those that the place does not give, under other names; ``""`` leaves one out."""
        place = dict.fromkeys(("in_channels", "out_channels", "strides", "stride"), "")
        names = {key: {**place, **renamed}.get(key, key) for key in self.kwargs}
        return {names[key]: value for key, value in self.kwargs.items() if names[key]}


def recorded(spec: BlockSpec, to: str, *names: str) -> tuple[list[nn.Module], BlockSpec]:
    """The library's block that a source makes, recorded, with its weight where that stands apart; and what it holds."""
    kept = [line for line in source(spec, to).splitlines() if not re.match(r"from (?!torch\b|functools)", line)]
    found: dict[str, Any] = {name: type(name, (Recorded,), {}) for name in names}
    exec(compile("\n".join(kept), "export", "exec"), found)
    module = found["role_block"](INS, OUTS)
    layers = list(module) if type(module) is nn.Sequential else [module]
    own = [index for index, layer in enumerate(layers) if isinstance(layer, Recorded | nn.Linear)]
    behind = len(layers) - own[-1] - 1
    return layers[own[0] : own[-1] + 1], BlockSpec(spec.ops[own[0] : len(spec) - behind])


def check_written(spec: BlockSpec, to: str, dims: int = 2, *, tolerance: float = 0, **options: Any) -> None:
    """The module that the source of a block makes equals ours."""
    block = build_block(spec, INS, OUTS, dims=dims, **options)
    check_equal(block, made(spec, to, dims, **options), dims if spec.on_maps else 0, tolerance=tolerance)


def check_equal(ours: nn.Module, theirs: nn.Module, dims: int, *, tolerance: float = 0) -> None:
    """Both are one function in evaluation, and one in training where both draw the same random numbers."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((5, INS, *SIZES[dims]), generator=generator)
    mine, its = _run(ours, x), _run(theirs, x)
    _copy(_owners(mine), _owners(its))
    with torch.no_grad():
        _require_close("evaluation", theirs.eval()(x.clone()), ours.eval()(x.clone()), tolerance)
    expected, found = _trained(ours, _owners(mine), x), _trained(theirs, _owners(its), x)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        _require_close(name, found[name], value, tolerance)
    assert _dropouts(mine) == _dropouts(its)


def _require_close(name: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    # torch.testing.assert_close imports SymPy and all of torch.distributed, which takes two seconds.
    assert found.shape == expected.shape, name
    is_close = torch.allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert is_close, f"{name}: up to {(found - expected).abs().max()} apart"


def _run(module: nn.Module, x: Tensor) -> list[nn.Module]:
    """The layers in the order in which they start to run; each once."""
    seen: dict[nn.Module, None] = {}
    hooks = [layer.register_forward_pre_hook(lambda own, _: seen.setdefault(own)) for layer in module.modules()]
    with torch.no_grad():
        module.eval()(x.clone())
    for hook in hooks:
        hook.remove()
    return list(seen)


def _owners(layers: Iterable[nn.Module]) -> list[nn.Module]:
    return [layer for layer in layers if layer._parameters or layer._buffers]


def _dropouts(layers: Iterable[nn.Module]) -> list[tuple[str, float]]:
    found = [layer for layer in layers if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0]
    # Dropout2d draws for volumes as Dropout3d does.
    return [(re.sub(r"[23]d$", "", type(layer).__name__), layer.p) for layer in found]


def _copy(ours: list[nn.Module], theirs: list[nn.Module]) -> None:
    """Parameters and running statistics, drawn anew, layer by layer."""
    assert len(ours) == len(theirs)
    generator = torch.Generator().manual_seed(1)
    for own, other in zip(ours, theirs, strict=True):
        for name, value in own.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + (0.5 if "var" in name else -0.3))
        values = {name: value for name, value in own.state_dict().items() if "." not in name}
        assert {name: value.shape for name, value in values.items()} == {
            name: value.shape for name, value in other.state_dict().items() if "." not in name
        }
        other.load_state_dict(values, strict=False)


def _trained(module: nn.Module, owners: list[nn.Module], x: Tensor) -> dict[str, Tensor]:
    """Output and gradients of one step, and the running statistics behind it."""
    x = x.clone().requires_grad_()
    torch.manual_seed(2)
    # Not the leaf itself: what works in place shall be caught by its values, not by an error of autograd.
    y = module.train()(x * 1)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    found = {"output": y.detach(), "input": cast(Tensor, x.grad)}
    for number, layer in enumerate(owners):
        gradients = {name: cast(Tensor, value.grad) for name, value in layer.named_parameters(recurse=False)}
        statistics = dict(layer.named_buffers(recurse=False))
        found |= {f"{number} {name}": value for name, value in {**gradients, **statistics}.items()}
    return found


def check_drawn(spec: BlockSpec, to: str, dims: int, *, note: Callable[[str], None], tolerance: float = 0) -> None:
    """A drawn block is refused with a reason, or written exactly."""
    reason = reason_against(spec, find_format(to), dims)
    note(reason or "written")
    if reason:
        assert reason[0] != " "
        assert not reason.endswith(".")
        return
    try:
        build_block(spec, INS, OUTS, dims=dims).output_sizes(SIZES[dims])
    except ShapeError:
        return
    check_written(spec, to, dims, tolerance=tolerance)


@st.composite
def blocks(draw: DrawFn, *, on_maps: bool = True) -> BlockSpec:
    """Blocks of one weight, at most one norm and activation, a pool and up to two dropouts, in any order."""
    ops = [draw(op_specs(Role.WEIGHT, on_maps=on_maps))]
    if on_maps and draw(st.booleans()):
        ops = [ops[0].replace(groups=2, kernel=draw(st.integers(1, 5)))]
    for role, most in ((Role.NORM, 1), (Role.ACTIVATION, 1), (Role.DROPOUT, 2), (Role.POOL, on_maps)):
        ops += draw(st.lists(op_specs(role, on_maps=on_maps), max_size=most))
    return BlockSpec(draw(st.permutations(ops)))
