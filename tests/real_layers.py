"""What real layers say about swaps and biases: the identities' claims are held against this."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import cast
from zlib import crc32

import torch
from torch import Tensor, nn

from ordersearch.identities import bias_is_redundant, commute
from ordersearch.ops import OpSpec, Role, op_kind, op_names
from ordersearch.spec.notation import read_ops

CHANNELS, SEEDS, TOLERANCE = 6, range(4), 1e-10

VARIANTS = {
    "conv": ["conv", "conv(kernel=1)"],
    "group_norm": ["group_norm(groups=2)"],
    "batch_norm": ["batch_norm(momentum=1)"],
    "dropout": ["dropout", "dropout(p=0.2)"],
    "leaky_relu": ["leaky_relu", "leaky_relu(negative_slope=-0.5)"],
    "max_pool": ["max_pool", "max_pool(kernel=3, stride=2, padding=1)"],
    "avg_pool": [
        "avg_pool",
        "avg_pool(kernel=3, stride=2, padding=1)",
        "avg_pool(kernel=3, stride=2, padding=1, count_include_pad=false)",
    ],
}
"""Parameters that change what an op may be swapped with.

A momentum of 1 shows the running statistics of the last batch; groups of several channels show that a group norm does
not centre each channel.
"""


def variants(dims: int) -> list[OpSpec]:
    """Every op of the table, plugins' included, that has a layer on maps of these dimensions (0: on features)."""
    names = [name for name in op_names() if op_kind(name).role is not Role.MERGE]
    ops = [op for name in names for text in VARIANTS.get(name, [name]) for op in read_ops(text)]
    return [op for op in ops if (op.kind.on_maps if dims else op.kind.on_features)]


class Seeded(nn.Module):
    """A layer that draws the same random numbers at every call, wherever it stands."""

    def __init__(self, layer: nn.Module, seed: int) -> None:
        super().__init__()
        self.layer, self.seed = layer, seed

    def forward(self, x: Tensor) -> Tensor:
        torch.manual_seed(self.seed)
        return cast(Tensor, self.layer(x))


def layer(op: OpSpec, dims: int, seed: int, *, stride: int = 1, bias: bool = True) -> Seeded:
    """The op's layer in float64, its parameters drawn at random (a learnt slope may be negative)."""
    call = op.kind.on_maps if dims else op.kind.on_features
    assert call is not None
    given = {**op.params, "in_channels": CHANNELS, "out_channels": CHANNELS, "channels": CHANNELS, "bias": bias}
    given["n_groups"] = op.params.get("groups", 1)
    if op.role is Role.WEIGHT:
        given["stride"] = stride
        given["padding"] = int(op.params.get("kernel") or 1) // 2
    arguments = {k: given[v[1:]] if isinstance(v, str) and v[:1] == "$" else v for k, v in call.arguments.items()}
    module, _, name = call.target.format(dims=dims).rpartition(".")
    made = cast(nn.Module, getattr(import_module(module), name)(**arguments)).double()
    generator = torch.Generator().manual_seed(crc32(f"{op} {seed}".encode()))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return Seeded(made, crc32(f"{op} {seed}".encode()))


def inputs(dims: int, seed: int) -> Tensor:
    """Values with a standard deviation of 2 to 3: on small ones SiLU and max-pool differ too rarely."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {0: (), 1: (64,), 2: (10, 10), 3: (6, 6, 6)}[dims]
    shape = (16 if dims == 0 else 5, CHANNELS, *sizes)
    return (torch.randn(shape, generator=generator, dtype=torch.float64) * (2 + seed / 4)).requires_grad_()


def answers(layers: Sequence[nn.Module], x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Output and all gradients in training, then the output in evaluation, of layers in a row."""
    model = nn.Sequential(*layers).train()
    y = model(x)
    generator = torch.Generator().manual_seed(1)
    (y * torch.randn(y.shape, generator=generator, dtype=torch.float64)).sum().backward()
    found = {"output": y.detach(), "input gradient": cast(Tensor, x.grad)}
    for name, one in zip(names, layers, strict=True):
        found |= {f"{name} {key} gradient": cast(Tensor, value.grad) for key, value in one.named_parameters()}
    with torch.no_grad():
        found["evaluation"] = model.eval()(x)
    return found


