"""From what was recorded to layers in a row, with shortcuts around them: the shape that a block has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ordersearch.calls import LayerCall, Segment, plan_block
from ordersearch.errors import ReadingError, SpecError
from ordersearch.identities import bias_is_redundant
from ordersearch.ops import OpSpec, Role
from ordersearch.reading.layers import ReadLayer, no_op, read_layer
from ordersearch.reading.recording import Recording, Step
from ordersearch.spec import BlockSpec

_INPUT = 0


@dataclass(frozen=True)
class ReadSegment:
    """Layers in a row, with a shortcut around them where they end in ``add``.

    Attributes:
        layers: First to last.
        shortcut: The layers of the shortcut, or None where there is none.
    """

    layers: tuple[ReadLayer, ...]
    shortcut: tuple[ReadLayer, ...] | None = None

    @property
    def ops(self) -> tuple[OpSpec, ...]:
        """The ops of the layers and the addition; biases written out."""
        ops = tuple(layer.op for layer in self.layers)
        return ops if self.shortcut is None else (*ops, OpSpec("add"))


def read_segments(recording: Recording) -> tuple[ReadSegment, ...]:
    """The way of the input to the output.

    Raises:
        ReadingError: The way is none that a block can take, or something on it is no op.
    """
    if recording.output is None:
        raise ReadingError(
            "what it gives is not seen to come from its input. Code that is compiled or scripted cannot be seen into."
        )
    start, tail = _walk(recording, recording.output)
    segments = [ReadSegment(tuple(tail))] if tail else []
    while start != _INPUT:
        start, segment = _residual(recording, recording.steps[start])
        segments.insert(0, segment)
    return tuple(segments)


def spec_of(segments: Sequence[ReadSegment]) -> BlockSpec:
    """The block of these layers; a bias that is there exactly where our rule has one is ``auto``.

    Raises:
        ReadingError: The layers are no block together.
    """
    ops = [op for segment in segments for op in segment.ops]
    if not ops:
        raise ReadingError("it gives its input back as it is, but a block has at least one conv or linear.")
    layers = [layer for segment in segments for layer in segment.layers]
    for layer in [layer for layer in layers if layer.op.role is Role.WEIGHT][1:]:
        if layer.stride != 1:
            raise ReadingError(
                f"{layer.layer.where} has stride={layer.stride}, but a block takes its stride in its first weight. "
                f"Read the parts of the module one by one."
            )
    try:
        spec = BlockSpec(_with_bias_rule(ops, index) for index in range(len(ops)))
    except SpecError as cause:
        raise ReadingError(f"it is no block: {cause}") from cause
    first, last = layers[0], layers[-1]
    stride = next(layer.stride for layer in layers if layer.op.role is Role.WEIGHT)
    _plan(spec, first.layer.in_shape[1], last.layer.out_shape[1], first.dims, stride)
    return spec


def written(ops: Sequence[OpSpec]) -> str:
    """The ops in the notation, biases as our rule has them."""
    return " > ".join(str(_with_bias_rule(ops, index)) for index in range(len(ops)))


def _with_bias_rule(ops: Sequence[OpSpec], index: int) -> OpSpec:
    op = ops[index]
    follows_rule = op.role is Role.WEIGHT and op.params.get("bias") is not bias_is_redundant(ops, index)
    return op.replace(bias="auto") if follows_rule and "bias" in op.params else op


def _walk(recording: Recording, value: int) -> tuple[int, list[ReadLayer]]:
    """Back from a value to the input or to the nearest addition: that value, and the layers after it."""
    layers: list[ReadLayer] = []
    while value != _INPUT and not recording.steps[value].is_add:
        step = recording.steps[value]
        layer = _layer(step)
        if layer is not None:
            layers.append(layer)
        value = step.inputs[0]
    return value, layers[::-1]


def _layer(step: Step) -> ReadLayer | None:
    if len(step.inputs) > 1:
        raise ReadingError(
            f"{step.where} joins {len(step.inputs)} values, but the only joint of a block is the addition of a "
            f"shortcut of the same shape."
        )
    if step.layer is None and step.name in ("add", "add_"):
        raise ReadingError(
            f"{step.where} adds something that does not come from the input, but the only addition of a block is that "
            f"of its shortcut."
        )
    if step.layer is None:
        raise no_op(step.where, step.name)
    return read_layer(step.layer)


def _residual(recording: Recording, add: Step) -> tuple[int, ReadSegment]:
    """The branch and the shortcut that an addition joins, and the value that both start from."""
    (start, first), (other_start, second) = (_walk(recording, value) for value in add.inputs)
    if start != other_start:
        raise ReadingError(
            f"{add.where} joins a way that leads through another addition with one that goes around it, but a "
            f"shortcut starts at the block's input or at the addition before. Read the parts one by one."
        )
    common = [one for one, another in zip(first, second, strict=False) if one.layer is another.layer]
    if common:
        raise ReadingError(
            f"the shortcut that {add.where} joins starts behind {common[-1].layer.where}, but a shortcut starts at "
            f"the block's input or at the addition before. Read the parts one by one."
        )
    for branch, shortcut in ((first, second), (second, first)):
        if any(layer.op.role is Role.WEIGHT for layer in branch) and _calls(shortcut) == _planned(branch):
            return start, ReadSegment(tuple(branch), tuple(shortcut))
    raise _other_shortcut(add, first, second)


def _planned(branch: Sequence[ReadLayer]) -> list[tuple[str, dict[str, object]]]:
    """The shortcut that a block makes around this branch."""
    entering, leaving = branch[0].layer.in_shape[1], branch[-1].layer.out_shape[1]
    stride = next(layer.stride for layer in branch if layer.op.role is Role.WEIGHT)
    spec = BlockSpec([*(layer.op for layer in branch), OpSpec("add")])
    return [_told(call) for call in _plan(spec, entering, leaving, branch[0].dims, stride)[0].shortcut or ()]


def _plan(spec: BlockSpec, in_channels: int, out_channels: int, dims: int, stride: int) -> tuple[Segment, ...]:
    try:
        return plan_block(spec, in_channels, out_channels, dims=dims, stride=stride)
    except SpecError as cause:
        raise ReadingError(
            f"it was read as '{spec}', which cannot be built from {in_channels} to {out_channels} channels: {cause}"
        ) from cause


def _calls(layers: Sequence[ReadLayer]) -> list[tuple[str, dict[str, object]]]:
    return [_told(layer.call) for layer in layers]


def _told(call: LayerCall) -> tuple[str, dict[str, object]]:
    return call.target, dict(call.arguments)


def _other_shortcut(add: Step, first: Sequence[ReadLayer], second: Sequence[ReadLayer]) -> ReadingError:
    if not any(layer.op.role is Role.WEIGHT for layer in (*first, *second)):
        return ReadingError(f"{add.where} adds two values, neither of which went through a conv or linear.")
    return ReadingError(
        f"{add.where} adds '{_written(first)}' and '{_written(second)}', but one of the two has to be the shortcut of "
        f"a block: its input itself or, where the other changes channels or stride, a 1x1 convolution (or a linear "
        f"layer) without bias; behind it the pools of the other."
    )


def _written(layers: Sequence[ReadLayer]) -> str:
    return written([layer.op for layer in layers]) or "the input itself"
