"""Blocks in terms of MONAI's ``Convolution`` and ``ADN``, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

from ordersearch.errors import ExportError
from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import Layer, LibraryBlock, Run, differing
from ordersearch.export.libraries.source_items import SourceItems, mapping, named_with
from ordersearch.export.libraries.terms import ACT_CLASSES, TORCH_ACTIVATIONS, Terms, block_of, conv_op, distinct
from ordersearch.export.source_lines import SourceCall
from ordersearch.export.torch_layers import layer_source
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

ORDERS = tuple("W" + "".join(letters) for letters in permutations("NDA"))
NORMS = {"batch_norm": '"batch"', "group_norm": '"group"', "layer_norm": '"group"'}
NAMED_ACTIVATIONS = ("ReLU", "LeakyReLU", "PReLU", "ReLU6", "ELU", "SELU", "GELU", "Sigmoid", "Tanh")
DROPOUT_DIMS = {"Dropout": 1, "Dropout2d": 2, "Dropout3d": 3}


def _refusal(run: Run) -> str:
    if run.norm and run.norm.name not in NORMS:
        return f"MONAI's ADN has no {run.norm.name}"
    if run.dropout and run.dropout.torch_name not in {*DROPOUT_DIMS, "AlphaDropout"}:
        return f"MONAI's ADN has no {run.dropout.torch_name or run.dropout.name}"
    return ""


def _convolution(run: Run) -> list[SourceCall]:
    values = run.weight.values
    same = (int(values["dilation"] or 1) * (int(values["kernel_size"] or 1) - 1)) / 2
    arguments = [
        f"spatial_dims={run.dims}",
        "in_channels=in_channels",
        "out_channels=out_channels",
        *([f"strides={values['stride']!r}"] if values["stride"] != 1 else []),
        *differing(values, {"kernel_size": 3}),
        *([f'adn_ordering="{run.letters[1:]}"'] if run.letters != "W" else []),
        *_adn(run),
        *differing(values, {"dilation": 1, "groups": 1, "bias": True, "padding": same}),
    ]
    return [SourceCall("Convolution", arguments)]


def _linear(run: Run) -> list[SourceCall]:
    linear = layer_source(run.weight.call)
    if run.letters == "W":
        return [linear]
    place = ["in_channels=out_features", "norm_dim=1"] if run.norm else []
    return [linear, SourceCall("ADN", [f'ordering="{run.letters[1:]}"', *place, *_adn(run)])]


def _adn(run: Run) -> Iterator[SourceCall | str]:
    yield _activation(run.activation) if run.activation else "act=None"
    yield named_with("norm=", *_norm(run.norm)) if run.norm else "norm=None"
    if run.dropout is None:
        return
    rate, dims = repr(run.dropout.values["p"]), DROPOUT_DIMS.get(run.dropout.torch_name, 1)
    is_alpha = run.dropout.torch_name == "AlphaDropout"
    yield named_with("dropout=", '"alphadropout"', {"p": rate}) if is_alpha else f"dropout={rate}"
    # Convolution takes 1 where nothing is said, ADN the dimensions of the norm, and does not do without either.
    if dims > 1 or not run.dims:
        yield f"dropout_dim={dims}"


def _activation(layer: Layer) -> SourceCall | str:
    if layer.torch_name in NAMED_ACTIVATIONS:
        return named_with("act=", f'"{layer.torch_name.lower()}"', layer.arguments)
    return SourceItems("act=", [layer.constructor, mapping("", layer.arguments)])


def _norm(layer: Layer) -> tuple[str, dict[str, str]]:
    if layer.torch_name == "LayerNorm":
        return '"layer"', {"normalized_shape": layer.channels, **layer.arguments}
    return NORMS[layer.name], layer.arguments


MONAI = Library(
    "monai",
    "MONAI",
    "MONAI's Convolution, and ADN behind a linear layer",
    (
        LibraryBlock(
            "MONAI's Convolution",
            "monai.networks.blocks",
            ("Convolution",),
            ORDERS,
            (1, 2, 3),
            _convolution,
            _refusal,
        ),
        LibraryBlock("MONAI's ADN", "monai.networks.blocks", ("ADN",), ORDERS, (0,), _linear, _refusal),
    ),
).format

ACTS = Terms(
    "MONAI's activation",
    {
        **{name.upper(): TORCH_ACTIVATIONS[name] for name in NAMED_ACTIVATIONS},
        "SWISH": "silu",
        "MEMSWISH": "silu",
        "MISH": "mish",
    },
)
NORM_KINDS = Terms("MONAI's norm", {"BATCH": "batch_norm", "GROUP": "group_norm"}, {"GROUP": "num_groups"})
FEATURE_NORMS = Terms(
    "MONAI's norm", {**NORM_KINDS.ops, "LAYER": "layer_norm"}, {**NORM_KINDS.needed, "LAYER": "normalized_shape"}
)
DROPOUTS = Terms("MONAI's dropout", {"DROPOUT": "dropout", "ALPHADROPOUT": "alpha_dropout"})


def from_monai(
    ordering: str = "NDA",
    *,
    act: Any = "PRELU",
    norm: Any = "INSTANCE",
    dropout: Any = None,
    dropout_dim: int = 1,
    spatial_dims: int = 2,
    kernel_size: Any = 3,
    dilation: Any = 1,
    groups: int = 1,
    bias: bool = True,
    padding: Any = None,
    conv_only: bool = False,
) -> BlockSpec:
    """The block that MONAI's ``Convolution`` makes of these arguments, with its defaults.

    Args:
        ordering: Its ``adn_ordering``: letters whose layer is None count for nothing, repeats neither.
        act: Name, or name or class with a dict of arguments, or None.
        norm: Name, or name with a dict of arguments, or None.
        dropout: Rate, or name with a dict of arguments, or None.
        dropout_dim: 1 drops elements, 2 and 3 whole maps.
        spatial_dims: Dimensions of the maps.
        kernel_size: Of the convolution.
        dilation: Of the convolution.
        groups: Of the convolution.
        bias: Whether the convolution has one; MONAI keeps it before a norm, too.
        padding: Of the convolution; None keeps the size of the maps.
        conv_only: Whether nothing follows the convolution.

    Raises:
        ExportError: The ordering has other letters, or a layer is no op here.

    Example:
        >>> str(from_monai("NDA", act="RELU", norm="BATCH", dropout=0.1))
        'conv(bias=true) > batch_norm > dropout(p=0.1) > relu'
    """
    conv = conv_op(kernel_size, "same" if padding is None else padding, dilation, groups)
    if padding is None and int(conv["dilation"] or 1) * (int(conv["kernel"] or 1) - 1) % 2:
        raise ExportError(f"MONAI pads no convolution with kernel_size={kernel_size!r} by itself: give its padding.")
    if dropout_dim > spatial_dims:
        raise ExportError(f"dropout_dim: got {dropout_dim}, but it is at most spatial_dims, which is {spatial_dims}.")
    if conv_only:
        return block_of([conv], bias=bias)
    layers = {"A": _act_op(act), "N": _named_op(norm, NORM_KINDS), "D": _dropout_op(dropout, dropout_dim)}
    return block_of([conv, *_ordered(ordering, layers)], bias=bias)


def from_monai_adn(
    ordering: str = "NDA",
    *,
    act: Any = "RELU",
    norm: Any = None,
    dropout: Any = None,
    norm_dim: int | None = None,
    dropout_dim: int | None = None,
    bias: bool = True,
) -> BlockSpec:
    """The block that a linear layer and MONAI's ``ADN`` behind it make, with the defaults of ``ADN``.

    Args:
        ordering: Letters whose layer is None count for nothing, repeats neither.
        act: Name, or name or class with a dict of arguments, or None.
        norm: Name, or name with a dict of arguments, or None.
        dropout: Rate, or name with a dict of arguments, or None.
        norm_dim: 1 on features; what ``dropout_dim`` says where it is None.
        dropout_dim: 1 on features; what ``norm_dim`` says where it is None.
        bias: Whether the linear layer has one.

    Raises:
        ExportError: The ordering has other letters, a layer is no op here, or the dimensions are none of features.

    Example:
        >>> str(from_monai_adn("NDA", norm="BATCH", dropout=0.1, dropout_dim=1))
        'linear(bias=true) > batch_norm > dropout(p=0.1) > relu'
    """
    for name, own, other in (("norm", norm, norm_dim or dropout_dim), ("dropout", dropout, dropout_dim or norm_dim)):
        if own is not None and other != 1:
            raise ExportError(f"{name}_dim: got {other!r}, but it is 1 behind a linear layer.")
    layers = {"A": _act_op(act), "N": _named_op(norm, FEATURE_NORMS), "D": _dropout_op(dropout, 1)}
    return block_of([OpSpec("linear"), *_ordered(ordering, layers)], bias=bias)


def _ordered(ordering: str, layers: Mapping[str, OpSpec | None]) -> list[OpSpec]:
    letters = distinct(ordering.upper())
    if not set(letters) <= set(layers):
        raise ExportError(f"ordering: got {ordering!r}, but MONAI's is made of the letters A, D and N.")
    return [op for letter in letters if (op := layers[letter]) is not None]


def _act_op(act: Any) -> OpSpec | None:
    name, arguments = _split(act)
    return ACT_CLASSES.op(name.__name__, arguments) if isinstance(name, type) else _named_op(act, ACTS)


def _named_op(layer: Any, terms: Terms) -> OpSpec | None:
    name, arguments = _split(layer)
    # An empty name is MONAI's identity.
    return terms.op(str(name).upper(), arguments) if name else None


def _dropout_op(dropout: Any, dims: int) -> OpSpec | None:
    if isinstance(dropout, int | float):
        dropout = ("DROPOUT", {"p": dropout})
    op = _named_op(dropout, DROPOUTS)
    return OpSpec("spatial_dropout", **op.params) if op and op.name == "dropout" and dims > 1 else op


def _split(layer: Any) -> tuple[Any, dict[str, Any]]:
    if isinstance(layer, tuple | list):
        name, arguments = layer
        return name, dict(arguments)
    return layer, {}
