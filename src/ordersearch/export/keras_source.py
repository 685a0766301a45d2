"""Blocks as source of Keras 3, for any backend: a function for each role, in Keras' functional style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import lcm
from textwrap import fill

from ordersearch.calls import Segment, plan_block
from ordersearch.export.format import Blocks, Format
from ordersearch.export.header import commented
from ordersearch.export.keras_calls import layer_lines
from ordersearch.export.names import function_names, in_docstring
from ordersearch.export.source_lines import WIDTH
from ordersearch.export.torch_source import FIRST_LINE
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec

AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}

INITIAL = '''def initial(fan_in):
    """PyTorch's law of initial weights; two objects, since one draws alike twice."""
    bound = fan_in**-0.5
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
        "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
    }
'''
LARGEST_DIVISOR = '''def largest_divisor(channels, limit):
    """The largest divisor of ``channels`` up to ``limit``."""
    return max(d for d in range(1, min(channels, limit) + 1) if channels % d == 0)
'''
FRAMED = '''def framed(x, width):
    """Maps in a frame of minus infinity, with which PyTorch pads before max-pooling."""
    frame = [[0, 0], *[[width, width]] * (len(x.shape) - 2), [0, 0]]
    return keras.ops.pad(x, frame, constant_values=float("-inf"))
'''
FUNCTIONS = {"initial": INITIAL, "largest_divisor": LARGEST_DIVISOR, "framed": FRAMED}

LAWS = (
    "Momentum (the complement of PyTorch's), epsilon, padding (Keras' 'same' pads otherwise at a stride) and initial "
    "weights are those of the PyTorch layers that were trained, not Keras' defaults."
)
LAYOUT = (
    "Channels come last, as Keras' image_data_format says where it is not changed. So Flatten after these maps counts "
    "channels fastest, PyTorch's slowest: a Dense layer after it takes PyTorch's weights in another order."
)
VARIANCE = (
    "One difference remains: of n values of a channel in a batch, Keras keeps the mean square deviation as running "
    "variance, PyTorch n / (n - 1) times it. It shows in the evaluation of what Keras itself trained on small batches."
)


def keras_source(blocks: Blocks, dims: int = 2, evidence: Sequence[str] = ()) -> str:
    r"""A function for each role: ``conv_block(x, filters)``, or ``dense_block(x, units)``.

    A block without a pool that makes maps smaller takes ``strides``, too, where Keras can stride its first convolution.

    Args:
        blocks: One for each role.
        dims: 1, 2 or 3 dimensions of the maps.
        evidence: What is known of the blocks, a line each.

    Raises:
        ExportError: Keras has nothing that does the same; the message is a reason without a full stop.

    Example:
        >>> source = keras_source({"dense": BlockSpec.parse("linear > batch_norm > relu > dropout(p=0.1)")})
        >>> print(*source.splitlines()[-5:], sep="\n")
            x = layers.Dense(units, use_bias=False, **initial(x.shape[-1]))(x)
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)(x)
            x = layers.ReLU()(x)
            x = layers.Dropout(0.1)(x)
            return x
    """
    functions = [_function(name, blocks[role], dims) for role, name in function_names(blocks).items()]
    called = [text for name, text in FUNCTIONS.items() if any(f"{name}(" in function for function in functions)]
    body = "\n\n".join([*called, *functions])
    imports = {"import keras": "keras.", "from keras import layers": "layers."}
    used = [line for line, prefix in imports.items() if prefix in body]
    return "\n".join([_header(blocks, evidence), *used, "", "", body])


def _check(spec: BlockSpec, dims: int) -> None:
    for _ in _body(spec, dims):
        pass


KERAS = Format("keras", "source of Keras 3 for any backend: a function for each block", ".py", _check, keras_source)


def _header(blocks: Blocks, evidence: Sequence[str]) -> str:
    specs = blocks.values()
    notes = [
        LAWS,
        *([LAYOUT] if any(spec.on_maps for spec in specs) else []),
        *([VARIANCE] if any(op.name == "batch_norm" for spec in specs for op in spec) else []),
    ]
    return commented([FIRST_LINE, *(["", *evidence] if evidence else []), "", *notes])


def _function(name: str, spec: BlockSpec, dims: int) -> str:
    width = _width(spec)
    taken = f"{AXES[dims]}, channels" if spec.on_maps else "features"
    made = f"as many {'channels' if spec.on_maps else 'features'} as ``{width}``"
    is_strided = _takes_strides(spec)
    arguments = ["x", width, *(["strides=1"] if is_strided else [])]
    notation = fill(in_docstring(str(spec)), WIDTH - 7, break_long_words=False, break_on_hyphens=False)
    return "\n".join(
        [
            f"def {name}({', '.join(arguments)}):",
            f'    """{notation}'.replace("\n", "\n    "),
            "",
            f"    Takes (n, {taken}) and gives {made}.",
            *(["    The first convolution has the ``strides``."] if is_strided else []),
            '    """',
            *_body(spec, dims),
            "    return x\n",
        ]
    )


def _width(spec: BlockSpec) -> str:
    return "filters" if spec.on_maps else "units"


def _body(spec: BlockSpec, dims: int) -> Iterator[str]:
    dims = dims if spec.on_maps else 0
    for segment in _planned(spec, dims):
        if segment.shortcut is not None:
            yield from _shortcut(segment, spec, dims)
        for layer in segment.layers:
            yield from layer_lines(layer, dims)
        if segment.shortcut is not None:
            yield "    x = layers.Add()([x, shortcut])"


def _shortcut(segment: Segment, spec: BlockSpec, dims: int) -> Iterator[str]:
    yield "    shortcut = x"
    for layer in segment.shortcut or ():
        is_projection = layer.number == 0
        if is_projection:
            is_strided = " or strides != 1" if _takes_strides(spec) else ""
            yield f"    if shortcut.shape[-1] != {_width(spec)}{is_strided}:"
        yield from layer_lines(layer, dims, variable="shortcut", indent=8 if is_projection else 4)


def _planned(spec: BlockSpec, dims: int) -> tuple[Segment, ...]:
    """The block where channels change, and sizes if it can: there it has all the layers that it ever has."""
    channels = lcm(*(int(op.params.get("groups") or 1) for op in spec))
    return plan_block(spec, channels, 2 * channels, dims=dims, stride=2 if _takes_strides(spec) else 1)


def _takes_strides(spec: BlockSpec) -> bool:
    """Whether the block can be asked to make maps smaller by a stride: no pool of it does, and Keras has the layer."""
    if not spec.on_maps or any(map(_shrinks, spec)):
        return False
    first = next(op for op in spec if op.role is Role.WEIGHT)
    has_even_window = first.params.get("padding") == "same" and int(first.params.get("kernel") or 1) % 2 == 0
    return not has_even_window and first.params.get("dilation", 1) == 1


def _shrinks(op: OpSpec) -> bool:
    return op.role is Role.POOL and int(op.params.get("stride") or op.params.get("kernel") or 1) > 1
