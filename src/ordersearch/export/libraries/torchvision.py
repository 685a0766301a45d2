"""Blocks in terms of torchvision's ``Conv2dNormActivation``, ``Conv3dNormActivation`` and ``MLP``."""

from __future__ import annotations

from collections.abc import Iterator

from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import Layer, LibraryBlock, Run, differing, half
from ordersearch.export.libraries.source_items import partial_of
from ordersearch.export.source_lines import SourceCall

NORMS = ("batch_norm", "group_norm", "layer_norm")


def _refusal(run: Run) -> str:
    if run.norm and run.norm.name not in NORMS:
        return f"torchvision's blocks give a norm its channels alone, which {run.norm.name} may not take"
    return ""


def _mlp_refusal(run: Run) -> str:
    if run.activation is None:
        return "torchvision's MLP always has an activation"
    if run.dropout and run.dropout.name != "dropout":
        return f"torchvision's MLP has no {run.dropout.name}"
    return _refusal(run)


def _convolution(run: Run) -> list[SourceCall]:
    values = run.weight.values
    same = half(values["kernel_size"]) * int(values["dilation"] or 1)
    arguments = [
        "in_channels",
        "out_channels",
        *differing(values, {"kernel_size": 3, "stride": 1, "padding": same, "groups": 1}),
        *([] if _is_default(run.norm, run.dims) else [_norm(run.norm)]),
        *_activation(run.activation, inplace=True),
        *differing(values, {"dilation": 1, "bias": run.norm is None}),
    ]
    return [SourceCall(f"Conv{run.dims}dNormActivation", arguments)]


def _mlp(run: Run) -> list[SourceCall]:
    arguments = [
        "in_features",
        "[out_features, 1]",
        *([_norm(run.norm)] if run.norm else []),
        *_activation(run.activation, inplace=False),
        *differing(run.weight.values, {"bias": True}),
        *([f"dropout={run.dropout.values['p']!r}"] if run.dropout else []),
    ]
    return [SourceCall("layers = MLP", arguments)]


def _is_default(norm: Layer | None, dims: int) -> bool:
    return norm is not None and norm.torch_name == f"BatchNorm{dims}d" and not norm.arguments


def _norm(layer: Layer | None) -> SourceCall | str:
    if layer is None:
        return "norm_layer=None"
    if layer.torch_name != "GroupNorm":
        return partial_of("norm_layer=", layer.constructor, layer.arguments)
    arguments = layer.arguments
    groups = arguments.pop("num_groups")
    return SourceCall("norm_layer=partial", ["nn.GroupNorm", groups, *(f"{k}={v}" for k, v in arguments.items())])


def _activation(layer: Layer | None, *, inplace: bool) -> Iterator[SourceCall | str]:
    if layer is None:
        yield "activation_layer=None"
    elif layer.torch_name != "ReLU":
        yield partial_of("activation_layer=", layer.constructor, layer.arguments)
    if inplace and layer and layer.torch_name != "ReLU":
        yield "inplace=None"


TORCHVISION = Library(
    "torchvision",
    "torchvision",
    "torchvision's Conv2dNormActivation, Conv3dNormActivation and MLP",
    (
        LibraryBlock(
            "torchvision's ConvNormActivation",
            "torchvision.ops.misc",
            ("Conv2dNormActivation", "Conv3dNormActivation"),
            ("WNA",),
            (2, 3),
            _convolution,
            _refusal,
        ),
        LibraryBlock(
            "torchvision's MLP",
            "torchvision.ops",
            ("MLP",),
            ("WNAD",),
            (0,),
            _mlp,
            _mlp_refusal,
            trim=("# MLP ends with a linear layer and a dropout of its own.", "del layers[-2:]"),
        ),
    ),
).format
