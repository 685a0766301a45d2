"""A layer of PyTorch as a call in source, without what goes without saying."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import lcm

from ordersearch.calls import LayerCall, Segment
from ordersearch.export.names import quoted
from ordersearch.export.source_lines import SourceCall
from ordersearch.ops import Role, Value
from ordersearch.spec import BlockSpec

_NORM = {"eps": 1e-5, "affine": True}
_DROPOUT = {"p": 0.5}

DEFAULTS: Mapping[str, Mapping[str, Value]] = {
    "Conv": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True},
    "Linear": {"bias": True},
    "BatchNorm": {**_NORM, "momentum": 0.1},
    "GroupNorm": _NORM,
    "LayerNorm": {"eps": 1e-5, "elementwise_affine": True},
    "LeakyReLU": {"negative_slope": 0.01},
    "PReLU": {"init": 0.25},
    "ELU": {"alpha": 1.0},
    "GELU": {"approximate": "none"},
    "MaxPool": {"padding": 0},
    "AvgPool": {"padding": 0, "count_include_pad": True},
    "Dropout": _DROPOUT,
    "AlphaDropout": _DROPOUT,
    "FeatureAlphaDropout": _DROPOUT,
}
"""PyTorch's own defaults, by constructor without its dimension: what source may leave out. Of others nothing is."""

_LEADING = ("$in_channels", "$out_channels", "$channels", "$n_groups", "$kernel")
"""Arguments that are written without their keywords where they come first."""


class Variable(int):
    """A number that source writes as the variable that it stands for."""

    _text: str

    def __new__(cls, value: int, text: str) -> Variable:
        """The number ``value``, written as ``text``."""
        made = super().__new__(cls, value)
        made._text = text
        return made

    def __repr__(self) -> str:
        return self._text


def channel_variables(spec: BlockSpec) -> tuple[Variable, Variable]:
    """Channels that come in and go out of a block whose size is open, of numbers that its groups divide.

    Example:
        >>> channel_variables(BlockSpec.parse("conv > relu")), channel_variables(BlockSpec.parse("linear > relu"))
        ((in_channels, out_channels), (in_features, out_features))
    """
    groups = lcm(*(int(op.params.get("groups") or 1) for op in spec))
    counted = "channels" if spec.on_maps else "features"
    # Two numbers, so that a shortcut has its projection.
    return Variable(groups, f"in_{counted}"), Variable(2 * groups, f"out_{counted}")


def layer_source(layer: LayerCall, **written: str) -> SourceCall:
    """The call that makes a layer: leading channels and windows without their keywords, defaults left out.

    Args:
        layer: As planned.
        **written: How source writes an argument, where not as its value.

    Example:
        >>> from ordersearch.calls import plan_block
        >>> layers = plan_block(BlockSpec.parse("conv > batch_norm > dropout(p=0.1)"), 3, 8)[0].layers
        >>> print(*map(layer_source, layers))
        nn.Conv2d(3, 8, 3, padding=1, bias=False) nn.BatchNorm2d(8) nn.Dropout(p=0.1)
    """
    return SourceCall(constructor(layer.target), tuple(_arguments(layer, written)))


def constructor(target: str) -> str:
    """How source calls a constructor: PyTorch's layers are ``nn``'s, others stand by their full name."""
    module, _, name = target.rpartition(".")
    return f"nn.{name}" if module == "torch.nn" else target


def imported_module(target: str) -> str:
    """What source imports for a constructor beyond torch; empty where that is nothing."""
    module = target.rpartition(".")[0]
    return "" if module == "torch.nn" else module


def place_of(segments: Sequence[Segment]) -> tuple[int, int, int]:
    """Channels in, channels out and stride of the place that a block was planned for.

    Example:
        >>> from ordersearch.calls import plan_block
        >>> place_of(plan_block(BlockSpec.parse("relu > conv > conv"), 3, 8, stride=2))
        (3, 8, 2)
    """
    first = next(layer for segment in segments for layer in segment.layers if layer.op.role is Role.WEIGHT)
    given = {template: first.arguments[key] for key, template in _templates(first).items() if key in first.arguments}
    ins, outs, stride = (int(given.get(name) or 1) for name in ("$in_channels", "$out_channels", "$stride"))
    return ins, outs, stride


def _arguments(layer: LayerCall, written: Mapping[str, str]) -> Iterator[str]:
    is_torch = not imported_module(layer.target)
    defaults = DEFAULTS.get(_family(layer.target), {}) if is_torch else {}
    templates = _templates(layer)
    is_leading = is_torch
    for key, value in layer.arguments.items():
        is_leading = is_leading and templates.get(key) in _LEADING
        if key not in written and key in defaults and _is_same(value, defaults[key]):
            continue
        text = written.get(key) or _told(layer, value, templates.get(key))
        yield text if is_leading else f"{key}={text}"


def _is_same(value: Value, default: Value) -> bool:
    return not isinstance(value, Variable) and value == default


def _family(target: str) -> str:
    return re.sub(r"[123]d$", "", target.rpartition(".")[2])


def _templates(layer: LayerCall) -> Mapping[str, Value]:
    """What the op table says of each argument; a block works on maps or on features, so one row of two applies."""
    kind = layer.op.kind
    found = (call for call in (kind.on_maps, kind.on_features) if call and _fits(call.target, layer.target))
    return next((call.arguments for call in found if set(layer.arguments) <= set(call.arguments)), {})


def _fits(template: str, target: str) -> bool:
    return target in {template.format(dims=dims) for dims in (1, 2, 3)}


def _told(layer: LayerCall, value: Value, template: Value) -> str:
    channels = next((own for own in layer.arguments.values() if isinstance(own, Variable)), None)
    if template == "$n_groups" and channels is not None:
        return f"largest_divisor({channels!r}, {layer.op['groups']})"
    return quoted(value) if isinstance(value, str) else repr(value)
