"""A block as a drawing: its layers from input to output, and its shortcuts beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ordersearch.calls import LayerCall, plan_block
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec

WIDTH, HEIGHT, GAP, TOP = 340, 46, 18, 34
SHORTCUT_WIDTH = 74
LONGEST = 26

PARAMETERS = {"p": "rate", "kernel": "window"}
TOLD = ("p", "kernel")


@dataclass(frozen=True)
class Box:
    """A layer in the drawing.

    Attributes:
        y: Its upper edge.
        name: The op's.
        detail: Its parameters.
        role: What it does in the block.
        summary: What it does, in words.
    """

    y: int
    name: str
    detail: str
    role: str
    summary: str


@dataclass(frozen=True)
class Shortcut:
    """A line around some layers.

    Attributes:
        start: Where it leaves.
        end: Where it joins.
        label: What is on it.
    """

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Drawing:
    """The drawing of one block.

    Attributes:
        role: Of the block in the network.
        text: The block in the notation.
        boxes: Its layers, first to last.
        shortcuts: The lines around them.
        width: Of the boxes.
        height: Of the whole drawing.
    """

    role: str
    text: str
    boxes: tuple[Box, ...]
    shortcuts: tuple[Shortcut, ...]
    width: int
    height: int

    @property
    def description(self) -> str:
        """The drawing in words."""
        told = ", then ".join(f"{box.name} ({', '.join(filter(None, (box.role, box.detail)))})" for box in self.boxes)
        return f"Input, then {told}, then output."


def drawing(role: str, spec: BlockSpec, *, dims: int) -> Drawing:
    """A block as a drawing.

    Args:
        role: Of the block in the network.
        spec: The block.
        dims: Spatial dimensions of the data; 0 is a table.
    """
    # Where channels change, a shortcut has its projection.
    segments = plan_block(spec, 64, 128, dims=dims or 2)
    boxes: list[Box] = []
    shortcuts: list[Shortcut] = []
    for segment in segments:
        start = _upper(len(boxes)) - GAP // 2
        boxes += [_box(layer, _upper(len(boxes) + n)) for n, layer in enumerate(segment.layers)]
        if segment.shortcut is not None:
            y = _upper(len(boxes))
            boxes.append(Box(y, "add", "", str(Role.MERGE), "the shortcut is added to the branch"))
            shortcuts.append(Shortcut(start, y + HEIGHT // 2, _label(segment.shortcut)))
    width = WIDTH - 2 - (SHORTCUT_WIDTH if shortcuts else 0)
    return Drawing(role, str(spec), tuple(boxes), tuple(shortcuts), width, _upper(len(boxes)) + 22)


def _label(layers: Sequence[LayerCall]) -> str:
    """What is on a shortcut: its pools, and a weight where the channels change."""
    weights = {"conv": "1x1 conv where channels change", "linear": "linear where features change"}
    return " > ".join(weights.get(layer.op.name, layer.op.name) for layer in layers)


def _upper(number: int) -> int:
    return TOP + number * (HEIGHT + GAP)


def _box(layer: LayerCall, y: int) -> Box:
    detail = ", ".join([*_parameters(layer.op), *(["no bias"] if layer.arguments.get("bias") is False else [])])
    short = detail if len(detail) <= LONGEST else f"{detail[: LONGEST - 1]}…"
    return Box(y, layer.op.name, short, str(layer.op.role), f"{layer.op.kind.summary}; {layer.op}")


def _parameters(op: OpSpec) -> Iterator[str]:
    """Those that say much, and those that are not at their default."""
    for param in op.kind.params:
        value = op[param.name]
        if param.name in TOLD or (value != param.default and param.name != "bias"):
            is_kernel = param.name == "kernel" and op.role is Role.WEIGHT
            name = "kernel" if is_kernel else PARAMETERS.get(param.name, param.name)
            yield f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
