"""Blocks in terms of timm's ``ConvNormAct``."""

from __future__ import annotations

from collections.abc import Iterator

from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import Layer, LibraryBlock, Run, differing, text_of
from ordersearch.export.libraries.source_items import mapping, partial_of
from ordersearch.export.source_lines import SourceCall

NORMS = ("BatchNorm2d", "GroupNorm")


def _refusal(run: Run) -> str:
    if run.norm is None and run.letters != "W":
        return "timm's ConvNormAct has its activation and dropout in the norm, and the block has no norm"
    if run.norm and run.norm.torch_name not in NORMS:
        return f"timm's ConvNormAct has no {run.norm.name}"
    return ""


def _block(run: Run) -> list[SourceCall]:
    values = run.weight.values
    arguments = [
        "in_channels",
        "out_channels",
        f"kernel_size={values['kernel_size']!r}",
        *differing(values, {"stride": 1}),
        # What timm pads by itself depends on the stride.
        f"padding={text_of(values['padding'])}",
        *differing(values, {"dilation": 1, "groups": 1, "bias": False}),
        *(_norm_and_activation(run.norm, run) if run.norm else ["apply_norm=False"]),
    ]
    return [SourceCall("ConvNormAct", arguments)]


def _norm_and_activation(norm: Layer, run: Run) -> Iterator[SourceCall | str]:
    activation, dropout = run.activation, run.dropout
    if activation is None:
        yield "apply_act=False"
    if norm.torch_name != "BatchNorm2d":
        yield f"norm_layer={norm.constructor}"
    if activation and activation.torch_name != "ReLU":
        yield f"act_layer={activation.constructor}"
    if dropout:
        yield partial_of("drop_layer=", dropout.constructor, dropout.arguments)
    if norm.arguments:
        yield mapping("norm_kwargs=", norm.arguments)
    if activation and (arguments := _activation_arguments(activation)):
        yield mapping("act_kwargs=", arguments)


def _activation_arguments(layer: Layer) -> dict[str, str]:
    return {**layer.arguments, **({} if layer.is_safe_inplace else {"inplace": "False"})}


TIMM = Library(
    "timm",
    "timm",
    "timm's ConvNormAct",
    (LibraryBlock("timm's ConvNormAct", "timm.layers", ("ConvNormAct",), ("WNDA",), (2,), _block, _refusal),),
).format
