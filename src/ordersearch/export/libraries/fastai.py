"""Blocks in terms of fastai's ``ConvLayer`` and ``LinBnDrop``, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any

from ordersearch.errors import unknown_name
from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import Layer, LibraryBlock, Run, differing, half
from ordersearch.export.libraries.source_items import partial_of
from ordersearch.export.libraries.terms import ACT_CLASSES, Terms, block_of, conv_op, described
from ordersearch.export.source_lines import SourceCall
from ordersearch.export.torch_layers import layer_source
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

CONV_INITIAL = (
    "ConvLayer draws initial weights of its own (Kaiming's uniform law for ReLU, biases with a deviation of 0.01), not "
    "those of torch.nn: training starts elsewhere."
)
NORM_INITIAL = "fastai's batch norm starts with biases of 0.001, that of torch.nn with 0."


def _norm_refusal(name: str, norm: Layer | None) -> str:
    if norm and norm.name != "batch_norm":
        return f"fastai's {name} has no {norm.name}"
    if norm and norm.arguments:
        return f"fastai's {name} gives its batch norm no arguments"
    return ""


def _conv_refusal(run: Run) -> str:
    return _norm_refusal("ConvLayer", run.norm)


def _linear_refusal(run: Run) -> str:
    if refusal := _norm_refusal("LinBnDrop", run.norm):
        return refusal
    if run.dropout and run.dropout.name != "dropout":
        return f"fastai's LinBnDrop has no {run.dropout.name}"
    if run.weight.values["bias"] is not (run.norm is None):
        if run.norm is None:
            return "fastai's LinBnDrop keeps a bias where there is no norm, and the block has none"
        return "fastai's LinBnDrop has no bias beside a norm, and the block has one"
    return ""


def _conv_layer(run: Run) -> list[SourceCall]:
    values = run.weight.values
    arguments = [
        "in_channels",
        "out_channels",
        *([f"ks={values['kernel_size']!r}"] if values["kernel_size"] != 3 else []),
        *differing(values, {"stride": 1, "padding": half(values["kernel_size"]), "bias": run.norm is None}),
        *([f"ndim={run.dims}"] if run.dims != 2 else []),
        *(["norm_type=None"] if run.norm is None else []),
        *(["bn_1st=False"] if run.order == "WAN" else []),
        *_act_cls(run.activation),
        *differing(values, {"dilation": 1, "groups": 1}),
    ]
    return [SourceCall("ConvLayer", arguments)]


def _act_cls(layer: Layer | None) -> list[SourceCall | str]:
    if layer is None:
        return ["act_cls=None"]
    return [] if layer.torch_name == "ReLU" else [partial_of("act_cls=", layer.constructor, layer.arguments)]


def _lin_bn_drop(run: Run) -> list[SourceCall]:
    arguments: list[SourceCall | str] = [
        "in_features",
        "out_features",
        *(["bn=False"] if run.norm is None else []),
        *([f"p={run.dropout.values['p']!r}"] if run.dropout else []),
        *_act(run.activation),
        *(["lin_first=True"] if run.order == "WAND" else []),
    ]
    return [SourceCall("LinBnDrop", arguments)]


def _act(layer: Layer | None) -> list[SourceCall | str]:
    if layer is None:
        return []
    made = layer_source(layer.call)
    return [SourceCall(f"act={made.name}", made.arguments)]


def _notes(run: Run) -> list[str]:
    return [*([CONV_INITIAL] if run.dims else []), *([NORM_INITIAL] if run.norm else [])]


FASTAI = Library(
    "fastai",
    "fastai",
    "fastai's ConvLayer and LinBnDrop",
    (
        LibraryBlock(
            "fastai's ConvLayer",
            "fastai.layers",
            ("ConvLayer",),
            ("WNA", "WAN"),
            (1, 2, 3),
            _conv_layer,
            _conv_refusal,
            notes=_notes,
        ),
        LibraryBlock(
            "fastai's LinBnDrop",
            "fastai.layers",
            ("LinBnDrop",),
            ("NDWA", "WAND"),
            (0,),
            _lin_bn_drop,
            _linear_refusal,
            notes=_notes,
        ),
    ),
).format

NORM_TYPES = Terms("fastai's norm_type", {"Batch": "batch_norm", "BatchZero": "batch_norm"})


def from_fastai(block: str = "ConvLayer", **arguments: Any) -> BlockSpec:
    """The block that fastai's ``ConvLayer`` or ``LinBnDrop`` makes of these arguments, with its defaults.

    Args:
        block: ``ConvLayer`` or ``LinBnDrop``.
        **arguments: Its own: ``ks, padding, bias, norm_type, bn_1st, act_cls, dilation, groups`` or
            ``bn, p, act, lin_first``; ``norm_type`` and ``act_cls`` as a name or as fastai takes them.

    Raises:
        UnknownNameError: No block or argument that counts has this name.
        ExportError: A layer is no op here.

    Example:
        >>> str(from_fastai("ConvLayer", bn_1st=False))
        'conv(bias=false) > relu > batch_norm'
        >>> str(from_fastai("LinBnDrop", p=0.1, act="ReLU", lin_first=True))
        'linear(bias=false) > relu > batch_norm > dropout(p=0.1)'
    """
    if block not in _BLOCKS:
        raise unknown_name("block of fastai", block, _BLOCKS)
    known = signature(_BLOCKS[block]).parameters
    for name in arguments:
        if name not in known:
            raise unknown_name(f"argument of {block} that says what it computes", name, known)
    return _BLOCKS[block](**arguments)


def _from_conv_layer(
    *,
    ks: Any = 3,
    padding: Any = None,
    bias: bool | None = None,
    norm_type: Any = "Batch",
    bn_1st: bool = True,
    act_cls: Any = "ReLU",
    dilation: Any = 1,
    groups: int = 1,
) -> BlockSpec:
    conv = conv_op(ks, 0, dilation, groups)
    if padding is None:
        padding = half(conv["kernel"])
    conv = conv_op(ks, padding, dilation, groups)
    norm = None if norm_type is None else NORM_TYPES.op(str(getattr(norm_type, "name", norm_type)), {})
    ops = [_act_op(act_cls), norm]
    return block_of([conv, *_there(reversed(ops) if bn_1st else ops)], bias=norm is None if bias is None else bias)


def _from_lin_bn_drop(*, bn: bool = True, p: float = 0.0, act: Any = None, lin_first: bool = False) -> BlockSpec:
    linear = _there([OpSpec("linear"), _act_op(act)])
    rest = _there([OpSpec("batch_norm") if bn else None, OpSpec("dropout", p=p) if p else None])
    return block_of([*linear, *rest] if lin_first else [*rest, *linear], bias=not bn)


_BLOCKS: Mapping[str, Callable[..., BlockSpec]] = {"ConvLayer": _from_conv_layer, "LinBnDrop": _from_lin_bn_drop}


def _act_op(act: Any) -> OpSpec | None:
    return None if act is None else ACT_CLASSES.op(*described(act))


def _there(ops: Iterable[OpSpec | None]) -> list[OpSpec]:
    return [op for op in ops if op is not None]
