"""What has to hold of an op, so that orders with it are searched, merged and exported rightly."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module

import torch
from torch import Tensor, nn

from ordersearch.block import Block, build_block
from ordersearch.errors import OrdersearchError
from ordersearch.identities import bias_is_redundant, commute
from ordersearch.ops import OpKind, OpSpec, Role, Trait, op_kind
from ordersearch.spec import BlockSpec
from ordersearch.testing import traits
from ordersearch.testing.check import Check, fail, require
from ordersearch.testing.layers import CHANNELS, PLACES, SIZES, bare_layer
from ordersearch.testing.swaps import false_biases, false_swaps
from ordersearch.testing.variants import partners, places, variants

_SEEDS = range(2)


def op_checks(name: str) -> list[Check]:
    """The checks of an op: its row, its notation, its layers, each trait that it claims, and what follows from these.

    Layers are looked at in every place that the row has a constructor for, with the parameters at their defaults and at
    a few other values that they accept, in training and in evaluation. Traits and swaps are held in float64 with learnt
    parameters drawn at random, and with one draw of the random numbers on both sides.

    Args:
        name: Of a built-in op, or of one that an installed package adds.

    Raises:
        UnknownNameError: No op has this name.
        PluginError: It comes from a plugin that cannot be imported or is no op.

    Example:
        >>> [check.name for check in op_checks("relu")]
        ['row', 'notation', 'layers', 'homogeneous', 'monotone', 'at_zero', 'swaps']
    """
    kind = op_kind(name)
    checks: list[tuple[str, Callable[[OpKind], object]]] = [("row", _row), ("notation", _notation), ("layers", _layers)]
    checks += [(str(trait), partial(_trait, trait)) for trait in sorted(kind.traits)]
    if kind.role is Role.NORM and Trait.BATCH_STATISTICS not in kind.traits:
        checks.append(("sample_statistics", _sample_statistics))
    if kind.role is Role.ACTIVATION:
        checks.append(("at_zero", _at_zero))
    if kind.is_identity:
        checks.append(("identity", _identity))
    if kind.spelling:
        checks.append(("spelling", _spelling))
    if any(True for _ in _claimed_swaps(kind)):
        checks.append(("swaps", _swaps))
    if any(True for _ in _claimed_biases(kind)):
        checks.append(("biases", _biases))
    return [Check(name, what, partial(check, kind)) for what, check in checks]


def _row(kind: OpKind) -> None:
    require(bool(kind.summary.strip()) and "\n" not in kind.summary, f"{kind.name}: its summary is not one line")
    for param in kind.params:
        require(bool(param.holds.strip()), f"{kind.name}: {param.name} does not say in words what holds")
        for nonsense in ("no such word", float("nan"), float("inf"), [1]):
            try:
                accepted = param.accepts(nonsense)  # type: ignore[arg-type]
            except Exception as cause:  # noqa: BLE001 - whatever it is, people would get it instead of an error of ours
                fail(f"{kind.name}: {param.name}.accepts({nonsense!r}) raises {type(cause).__name__}: {cause}")
            require(not accepted, f"{kind.name}: {param.name} accepts {nonsense!r}")
    for call in (kind.on_maps, kind.on_features):
        if call is not None:
            target = call.target.format(dims=2)
            module, _, name = target.rpartition(".")
            try:
                keywords = set(inspect.signature(getattr(import_module(module), name)).parameters)
            except (ImportError, AttributeError) as cause:
                fail(f"{kind.name}: its layer {target} cannot be imported: {cause}")
            unknown = set(call.arguments) - keywords
            require(not unknown or "kwargs" in keywords, f"{kind.name}: {name} takes no {', '.join(sorted(unknown))}")


def _in_a_block(op: OpSpec, dims: int) -> BlockSpec:
    others = [] if op.role is Role.WEIGHT else [OpSpec("conv" if dims else "linear")]
    return BlockSpec([*others, op])


def _notation(kind: OpKind) -> None:
    for op in variants(kind):
        spec = _in_a_block(op, 2 if kind.on_maps else 0)
        require(BlockSpec.parse(str(spec)) == spec, f"'{spec}' is read back as '{BlockSpec.parse(str(spec))}'")
        require(pickle.loads(pickle.dumps(spec)) == spec, f"'{spec}' is not the same after pickling")


def _each_place(kind: OpKind) -> Iterator[tuple[OpSpec, int]]:
    return ((op, dims) for dims in places(kind) for op in variants(kind))


def _different_places(kind: OpKind) -> Iterator[tuple[OpSpec, int]]:
    """One place for each class of layers: claims are looked at there, swaps and shapes in every place."""
    seen: dict[object, int] = {}
    for dims in places(kind):
        call = kind.on_maps if dims else kind.on_features
        assert call is not None
        seen.setdefault((call.target.format(dims=dims), bool(dims)), dims)
    return ((op, dims) for dims in seen.values() for op in variants(kind))


def _layers(kind: OpKind) -> None:
    for op, dims in _each_place(kind):
        at = f"{op} on {PLACES[dims]}"
        try:
            _layer(op, dims, at)
        except (AssertionError, OrdersearchError):
            raise
        except Exception as cause:
            raise AssertionError(f"{at}: its layer raises {type(cause).__name__}: {cause}") from cause


def _layer(op: OpSpec, dims: int, at: str) -> None:
    _starts_by_name(bare_layer(op, dims), at)
    if told := traits.contradiction(traits.unchanged_input, op, dims, seeds=[0]):
        fail(f"{at}: {told}")
    _trains(_in_a_block(op, dims), dims, at)


def _starts_by_name(layer: nn.Module, at: str) -> None:
    """Initial weights are drawn anew for each layer, by the seed and its name."""
    for module in layer.modules():
        owns = any(True for _ in module.parameters(recurse=False))
        require(
            not owns or hasattr(module, "reset_parameters"),
            f"{at}: {type(module).__name__} has weights but no reset_parameters(), which draws them by seed and name",
        )


def _trains(spec: BlockSpec, dims: int, at: str) -> None:
    block = build_block(spec, CHANNELS, 2 * CHANNELS, dims=dims or 2)
    x = torch.randn(8, CHANNELS, *SIZES[dims], generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = block(x)
    wanted = (8, 2 * CHANNELS, *block.output_sizes(SIZES[dims]))
    require(tuple(y.shape) == wanted, f"{at}: it makes {tuple(y.shape)}, where {wanted} follows from its parameters")
    require(y.dtype is x.dtype, f"{at}: it makes {y.dtype} of {x.dtype}")
    y.square().sum().backward()
    finite = all(bool(value.isfinite().all()) for value in (y, x.grad) if value is not None)
    require(finite and x.grad is not None, f"{at}: outputs or gradients are not finite")
    missed = [name for name, parameter in block.named_parameters() if parameter.grad is None]
    require(not missed, f"{at}: no gradient reaches {', '.join(missed)}")
    _same_twice(block, spec, x.detach(), dims, at)


def _same_twice(block: Block, spec: BlockSpec, x: Tensor, dims: int, at: str) -> None:
    """Evaluation is repeatable, and a block with its state is the block."""
    twin = build_block(spec, CHANNELS, 2 * CHANNELS, dims=dims or 2)
    twin.load_state_dict(block.state_dict())
    with torch.no_grad():
        one, again = block.eval()(x), block(x)
        loaded, copied = twin.eval()(x), copy.deepcopy(block)(x)
    require(bool(torch.equal(one, again)), f"{at}: in evaluation the same input gives something else the second time")
    require(bool(torch.equal(one, copied)), f"{at}: a copy gives something else")
    require(bool(torch.equal(one, loaded)), f"{at}: a layer with the same state_dict gives something else")


def _trait(trait: Trait, kind: OpKind) -> None:
    for op, dims in _different_places(kind):
        if trait in op.traits and (told := traits.contradiction(traits.CLAIMS[trait], op, dims)):
            fail(f"{op} claims {str(trait)!r}, but on {PLACES[dims]} {told}")


def _sample_statistics(kind: OpKind) -> None:
    for op, dims in _different_places(kind):
        if told := traits.contradiction(traits.sample_statistics, op, dims):
            fail(f"{op} does not claim 'batch_statistics', but on {PLACES[dims]} {told}")


def _at_zero(kind: OpKind) -> None:
    for dims in places(kind):
        with torch.no_grad():
            made = float(
                bare_layer(OpSpec(kind.name), dims).eval()(torch.zeros(2, CHANNELS, *SIZES[dims])).flatten()[0]
            )
        close = math.isclose(made, kind.at_zero, abs_tol=1e-6)
        require(close, f"{kind.name} has at_zero={kind.at_zero:g}, but on {PLACES[dims]} it makes {made:g} of 0")


def _identity(kind: OpKind) -> None:
    for op, dims in _different_places(kind):
        if op.is_identity and (told := traits.contradiction(traits.does_nothing, op, dims)):
            fail(f"{op} is said to do nothing, but on {PLACES[dims]} {told}")


def _spelling(kind: OpKind) -> None:
    assert kind.spelling is not None
    for op, dims in _different_places(kind):
        spelled = op.replace(**kind.spelling(op.params))
        for training in (True, False):
            one, other = (traits.RealOp(each, dims, 0, training=training, key=str(op)) for each in (op, spelled))
            same = torch.equal(one(one.inputs()), other(other.inputs()))
            require(same, f"{op} is spelled {spelled}, but on {PLACES[dims]} the two give different values")


def _claimed_swaps(kind: OpKind) -> Iterator[tuple[OpSpec, OpSpec, int]]:
    for op, dims in _each_place(kind):
        for other in partners(dims):
            if other != op and commute(op, other):
                yield op, other, dims


def _swaps(kind: OpKind) -> None:
    for a, b, dims in _claimed_swaps(kind):
        _first(false_swaps([(a, b)], dims, seeds=_SEEDS), dims)


def _claimed_biases(kind: OpKind) -> Iterator[tuple[list[OpSpec], int]]:
    """Rows from a weight to a norm with the op in its place, of which the traits say that the norm cancels the bias."""
    norm = OpSpec("batch_norm", momentum=1)
    for op, dims in _each_place(kind):
        weight = OpSpec("conv" if dims else "linear")
        rows = {Role.WEIGHT: [op, norm], Role.NORM: [weight, op]}
        ops = rows.get(op.role, [weight, op, norm])
        if "bias" in ops[0].params and bias_is_redundant(ops, 0):
            yield ops, dims


def _biases(kind: OpKind) -> None:
    for ops, dims in _claimed_biases(kind):
        _first(false_biases([ops], dims, seeds=_SEEDS), dims)


def _first(told: Iterable[str], dims: int) -> None:
    for complaint in told:
        fail(f"On {PLACES[dims]}, {complaint}")
