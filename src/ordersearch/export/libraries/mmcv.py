"""Blocks in terms of mmcv's ``ConvModule``, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from types import MappingProxyType
from typing import Any

from ordersearch.errors import ExportError
from ordersearch.export.libraries.library import Library
from ordersearch.export.libraries.library_block import Layer, LibraryBlock, Run, differing
from ordersearch.export.libraries.source_items import mapping
from ordersearch.export.libraries.terms import ACT_CLASSES, TORCH_ACTIVATIONS, Terms, block_of, conv_op
from ordersearch.export.source_lines import SourceCall
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

WORDS = {"W": "conv", "N": "norm", "A": "act"}
NAMED_ACTIVATIONS = {
    **{name: name for name in ("ReLU", "LeakyReLU", "PReLU", "ReLU6", "ELU", "Sigmoid", "Tanh", "SiLU", "GELU")},
    "Hardswish": "HSwish",
}
NOT_INPLACE = ("PReLU", "Sigmoid", "Tanh", "GELU")
INITIAL = (
    "ConvModule draws initial weights of its own (Kaiming's normal law, biases 0), not those of torch.nn: training "
    "starts elsewhere."
)
BIAS = (
    "ConvModule warns of a bias beside a batch norm. Here the norm does not follow the convolution at once, so the "
    "bias counts."
)


def _refusal(run: Run) -> str:
    if run.norm and run.norm.torch_name not in (f"BatchNorm{run.dims}d", "GroupNorm"):
        return f"mmcv's ConvModule has no {run.norm.name}"
    if run.activation and not (run.activation.takes_inplace or run.activation.torch_name in NOT_INPLACE):
        return (
            f"mmcv's ConvModule gives every activation an argument inplace, which {run.activation.name} does not take"
        )
    return ""


def _notes(run: Run) -> list[str]:
    warns = run.norm is not None and run.norm.name == "batch_norm" and run.weight.values["bias"]
    return [INITIAL, *([BIAS] if warns else [])]


def _module(run: Run) -> list[SourceCall]:
    values = run.weight.values
    order = ", ".join(f'"{WORDS[letter]}"' for letter in run.order)
    arguments = [
        "in_channels",
        "out_channels",
        f"kernel_size={values['kernel_size']!r}",
        *differing(values, {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": run.norm is None}),
        *([_config("conv_cfg", f'"Conv{run.dims}d"', {})] if run.dims != 2 else []),
        *([_norm(run.norm, run.dims)] if run.norm else []),
        *_activation(run),
        *([f"order=({order})"] if run.order != "WNA" else []),
    ]
    return [SourceCall("ConvModule", arguments)]


def _norm(layer: Layer, dims: int) -> SourceCall:
    name = "GN" if layer.torch_name == "GroupNorm" else "BN" if dims == 2 else f"BN{dims}d"
    return _config("norm_cfg", f'"{name}"', layer.arguments)


def _activation(run: Run) -> Iterator[SourceCall | str]:
    layer = run.activation
    if layer is None:
        yield "act_cfg=None"
        return
    name = NAMED_ACTIVATIONS.get(layer.torch_name)
    if name != "ReLU":
        yield _config("act_cfg", f'"{name}"' if name else layer.constructor, layer.arguments)
    # In place, an activation that comes first would change the block's input for whoever else reads it.
    if not layer.is_safe_inplace or (run.letters[0] == "A" and layer.takes_inplace):
        yield "inplace=False"


def _config(keyword: str, name: str, items: Mapping[str, str]) -> SourceCall:
    return mapping(f"{keyword}=", {"type": name, **items})


MMCV = Library(
    "mmcv",
    "mmcv",
    "mmcv's ConvModule",
    (
        LibraryBlock(
            "mmcv's ConvModule",
            "mmcv.cnn",
            ("ConvModule",),
            ("WNA", *("".join(letters) for letters in permutations("WNA") if letters != ("W", "N", "A"))),
            (1, 2, 3),
            _module,
            _refusal,
            notes=_notes,
        ),
    ),
).format

CONVS = ("Conv", "Conv1d", "Conv2d", "Conv3d")
NORM_KINDS = Terms(
    "mmcv's norm",
    {**dict.fromkeys(("BN", "BN1d", "BN2d", "BN3d"), "batch_norm"), "GN": "group_norm"},
    {"GN": "num_groups"},
)
ACTS = Terms(
    "mmcv's activation",
    {**{known: TORCH_ACTIVATIONS[name] for name, known in NAMED_ACTIVATIONS.items()}, "Swish": "silu"},
)
ACT_CFG: Mapping[str, Any] = MappingProxyType({"type": "ReLU"})


def from_mmcv(
    order: Sequence[str] = ("conv", "norm", "act"),
    *,
    kernel_size: Any = 3,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: bool | str = "auto",
    conv_cfg: Mapping[str, Any] | None = None,
    norm_cfg: Mapping[str, Any] | None = None,
    act_cfg: Mapping[str, Any] | None = ACT_CFG,
) -> BlockSpec:
    """The block that mmcv's ``ConvModule`` makes of these arguments, with its defaults (a kernel it has none for).

    Args:
        order: "conv", "norm" and "act", each once.
        kernel_size: Of the convolution.
        padding: Of the convolution, none by default.
        dilation: Of the convolution.
        groups: Of the convolution.
        bias: "auto" is a bias where there is no norm, wherever the norm stands.
        conv_cfg: The kind of convolution, a plain one where None.
        norm_cfg: The norm's ``type`` and arguments, or None.
        act_cfg: The activation's ``type`` and arguments, or None.

    Raises:
        ExportError: The order is none of mmcv's, or a layer is no op here.

    Example:
        >>> str(from_mmcv(("conv", "act", "norm"), padding=1, norm_cfg={"type": "BN"}))
        'conv(bias=false) > relu > batch_norm'
    """
    if sorted(order) != ["act", "conv", "norm"]:
        raise ExportError(f"order: got {order!r}, but mmcv's holds 'conv', 'norm' and 'act', each once.")
    if conv_cfg is not None and conv_cfg.get("type") not in CONVS:
        raise ExportError(f"conv_cfg: got {conv_cfg!r}, but a conv here is of type {', '.join(map(repr, CONVS))}.")
    layers = {
        "conv": conv_op(kernel_size, padding, dilation, groups),
        "norm": _configured(norm_cfg, NORM_KINDS),
        "act": _configured(act_cfg, ACTS),
    }
    has_bias = norm_cfg is None if bias == "auto" else bool(bias)
    return block_of([op for name in order if (op := layers[name]) is not None], bias=has_bias)


def _configured(config: Mapping[str, Any] | None, terms: Terms) -> OpSpec | None:
    if config is None:
        return None
    arguments = {key: value for key, value in config.items() if key != "type"}
    kind = config.get("type")
    return (ACT_CLASSES if isinstance(kind, type) else terms).op(getattr(kind, "__name__", str(kind)), arguments)
