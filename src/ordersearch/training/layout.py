"""Memory layouts: channels last where that is fast, and not where it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

FEWEST_CHANNELS = 8
_GUARDED = "_ordersearch_guarded"


def put_channels_last(model: nn.Module) -> None:
    """Lay a model's weights out channels last, but for convolutions that break so; twice changes nothing.

    With torch 2.13.0 on a CPU, the backward pass of a 1x1 convolution with a stride of 2 and fewer than 8 channels
    writes outside of its memory when its input or its weight is channels last: the process aborts, or worse, goes on.
    Such convolutions project the shortcuts of narrow residual networks. They keep their weight, and get their inputs
    channels first; values do not depend on the layout.

    A group norm (and a layer norm over maps, which is one) whose input needs no gradient, since it stands before every
    weight, ends the process in its backward pass when that input is channels last: it gets it channels first too.

    Args:
        model: Whose weights are laid out, in place.
    """
    for layer in model.modules():
        if _breaks(layer):
            _guard(layer, _channels_first)
            continue
        if isinstance(layer, nn.GroupNorm):
            _guard(layer, _samples_channels_first)
        for parameter in layer.parameters(recurse=False):
            if parameter.ndim == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)


def _guard(layer: nn.Module, hook: Callable[..., tuple[Any, ...]]) -> None:
    if not hasattr(layer, _GUARDED):
        layer.register_forward_pre_hook(hook)
        setattr(layer, _GUARDED, True)


def _breaks(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels // layer.groups < FEWEST_CHANNELS
    )


def _channels_first(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    x, *rest = inputs
    return (x.contiguous() if isinstance(x, Tensor) and x.device.type == "cpu" else x, *rest)


def _samples_channels_first(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    x = inputs[0]
    needs_none = isinstance(x, Tensor) and torch.is_grad_enabled() and not x.requires_grad
    return _channels_first(layer, inputs) if needs_none else inputs


def only_guarded(layer: nn.Module) -> bool:
    """Whether a layer has no hook but, maybe, one that keeps its inputs channels first.

    Example:
        >>> only_guarded(nn.Conv2d(4, 4, 1, stride=2))
        True
    """
    kinds = ("_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
    guards = set(layer._forward_pre_hooks.values()) <= {_channels_first, _samples_channels_first}
    return guards and not any(getattr(layer, kind) for kind in kinds)
