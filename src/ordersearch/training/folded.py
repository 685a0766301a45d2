"""Replicas of networks that are made of known layers: their channels stand side by side in one wider network."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ordersearch.block import Block, Residual
from ordersearch.networks.ends import GlobalAveragePool, GlobalMaxPool
from ordersearch.networks.inception import Branches
from ordersearch.training.layout import only_guarded, put_channels_last
from ordersearch.training.replicas import Packed, Replicas, apart, stack

_CONTAINERS = (nn.Sequential, Block, Residual, Branches)
# What treats each value, or each channel, alike wherever it stands.
_ALIKE = (
    *(nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(GlobalAveragePool, GlobalMaxPool),
)
# What counts its channels, and with them groups of channels.
_BY_CHANNEL = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.GroupNorm),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
_COUNTS = ("in_channels", "out_channels", "groups", "num_features", "num_channels", "num_groups")


class FoldedReplicas(Replicas):
    """Replicas as the channels of one network: grouped convolutions, one norm over all channels, batched products.

    A layer is one call, as in a single network, where ``vmap`` makes several of it and copies maps in between.
    Measured on one CPU thread with 4 and 8 replicas, multi-layer perceptrons train 1.1 to 1.2 times as fast as by
    ``vmap``, convolutional networks 1.8 to 2.4 times at 8x8 and 3.5 to 4.2 times at 28x28 (medians of 5).

    Args:
        models: The networks, at least one, whose ``can_fold`` is true.
        channels_last: Whether weights are laid out so.
    """

    def __init__(self, models: Sequence[nn.Module], *, channels_last: bool) -> None:
        packed: list[Packed] = []
        network = _folded(list(models), packed)
        if channels_last:
            put_channels_last(network)
        self._n = len(models)
        super().__init__(packed, network)

    @property
    def n(self) -> int:
        """How many there are."""
        return self._n

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs, ``(batch, n, outputs)``, of ``(batch, n * channels, *sizes)``."""
        return apart(self.network(x), self.n)


def can_fold(models: Sequence[nn.Module]) -> bool:
    """Whether these networks are made, alike, of layers that can stand side by side, and nothing else.

    Example:
        >>> can_fold([nn.Sequential(nn.Linear(4, 2), nn.ReLU()) for _ in range(3)])
        True
        >>> can_fold([nn.Sequential(nn.Linear(4, 2), nn.Softmax(1)) for _ in range(3)])
        False
    """
    alike = all(str(model) == str(models[0]) for model in models)
    return alike and all(_is_plain(model) and all(map(_is_known, model.modules())) for model in models)


def _is_plain(model: nn.Module) -> bool:
    """Whether no tensor and no layer stands in two places."""
    every = [id(layer) for _, layer in model.named_modules(remove_duplicate=False)]
    tensors = [id(tensor) for _, tensor in model.named_parameters(remove_duplicate=False)]
    return len(set(every)) == len(every) and len(set(tensors)) == len(tensors)


def _is_known(layer: nn.Module) -> bool:
    # A subclass, a hook or a forward of its own may do anything.
    if "forward" in vars(layer) or not only_guarded(layer):
        return False
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) and layer.momentum is None:
        return False
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    if isinstance(layer, nn.LayerNorm):
        return len(layer.normalized_shape) == 1
    if getattr(layer, "return_indices", False):
        return False
    return type(layer) in (*_CONTAINERS, *_ALIKE, *_BY_CHANNEL, nn.Flatten, nn.Linear, nn.PReLU)


def _folded(layers: list[nn.Module], packed: list[Packed]) -> nn.Module:
    """One layer in the place of one of each replica; adds its tensors to ``packed``."""
    first = layers[0]
    if type(first) in _CONTAINERS:
        children = {name: [layer.get_submodule(name) for layer in layers] for name, _ in first.named_children()}
        folded = FoldedBranches(len(layers)) if type(first) is Branches else copy.copy(first)
        folded._modules = {name: _folded(each, packed) for name, each in children.items()}
        return folded
    tensors = {name: stack(owners, along_first=True) for name, owners in _owners(layers)}
    packed.extend(tensors.values())
    if isinstance(first, nn.Linear):
        return FoldedLinear(len(layers), tensors)
    if isinstance(first, nn.LayerNorm):
        return FoldedLayerNorm(len(layers), tensors, first.eps)
    if isinstance(first, nn.PReLU):
        return FoldedPReLU(len(layers), tensors)
    return _widened(first, len(layers), tensors)


def _owners(layers: Sequence[nn.Module]) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    for named in zip(*map(_own_tensors, layers), strict=True):
        yield named[0][0], tuple(tensor for _, tensor in named)


def _own_tensors(layer: nn.Module) -> list[tuple[str, Tensor]]:
    return [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]


def _widened(layer: nn.Module, n: int, tensors: dict[str, Packed]) -> nn.Module:
    widened = copy.deepcopy(layer)
    if type(layer) in _BY_CHANNEL:
        for count in _COUNTS:
            if hasattr(layer, count):
                setattr(widened, count, n * getattr(layer, count))
    for name, packed in tensors.items():
        setattr(widened, name, packed.tensor)
    return widened


class FoldedBranches(nn.Module):
    """Each replica's branches, one behind the other."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        """The branches' maps, those of a replica together."""
        maps = [branch(x).chunk(self.n, 1) for branch in self.children()]
        return torch.cat([part for replica in zip(*maps, strict=True) for part in replica], 1)


class _FoldedLayer(nn.Module):
    """A layer of ``n`` replicas with their tensors."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, n: int, tensors: dict[str, Packed]) -> None:
        super().__init__()
        self.n = n
        for name in ("weight", "bias"):
            self.register_parameter(name, cast(nn.Parameter, tensors[name].tensor) if name in tensors else None)


class FoldedLinear(_FoldedLayer):
    """A linear layer for each replica: ``(batch, n * features)`` to ``(batch, n * outputs)``."""

    def forward(self, x: Tensor) -> Tensor:
        """All replicas' products, in one call."""
        assert self.weight is not None
        inputs = apart(x, self.n).transpose(0, 1)
        weight = self.weight.view(self.n, -1, inputs.shape[2]).transpose(1, 2)
        if self.bias is None:
            output = torch.bmm(inputs, weight)
        else:
            output = torch.baddbmm(self.bias.view(self.n, 1, -1), inputs, weight)
        return output.transpose(0, 1).flatten(1)


class FoldedLayerNorm(_FoldedLayer):
    """A layer norm over each replica's features."""

    def __init__(self, n: int, tensors: dict[str, Packed], eps: float) -> None:
        super().__init__(n, tensors)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The features, each replica's normalised by its own mean and variance."""
        return functional.group_norm(x, self.n, self.weight, self.bias, self.eps)


class FoldedPReLU(_FoldedLayer):
    """A leaky ReLU with each replica's slope or slopes."""

    def forward(self, x: Tensor) -> Tensor:
        """Values where positive, slope times values elsewhere."""
        assert self.weight is not None
        n_channels = x.shape[1] // self.n
        slopes = self.weight.view(self.n, -1).expand(self.n, n_channels)
        return functional.prelu(x, slopes.flatten())
