"""Memory layouts: channels last where that is fast, and not where it breaks."""

from __future__ import annotations

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

    Args:
        model: Whose weights are laid out, in place.
    """
    for layer in model.modules():
        if _breaks(layer):
            if not hasattr(layer, _GUARDED):
                layer.register_forward_pre_hook(_channels_first)
                setattr(layer, _GUARDED, True)
            continue
        for parameter in layer.parameters(recurse=False):
            if parameter.ndim == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)


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
