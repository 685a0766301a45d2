"""One layer as lines of Keras source: its padding, then the call that the op table has for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ordersearch.calls import LayerCall
from ordersearch.errors import ExportError
from ordersearch.export.names import quoted
from ordersearch.export.source_lines import SourceCall
from ordersearch.ops import KerasCall, KerasOp, Role, Value

# Keras' users write these without their keywords.
_POSITIONAL = {"filters", "units", "kernel_size", "pool_size", "rate", "activation", "value"}


class _Expression(str):
    """What source computes, and not a text that it holds."""

    __slots__ = ()


_Term = Value | list[int] | tuple[int | None, ...]


def layer_lines(layer: LayerCall, dims: int, *, variable: str = "x", indent: int = 4) -> Iterator[str]:
    r"""The lines that send a variable through a layer.

    Args:
        layer: As planned for PyTorch. A stride of a weight other than 1 stands for the variable ``strides``.
        dims: Dimensions of the maps; 0 on features.
        variable: The variable's name.
        indent: Blanks before each line.

    Raises:
        ExportError: Keras has nothing that does the same; the message is a reason without a full stop.

    Example:
        >>> from ordersearch.calls import plan_block
        >>> from ordersearch.spec import BlockSpec
        >>> layers = plan_block(BlockSpec.parse("conv > gelu > max_pool"), 3, 8)[0].layers
        >>> print(*(line for layer in layers for line in layer_lines(layer, 2, indent=0)), sep="\n")
        x = layers.Conv2D(filters, 3, padding="same", **initial(9 * x.shape[-1]))(x)
        x = keras.activations.gelu(x, approximate=False)
        x = layers.MaxPooling2D(2)(x)
    """
    op = f"op {layer.number}, {layer.op.name}"
    keras = layer.op.kind.keras or KerasOp()
    call = keras.on_maps if dims else keras.on_features
    if call is None:
        raise ExportError(f"the op table knows no call of Keras for {op}")
    if refusal := keras.refusal(layer.arguments) or _refused_padding(layer):
        raise ExportError(f"{refusal} ({op})")
    padding, frame = _padding(layer)
    if frame:
        framed = (
            f"framed({variable}, {frame})" if keras.pads_lowest else f"layers.ZeroPadding{dims}D({frame})({variable})"
        )
        yield f"{' ' * indent}{variable} = {framed}"
    terms = {**layer.op.params, **layer.arguments, "padding": padding, **keras.terms(layer.arguments)}
    written = _arguments(call, {**terms, **_of_the_place(layer, dims, variable)})
    yield from _applied(call.target.format(dims=dims), written, variable).lines(indent)


def _applied(target: str, arguments: list[SourceCall | str], variable: str) -> SourceCall:
    if target.rpartition(".")[2][:1].isupper():
        return SourceCall(f"{variable} = {_called(target)}", arguments, f"({variable})")
    return SourceCall(f"{variable} = {target}", [variable, *arguments])


def _called(target: str) -> str:
    return target.removeprefix("keras.") if target.startswith("keras.layers.") else target


def _padding(layer: LayerCall) -> tuple[str, int]:
    """Keras' padding, and how wide a frame goes around the maps before it."""
    width = layer.arguments.get("padding", 0)
    if width == 0:
        return "valid", 0
    return ("same", 0) if width == "same" or _is_same(layer) else ("valid", int(width or 0))


def _is_same(layer: LayerCall) -> bool:
    """Whether Keras' "same" pads like the layer: not at a stride, nor where padding counts in a mean."""
    kernel = int(layer.op.params.get("kernel") or 1)
    reach = int(layer.op.params.get("dilation") or 1) * (kernel - 1)
    is_half = 2 * int(layer.arguments.get("padding") or 0) == reach
    return is_half and layer.arguments.get("stride", kernel) == 1 and not layer.arguments.get("count_include_pad")


def _refused_padding(layer: LayerCall) -> str:
    is_padded = layer.arguments.get("padding", 0) != 0
    if is_padded and layer.arguments.get("count_include_pad") is False and not _is_same(layer):
        return "Keras leaves padding out of a mean only where it is half of an odd kernel, at stride 1"
    return ""


def _of_the_place(layer: LayerCall, dims: int, variable: str) -> dict[str, _Term]:
    """What ``$name`` stands for where the call of PyTorch does not tell it."""
    channels = f"{variable}.shape[-1]"
    terms: dict[str, _Term] = {"inner_axes": list(range(1, dims + 2)), "one_per_channel": (None, *[1] * dims, None)}
    groups = layer.op.params.get("groups", 1)
    if layer.op.role is Role.WEIGHT:
        n_positions = int(layer.op.params.get("kernel") or 1) ** dims
        each = channels if n_positions == 1 else f"{n_positions} * {channels}"
        terms["fan_in"] = _Expression(each if groups == 1 else f"{each} // {groups}")
        terms["out_channels"] = _Expression("filters" if dims else "units")
        if layer.arguments.get("stride", 1) != 1:
            terms["stride"] = _Expression("strides")
    else:
        terms["n_groups"] = 1 if groups == 1 else _Expression(f"largest_divisor({channels}, {groups})")
    return terms


def _arguments(call: KerasCall, terms: Mapping[str, _Term]) -> list[SourceCall | str]:
    written: list[SourceCall | str] = []
    is_leading = True
    for key, data in call.arguments.items():
        is_leading = is_leading and key in _POSITIONAL
        value = terms[data[1:]] if isinstance(data, str) and data.startswith("$") else data
        if isinstance(value, KerasCall):
            inner = _arguments(value, terms)
            written.append(SourceCall(f"{key}={_called(value.target)}", inner))
        elif key.startswith("**"):
            written.append(SourceCall(key, [_told(value)]))
        elif value is not None and not (key in call.implied and call.implied[key] == value):
            written.append(_told(value) if is_leading else f"{key}={_told(value)}")
    return written


def _told(value: _Term) -> str:
    if isinstance(value, str):
        return value if isinstance(value, _Expression) else quoted(value)
    return repr(value)
