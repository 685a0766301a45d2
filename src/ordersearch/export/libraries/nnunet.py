"""Blocks in terms of nnU-Net's ``ConvDropoutNormReLU``."""

from __future__ import annotations

from collections.abc import Iterator

from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import Layer, LibraryBlock, Run, half
from ordersearch.export.libraries.source_items import mapping
from ordersearch.export.source_lines import SourceCall
from ordersearch.ops import Role

BLOCK = "nnU-Net's ConvDropoutNormReLU"
NORMS = ("batch_norm", "group_norm", "layer_norm")


def _refusal(run: Run) -> str:
    values = run.weight.values
    if values["dilation"] != 1 or values["groups"] != 1:
        return f"{BLOCK} has no dilation and no groups"
    if values["padding"] != half(values["kernel_size"]):
        return f"{BLOCK} pads by half of the kernel on both sides"
    if run.norm and run.norm.name not in NORMS:
        return f"{BLOCK} gives a norm its channels alone, which {run.norm.name} may not take"
    return ""


def _block(run: Run) -> list[SourceCall]:
    values = run.weight.values
    arguments = [
        run.weight.constructor,
        "in_channels",
        "out_channels",
        f"kernel_size={values['kernel_size']!r}",
        f"stride={values['stride']!r}",
        *(["conv_bias=True"] if values["bias"] else []),
        *_norm(run.norm),
        *_class_of(run.dropout, "dropout_op"),
        *_class_of(run.activation, "nonlin"),
        *(["nonlin_first=True"] if run.order == "WDAN" else []),
    ]
    return [SourceCall("ConvDropoutNormReLU", arguments)]


def _norm(layer: Layer | None) -> Iterator[SourceCall | str]:
    arguments = layer.arguments if layer else {}
    if layer and layer.torch_name == "GroupNorm":
        # The first argument of a norm is the number of channels to nnU-Net, that of groups to torch.
        yield SourceCall("norm_op=partial", ["nn.GroupNorm", arguments.pop("num_groups")])
    elif layer:
        yield f"norm_op={layer.constructor}"
    if arguments:
        yield mapping("norm_op_kwargs=", arguments)


def _class_of(layer: Layer | None, keyword: str) -> Iterator[SourceCall | str]:
    if layer:
        yield f"{keyword}={layer.constructor}"
        if layer.arguments or layer.call.op.role is Role.DROPOUT:
            yield mapping(f"{keyword}_kwargs=", layer.arguments)


NNUNET = Library(
    "nnunet",
    "nnU-Net",
    "nnU-Net's ConvDropoutNormReLU",
    (
        LibraryBlock(
            BLOCK,
            "dynamic_network_architectures.building_blocks.simple_conv_blocks",
            ("ConvDropoutNormReLU",),
            ("WDNA", "WDAN"),
            (1, 2, 3),
            _block,
            _refusal,
        ),
    ),
).format
