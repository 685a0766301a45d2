"""Functional calls such as ``F.max_pool2d(x, 2)``, told in the terms of the layer that does the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from ordersearch.user_code import signature_of

_POOL = ("input", "kernel_size", "stride", "padding")
_BUILT_IN = {
    "conv": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "linear": ("input", "weight", "bias"),
    "prelu": ("input", "weight"),
    "max_pool": (*_POOL, "dilation", "ceil_mode"),
    "avg_pool": (*_POOL, "ceil_mode", "count_include_pad", "divisor_override"),
    "dropout": ("input", "p", "training"),
    "alpha_dropout": ("input", "p", "training"),
    "feature_alpha_dropout": ("input", "p", "training"),
    "leaky_relu": ("input", "negative_slope"),
    "elu": ("input", "alpha"),
    "softplus": ("input", "beta", "threshold"),
}
"""The arguments of functions that do not tell theirs: most are written in C++."""

_STATE = ("weight", "bias", "running_mean", "running_var")
_CALLED_OTHERWISE = {"self": "input", "train": "training"}


def constructor_arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor], bool | None] | None:
    """The arguments of the layer that does what this call does, its parameters and buffers, and whether it trains.

    Returns None where the arguments cannot be told apart.

    Example:
        >>> from torch.nn.functional import leaky_relu
        >>> constructor_arguments(leaky_relu, (1.0, 0.2), {})
        ({'negative_slope': 0.2, 'inplace': False}, {}, None)
    """
    bound = _bound(function, args, kwargs)
    if bound is None:
        return None
    bound.pop("input", None)
    state = {key: bound[key] for key in _STATE if isinstance(bound.get(key), Tensor)}
    arguments = {key: value for key, value in bound.items() if key not in (*_STATE, "training")}
    if "weight" in bound or "running_mean" in bound:
        arguments |= _learnt(state, bound)
    return arguments, state, bool(bound["training"]) if "training" in bound else None


def _bound(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    signature = signature_of(function)
    if signature is not None and not any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)
    names = _BUILT_IN.get(re.sub(r"([123]d)?_?$", "", function.__name__), ("input",))
    if len(args) > len(names):
        return None
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    return {_CALLED_OTHERWISE.get(key, key): value for key, value in named.items()}


def _learnt(state: Mapping[str, Tensor], bound: Mapping[str, Any]) -> dict[str, Any]:
    """What a layer is told at its making, and a function by the tensors that it is given."""
    weight = state.get("weight")
    arguments: dict[str, Any] = {"affine": weight is not None, "elementwise_affine": weight is not None}
    arguments["bias"] = "bias" in state
    if "running_mean" in bound:
        arguments["track_running_stats"] = "running_mean" in state
    elif weight is not None and weight.ndim > 2:
        arguments["kernel_size"] = tuple(weight.shape[2:])
    elif weight is not None and weight.ndim == 1 and "bias" not in bound:
        # A prelu: its slopes say where they are, not where they began.
        arguments |= {"num_parameters": weight.numel(), "init": round(float(weight.flatten()[0]), 6)}
    return arguments
