"""Blocks in terms of the letters of pytorch-3dunet, and back."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

from ordersearch.errors import ExportError
from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import LibraryBlock, Run, differing
from ordersearch.export.libraries.terms import block_of, conv_op, distinct
from ordersearch.export.source_lines import SourceCall
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

BLOCK = "pytorch-3dunet's SingleConv"
OPS = {
    "c": "conv",
    "g": "group_norm",
    "b": "batch_norm",
    "r": "relu",
    "l": "leaky_relu",
    "e": "elu",
    "d": "dropout",
    "D": "spatial_dropout",
}
LETTERS = {name: letter for letter, name in OPS.items()}
DROPOUT = (
    "D is a Dropout2d on volumes, too: it drops whole maps, as Dropout3d does, but PyTorch warns that it may not stay."
)


def _refusal(run: Run) -> str:
    values = run.weight.values
    if run.letters.lstrip("D").startswith("A"):
        return f"{BLOCK} starts with no activation"
    if values["dilation"] != 1 or values["groups"] != 1:
        return f"{BLOCK} has no dilation and no groups"
    for layer in (run.norm, run.activation, run.dropout):
        if layer and (layer.name not in LETTERS or set(layer.arguments) - {"num_groups", "p"}):
            return f"{BLOCK} has no letter for {layer.call.op}"
    if values["bias"] is not (run.norm is None):
        kept = "keeps a bias where there is no norm" if run.norm is None else "has no bias beside a norm"
        return f"{BLOCK} {kept}, and the block {'has none' if run.norm is None else 'has one'}"
    return ""


def _block(run: Run) -> list[SourceCall]:
    values = run.weight.values
    arguments = [
        "in_channels",
        "out_channels",
        *differing(values, {"kernel_size": 3}),
        f'order="{"".join(LETTERS[call.op.name] for call in run.inside)}"',
        *([f"num_groups={run.norm.arguments['num_groups']}"] if run.norm and run.norm.name == "group_norm" else []),
        *differing(values, {"padding": 1}),
        *([f"dropout_prob={run.dropout.values['p']!r}"] if run.dropout else []),
        *(["is3d=False"] if run.dims == 2 else []),
    ]
    return [SourceCall("SingleConv", arguments)]


def _notes(run: Run) -> list[str]:
    return [DROPOUT] if run.dims == 3 and run.dropout and run.dropout.name == "spatial_dropout" else []


UNET3D = Library(
    "pytorch-3dunet",
    "pytorch-3dunet",
    "the letters of pytorch-3dunet's SingleConv",
    (
        LibraryBlock(
            BLOCK,
            "pytorch3dunet.unet3d.buildingblocks",
            ("SingleConv",),
            tuple("".join(letters) for letters in permutations("WNAD")),
            (2, 3),
            _block,
            _refusal,
            takes_stride=False,
            notes=_notes,
        ),
    ),
).format


def from_3dunet(
    order: str = "gcr",
    *,
    kernel_size: Any = 3,
    num_groups: int = 8,
    padding: Any = 1,
    dropout_prob: float = 0.1,
) -> BlockSpec:
    """The block that pytorch-3dunet's ``SingleConv`` makes of these arguments, with its defaults.

    Args:
        order: Letters: c convolution, g group norm, b batch norm, r ReLU, l leaky ReLU, e ELU, d dropout of elements,
            D of maps. Repeats count for nothing. With g or b there is no bias.
        kernel_size: Of the convolution.
        num_groups: Of the group norm; pytorch-3dunet takes one group where there are fewer channels than these.
        padding: Of the convolution.
        dropout_prob: The rate.

    Raises:
        ExportError: The letters are none of pytorch-3dunet's, c lacks, or an activation comes first.

    Example:
        >>> str(from_3dunet("gcr")), str(from_3dunet("cbr"))
        ('group_norm > conv(bias=false) > relu', 'conv > batch_norm > relu')
    """
    unknown = [letter for letter in order if letter not in OPS]
    if unknown:
        raise ExportError(
            f"order: got {order!r}, but {unknown[0]!r} is none of pytorch-3dunet's letters {', '.join(OPS)}."
        )
    if "c" not in order or order[0] in "rle":
        raise ExportError(f"order: got {order!r}, but pytorch-3dunet's holds a c and starts with no activation.")
    params: Mapping[str, Mapping[str, Any]] = {
        "g": {"groups": num_groups},
        "d": {"p": dropout_prob},
        "D": {"p": dropout_prob},
    }
    conv = conv_op(kernel_size, padding, 1, 1)
    ops = [conv if letter == "c" else OpSpec(OPS[letter], **params.get(letter, {})) for letter in distinct(order)]
    return block_of(ops, bias=not set("gb") & set(order))
