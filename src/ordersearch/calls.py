"""A spec at a place in a network as constructor calls: what ``block`` makes and ``export`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ordersearch.errors import ShapeError, SpecError
from ordersearch.identities import bias_is_redundant
from ordersearch.ops import Call, OpSpec, Role, Value
from ordersearch.spec import BlockSpec


@dataclass(frozen=True)
class LayerCall:
    """One layer's constructor call.

    Attributes:
        number: The op's place in the block, from 1.
        name: The layer's name in the block: the op's, with a number from its second occurrence on.
        op: The op that it stands for.
        target: The constructor, such as ``torch.nn.Conv2d``.
        arguments: Its keyword arguments.
    """

    number: int
    name: str
    op: OpSpec
    target: str
    arguments: Mapping[str, Value]


@dataclass(frozen=True)
class Segment:
    """Layers in a row, with a shortcut around them where they end in ``add``.

    Attributes:
        layers: The layers, first to last.
        shortcut: The layers of the shortcut (none: the input itself), or None where there is no shortcut.
    """

    layers: tuple[LayerCall, ...]
    shortcut: tuple[LayerCall, ...] | None = None


def plan_block(
    spec: BlockSpec, in_channels: int, out_channels: int, *, dims: int = 2, stride: int = 1
) -> tuple[Segment, ...]:
    """The layers of a block at a place in a network.

    The first weight changes the channels and takes the stride; a norm takes the channels of its position; a bias that
    the next norm would cancel is left out. A shortcut is projected by a 1x1 weight where channels or stride change, and
    pooled as its branch is.

    Args:
        spec: The block.
        in_channels: Channels (features for a linear block) that come in.
        out_channels: Channels that go out.
        dims: 1, 2 or 3 dimensions of the maps; a linear block has none.
        stride: Of the first convolution.

    Raises:
        SpecError: The place does not suit the block.
    """
    _check_place(spec, in_channels, out_channels, dims, stride)
    counts: Counter[str] = Counter()
    segments: list[Segment] = []
    channels, start = in_channels, 0
    ends = [i for i, op in enumerate(spec.ops) if op.role is Role.MERGE]
    for end in [*ends, len(spec.ops)]:
        entering, entering_stride = channels, stride
        layers = []
        for index in range(start, end):
            op = spec.ops[index]
            leaving = out_channels if op.role is Role.WEIGHT else channels
            place = _Place(channels, leaving, dims if spec.on_maps else 0, stride if op.role is Role.WEIGHT else 1)
            layers.append(_layer_call(op, place, counts, number=index + 1, bias=_bias(spec.ops, index)))
            if op.role is Role.WEIGHT:
                channels, stride = out_channels, 1
        shortcut = None
        if end in ends:
            shortcut = _shortcut(
                layers, _Place(entering, channels, dims if spec.on_maps else 0, entering_stride), counts
            )
        if layers:
            segments.append(Segment(tuple(layers), shortcut))
        start = end + 1
    return tuple(segments)


@dataclass(frozen=True)
class _Place:
    in_channels: int
    out_channels: int
    dims: int
    stride: int


def _check_place(spec: BlockSpec, in_channels: int, out_channels: int, dims: int, stride: int) -> None:
    if in_channels < 1 or out_channels < 1:
        raise SpecError(f"Block '{spec}': got {in_channels} and {out_channels} channels, but a block has at least one.")
    if spec.on_maps and dims not in (1, 2, 3):
        raise SpecError(f"Block '{spec}': got dims={dims}, but maps have 1, 2 or 3 dimensions.")
    if not spec.on_maps and stride != 1:
        raise SpecError(f"Block '{spec}': got stride={stride}, but a linear block has no stride.")


def _bias(ops: Sequence[OpSpec], index: int) -> bool:
    bias = ops[index].params.get("bias")
    return bool(bias) if isinstance(bias, bool) else not bias_is_redundant(ops, index)


def _layer_call(
    op: OpSpec, place: _Place, counts: Counter[str], *, number: int, bias: bool, name: str = ""
) -> LayerCall:
    name = name or op.name
    counts[name] += 1
    call = op.kind.on_maps if place.dims else op.kind.on_features
    if call is None:
        raise SpecError(f"Op {op.name!r} has no layer for {'maps' if place.dims else 'features'}.")
    values: dict[str, Value] = {
        **op.params,
        "in_channels": place.in_channels,
        "out_channels": place.out_channels,
        "channels": place.in_channels,
        "stride": op.params.get("stride") if op.role is Role.POOL else place.stride,
        "bias": bias,
    }
    if "groups" in op.params and op.role is Role.NORM:
        values["n_groups"] = _largest_divisor(place.in_channels, int(op["groups"] or 1))
    if op.role is Role.WEIGHT and "padding" in op.params:
        values["padding"] = _padding(op, place.stride)
    _check_call(op, place)
    target, arguments = _resolved(call, values, place.dims)
    return LayerCall(number, name if counts[name] == 1 else f"{name}_{counts[name]}", op, target, arguments)


def _check_call(op: OpSpec, place: _Place) -> None:
    groups = int(op.params.get("groups") or 1)
    if op.role is Role.WEIGHT and (place.in_channels % groups or place.out_channels % groups):
        raise SpecError(
            f"'{op}': got {place.in_channels} channels in and {place.out_channels} out, but groups divides both. "
            f"Choose other widths or groups."
        )
    if op.role is Role.POOL and int(op.params.get("padding") or 0) > int(op.params.get("kernel") or 1) // 2:
        raise SpecError(f"'{op}': padding is at most half the kernel.")


def _resolved(call: Call, values: Mapping[str, Value], dims: int) -> tuple[str, dict[str, Value]]:
    arguments = {
        key: values[value[1:]] if isinstance(value, str) and value.startswith("$") else value
        for key, value in call.arguments.items()
    }
    return call.target.format(dims=dims), {key: value for key, value in arguments.items() if value is not None}


def _largest_divisor(number: int, limit: int) -> int:
    return next(d for d in range(min(number, limit), 0, -1) if number % d == 0)


def _padding(op: OpSpec, stride: int) -> Value:
    if op["padding"] != "same":
        return op["padding"]
    reach = int(op["dilation"] or 1) * (int(op["kernel"] or 1) - 1)
    if reach % 2 == 0:
        return reach // 2
    if stride != 1:
        raise SpecError(
            f"'{op}': padding='same' with an even reach of {reach + 1} has no strided form: take an odd kernel."
        )
    return "same"


def _shortcut(layers: Sequence[LayerCall], place: _Place, counts: Counter[str]) -> tuple[LayerCall, ...]:
    pools = tuple(layer for layer in layers if layer.op.role is Role.POOL)
    if place.in_channels == place.out_channels and place.stride == 1:
        return pools
    weight = OpSpec("conv", kernel=1) if place.dims else OpSpec("linear")
    return (_layer_call(weight, place, counts, number=0, bias=False, name="projection"), *pools)


def check_fits(spec: BlockSpec, sizes: Sequence[int], segments: Sequence[Segment]) -> tuple[int, ...]:
    """The spatial sizes that a block makes of ``sizes``.

    Raises:
        ShapeError: A window is larger than the map that it would slide over, or a shortcut and its branch differ in
            size; the message names the op.
    """
    given = reached = tuple(sizes)
    for segment in segments:
        entering = reached
        for layer in segment.layers:
            reached = _after(layer, reached, spec, given)
        if segment.shortcut is not None:
            joining = entering
            for layer in segment.shortcut:
                joining = _after(layer, joining, spec, given)
            if joining != reached:
                raise ShapeError(
                    f"Block '{spec}' cannot add {_by(joining)} maps of the shortcut to {_by(reached)} maps of the "
                    f"branch: take padding='same' in its convolutions."
                )
    return reached


def _after(layer: LayerCall, sizes: tuple[int, ...], spec: BlockSpec, given: tuple[int, ...]) -> tuple[int, ...]:
    op, arguments = layer.op, layer.arguments
    if "kernel" not in op.params or arguments.get("padding") == "same":
        return sizes
    window = int(arguments.get("dilation") or 1) * (int(op["kernel"] or 1) - 1) + 1
    stride, padding = int(arguments.get("stride") or window), int(arguments.get("padding") or 0)
    # PyTorch asks for maps as large as the window here, whatever is padded.
    counted = 0 if layer.target == "torch.nn.AvgPool3d" else padding
    if any(size + 2 * counted < window for size in sizes):
        raise ShapeError(
            f"Block '{spec}' does not fit {_with_article(_by(given))} input: op {layer.number} ({op.name}) would get "
            f"{_by(sizes)} for a window of {window}."
        )
    return tuple((size + 2 * padding - window) // stride + 1 for size in sizes)


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _with_article(text: str) -> str:
    return f"{'an' if text.startswith(('8', '11', '18')) else 'a'} {text}"