def distance(a: dict[str, Tensor], b: dict[str, Tensor], *, ignoring: str = "?") -> float:
    """The largest difference between two answers; infinite where their shapes differ."""
    keys = [key for key in a if ignoring not in key]
    if any(a[key].shape != b[key].shape for key in keys):
        return float("inf")
    assert all(bool(value.isfinite().all()) for answer in (a, b) for value in answer.values())
    return max(float((a[key] - b[key]).detach().abs().max()) for key in keys)


def swap_distance(a: OpSpec, b: OpSpec, dims: int, seed: int, *, stride: int = 1) -> float:
    """How far ``a > b`` and ``b > a`` are apart, with the same weights and masks."""
    first, second = layer(a, dims, seed, stride=stride), layer(b, dims, seed + 100, stride=stride)
    x = inputs(dims, seed)
    there = answers([first, second], x, ["first", "second"])
    twins = [layer(b, dims, seed + 100, stride=stride), layer(a, dims, seed, stride=stride)]
    return distance(there, answers(twins, inputs(dims, seed), ["second", "first"]))


def pairs(ops: Sequence[OpSpec], wanted: Callable[[OpSpec, OpSpec], bool]) -> Iterator[tuple[OpSpec, OpSpec]]:
    """Each ordered pair of different ops that is wanted."""
    return ((a, b) for a in ops for b in ops if a != b and wanted(a, b))


def swap_contradictions(
    dims: int, wanted: Callable[[OpSpec, OpSpec], bool] = lambda a, b: a.role is not b.role
) -> list[str]:
    """Pairs of neighbours of which the code says that they commute and the layers that they do not, or the reverse."""
    found: list[str] = []
    for a, b in pairs(variants(dims), wanted):
        strides = (1, 2) if dims and Role.WEIGHT in (a.role, b.role) else (1,)
        distances = (swap_distance(a, b, dims, seed, stride=stride) for stride in strides for seed in SEEDS)
        if commute(a, b):
            worst = max(distances)
            if worst > TOLERANCE:
                found.append(f"{a} > {b} commutes, says the code, but the layers differ by {worst:.2g}")
        elif all(d <= 1e-6 for d in distances):
            found.append(f"{a} > {b} does not commute, says the code, but the layers agree")
    return found


def bias_distance(ops: Sequence[OpSpec], dims: int, seed: int) -> float:
    """How far the ops are from the same ones without the first one's bias, with its gradient left out."""
    rest = [layer(op, dims, seed + 1 + index) for index, op in enumerate(ops[1:])]
    biased, plain = layer(ops[0], dims, seed), layer(ops[0], dims, seed, bias=False)
    plain.layer.load_state_dict({k: v for k, v in biased.layer.state_dict().items() if k != "bias"})
    names = [str(index) for index in range(len(ops))]
    a = answers([biased, *copy.deepcopy(rest)], inputs(dims, seed), names)
    b = answers([plain, *rest], inputs(dims, seed), names)
    gradient = float(a["0 layer.bias gradient"].detach().abs().max())
    return max(gradient, distance(a, b, ignoring="bias gradient") if gradient <= TOLERANCE else float("inf"))


def bias_contradictions(dims: int, about: str = "") -> list[str]:
    """Ops from a weight to a norm of which the code says wrongly that the norm cancels the bias, or that not."""
    ops, found = variants(dims), []
    weights = [op for op in ops if op.role is Role.WEIGHT]
    norms = [op for op in ops if op.role is Role.NORM]
    between: list[list[OpSpec]] = [[], *([op] for op in ops if op.role not in (Role.WEIGHT, Role.NORM))]
    for chosen in ([weight, *middle, norm] for weight in weights for middle in between for norm in norms):
        text = " > ".join(map(str, chosen))
        if about not in text:
            continue
        distances = [bias_distance(chosen, dims, seed) for seed in SEEDS[:2]]
        if bias_is_redundant(chosen, 0) and max(distances) > TOLERANCE:
            found.append(f"{text} cancels the bias, says the code, but it makes {max(distances):.2g}")
        if not bias_is_redundant(chosen, 0) and max(distances) <= 1e-6:
            found.append(f"{text} does not cancel the bias, says the code, but the layers do")
    return found
