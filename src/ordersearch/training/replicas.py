"""Several networks of one build, with weights of their own, as one batched model."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap


@dataclass(frozen=True, eq=False)
class Packed:
    """A parameter or buffer of all replicas in one tensor.

    Attributes:
        tensor: Has the replicas' values one after the other along its first dimension.
        owners: The tensor of each replica's own network.
    """

    tensor: Tensor
    owners: tuple[Tensor, ...]

    def beside_owners(self, packed: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Each replica's part of a tensor that is packed as this one, beside the network's own tensor."""
        for owner, part in zip(self.owners, packed.detach().chunk(len(self.owners)), strict=True):
            yield part.reshape(owner.shape), owner


class Replicas(ABC):
    """One batched model of several networks; each replica's outputs and gradients are those of its network alone.

    Args:
        packed: The parameters and buffers.
        network: What runs the batched forward pass.

    Attributes:
        n: How many there are.
    """

    def __init__(self, packed: Sequence[Packed], network: nn.Module) -> None:
        self.network = network
        self._packed = list(packed)

    @property
    @abstractmethod
    def n(self) -> int: ...  # noqa: D102

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """The outputs, ``(batch, n, outputs)``.

        Args:
            x: ``(batch, n * channels, *sizes)`` or ``(batch, n * features)``: the replicas' samples side by side.
        """

    def train(self, mode: bool = True) -> None:
        """Put all replicas into training mode, or into evaluation mode."""
        self.network.train(mode)

    def weights(self) -> Iterator[tuple[nn.Parameter, bool]]:
        """The trainable parameters, each with whether it decays: by the dimensions that it has in one network."""
        for packed in self._packed:
            if isinstance(packed.tensor, nn.Parameter) and packed.tensor.requires_grad:
                yield packed.tensor, packed.owners[0].ndim >= 2

    def write_back(self) -> None:
        """Copy weights and buffers to the replicas' networks."""
        with torch.no_grad():
            for part, owner in self._parts():
                owner.copy_(part)

    def buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Each replica's buffers, beside those of its network."""
        return [(part, owner) for part, owner in self._parts() if not isinstance(owner, nn.Parameter)]

    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Each replica's gradients, beside those of its network."""
        return [
            (part, torch.zeros_like(owner) if owner.grad is None else owner.grad)
            for packed in self._packed
            if packed.tensor.grad is not None
            for part, owner in packed.beside_owners(packed.tensor.grad)
        ]

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        for packed in self._packed:
            yield from packed.beside_owners(packed.tensor)


class VmappedReplicas(Replicas):
    """Replicas of any network: its code runs once, on tensors that PyTorch's ``vmap`` batches behind its back.

    Dropout draws another mask for each replica.

    Args:
        models: The networks, at least one, alike but for the values of their parameters and buffers.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        template = copy.deepcopy(models[0])
        self._parameters = _stacked([dict(model.named_parameters()) for model in models])
        self._buffers = _stacked([dict(model.named_buffers()) for model in models])
        # Names of tied tensors, which are swapped together.
        self._names = _all_names(template, self._parameters, self._buffers)
        self._n = len(models)
        super().__init__([*self._parameters.values(), *self._buffers.values()], template)
        self._run = vmap(self._one, in_dims=(0, 0, 1), out_dims=(1, 0), randomness="different")

    @property
    def n(self) -> int:
        """How many there are."""
        return self._n

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs, ``(batch, n, outputs)``, of ``(batch, n * channels, *sizes)``."""
        parameters = [packed.tensor for packed in self._parameters.values()]
        buffers = [packed.tensor for packed in self._buffers.values()]
        # Channels first, weights too: PyTorch's group norm refuses another layout inside of vmap.
        output, assigned = self._run(parameters, buffers, apart(x.contiguous(), self.n))
        for index, value in assigned.items():
            buffers[index].copy_(value)
        assert isinstance(output, Tensor)
        return output

    def _one(self, parameters: list[Tensor], buffers: list[Tensor], x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """One replica's output, and the buffers that its code has assigned anew rather than changed in place."""
        values = [*parameters, *buffers]
        state = {name: values[index] for name, index in self._names.items()}
        # Without tying, since that swaps a copy of the dictionary, in which what is assigned would be lost.
        output = functional_call(self.network, state, (x,), tie_weights=False)
        first = len(parameters)
        return output, {
            index - first: state[name].detach()
            for name, index in self._names.items()
            if index >= first and state[name] is not values[index]
        }


def apart(x: Tensor, n: int) -> Tensor:
    """``(batch, n * channels, ...)`` as ``(batch, n, channels, ...)``, in the same memory."""
    return x.view(len(x), n, x.shape[1] // n, *x.shape[2:])


def _stacked(states: Sequence[dict[str, Tensor]]) -> dict[str, Packed]:
    """The tensors of each name, stacked along a new first dimension."""
    return {name: stack(tuple(state[name] for state in states)) for name in states[0]}


def stack(owners: tuple[Tensor, ...], *, along_first: bool = False) -> Packed:
    """Several networks' tensors as one: stacked, or put one after the other along their first dimension.

    Args:
        owners: Tensors of one shape; parameters give a parameter.
        along_first: Whether no dimension is added.
    """
    values = [owner.detach() for owner in owners]
    tensor = torch.cat(values) if along_first and values[0].ndim else torch.stack(values).contiguous()
    if isinstance(owners[0], nn.Parameter):
        return Packed(nn.Parameter(tensor, requires_grad=owners[0].requires_grad), owners)
    return Packed(tensor, owners)


def _all_names(template: nn.Module, *kinds: dict[str, Packed]) -> dict[str, int]:
    """Every name of a parameter or buffer, and the place of its tensor among all; tied ones share a place."""
    named = [*template.named_parameters(), *template.named_buffers()]
    assert [name for name, _ in named] == [name for kind in kinds for name in kind]
    places = {tensor: place for place, (_, tensor) in enumerate(named)}
    every = [
        *template.named_parameters(remove_duplicate=False),
        *template.named_buffers(remove_duplicate=False),
    ]
    return {name: places[tensor] for name, tensor in every}
