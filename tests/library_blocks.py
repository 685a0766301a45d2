"""Blocks that were written in a library's terms, run and held against our own."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch import Tensor, nn
from torch.testing import assert_close

from ordersearch import build_block
from ordersearch.errors import ShapeError
from ordersearch.export.format import find_format, reason_against
from ordersearch.ops import Role
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from tests.strategies import op_specs

INS, OUTS = 6, 10
SIZES = {0: (), 1: (13,), 2: (12, 12), 3: (9, 9, 9)}


def need(module: str) -> Any:
    """A library's module, or skips the tests that need it with the error as the reason."""
    # Old calls to torch.jit and the like, which are not ours to change.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(module)
        # A library that is built for another torch raises whatever it meets first.
        except Exception as error:  # noqa: BLE001
            pytest.skip(f"{module} does not import here: {type(error).__name__}: {error}")


@cache
def orders(role: str) -> tuple[BlockSpec, ...]:
    """Every order of the space of this name, rates at their default."""
    return tuple(spec for members in SearchSpace.load(role).orders().values() for spec in members)


def expressible(to: str, dims: int = 2) -> list[BlockSpec]:
    """The orders of the conv and dense spaces that a format expresses."""
    return [
        spec for role in ("conv", "dense") for spec in orders(role) if not reason_against(spec, find_format(to), dims)
    ]


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


def check_source(to: str, specs: Sequence[BlockSpec], folder: Path, dims: int = 2) -> None:
    """What is written is as ruff would format it, and passes its checks."""
    for number, spec in enumerate(specs):
        (folder / f"block{number}.py").write_text(source(spec, to, dims))
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(folder)]
        ran = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


def check_equal(ours: nn.Module, theirs: nn.Module, dims: int, *, tolerance: float = 0) -> None:
    """Both are one function in evaluation, and one in training where both draw the same random numbers."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((5, INS, *SIZES[dims]), generator=generator)
    _copy(ours, theirs, x)
    with torch.no_grad():
        assert_close(theirs.eval()(x.clone()), ours.eval()(x.clone()), rtol=tolerance, atol=tolerance)
    mine, its = (_trained(module.train(), x) for module in (ours, theirs))
    assert mine.keys() == its.keys()
    for name, value in mine.items():
        assert_close(its[name], value, rtol=tolerance, atol=tolerance)
    assert _dropouts(ours, x) == _dropouts(theirs, x)


def _copy(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """Parameters and running statistics, drawn anew, layer by layer in the order in which they are run."""
    mine, its = _owners(ours, x), _owners(theirs, x)
    assert len(mine) == len(its)
    generator = torch.Generator().manual_seed(1)
    for own, other in zip(mine, its, strict=True):
        for name, value in own.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + (0.5 if "var" in name else -0.3))
        values = {name: value for name, value in own.state_dict().items() if "." not in name}
        assert {name: value.shape for name, value in values.items()} == {
            name: value.shape for name, value in other.state_dict().items() if "." not in name
        }
        other.load_state_dict(values, strict=False)


def _owners(module: nn.Module, x: Tensor) -> list[nn.Module]:
    return [layer for layer in _run(module, x) if layer._parameters or layer._buffers]


def _run(module: nn.Module, x: Tensor) -> list[nn.Module]:
    """The layers in the order in which they start to run; each once."""
    seen: dict[nn.Module, None] = {}
    hooks = [layer.register_forward_pre_hook(lambda own, _: seen.setdefault(own)) for layer in module.modules()]
    with torch.no_grad():
        module.eval()(x.clone())
    for hook in hooks:
        hook.remove()
    return list(seen)


def _dropouts(module: nn.Module, x: Tensor) -> list[tuple[str, float]]:
    found = [layer for layer in _run(module, x) if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0]
    # Dropout2d draws for volumes as Dropout3d does.
    return [(re.sub(r"[23]d$", "", type(layer).__name__), layer.p) for layer in found]


def _trained(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Output and gradients of one step, and the running statistics behind it."""
    x = x.clone().requires_grad_()
    torch.manual_seed(2)
    # Not the leaf itself: what works in place shall be caught by its values, not by an error of autograd.
    y = module(x * 1)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    found = {"output": y.detach(), "input": cast(Tensor, x.grad)}
    for number, layer in enumerate(_owners(module.train(), x.detach())):
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
    block = build_block(spec, INS, OUTS, dims=dims)
    try:
        block.output_sizes(SIZES[dims])
    except ShapeError:
        return
    check_equal(block, made(spec, to, dims), dims, tolerance=tolerance)


@st.composite
def blocks(draw: DrawFn, *, on_maps: bool = True) -> BlockSpec:
    """Blocks of one weight, at most one norm and activation, a pool and up to two dropouts, in any order."""
    ops = [draw(op_specs(Role.WEIGHT, on_maps=on_maps))]
    if on_maps and draw(st.booleans()):
        ops = [ops[0].replace(groups=2, kernel=draw(st.integers(1, 5)))]
    for role, most in ((Role.NORM, 1), (Role.ACTIVATION, 1), (Role.DROPOUT, 2), (Role.POOL, on_maps)):
        ops += draw(st.lists(op_specs(role, on_maps=on_maps), max_size=most))
    return BlockSpec(draw(st.permutations(ops)))
