"""The layers that a block makes of what was read, with the weights of the module: do they compute the same?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

import torch
from torch import Tensor, nn

from ordersearch.errors import ReadingError
from ordersearch.reading.chain import ReadSegment
from ordersearch.reading.layers import ReadLayer
from ordersearch.user_code import call_user

_COUNTER = "num_batches_tracked"
_TOLERANCE = 1e-4


class Rebuilt(nn.Module):
    """What was read, made anew: the same function as the module's if it was read rightly.

    Args:
        segments: What was read.
        before: The values that the module's parameters and buffers had before it ran, by their identity.

    Raises:
        ReadingError: A layer has other parameters than its op's, or shares them with another.
    """

    def __init__(self, segments: Sequence[ReadSegment], before: Mapping[int, Tensor]) -> None:
        super().__init__()
        self._before = before
        self._held: dict[int, tuple[nn.Module, str, Tensor]] = {}
        self.branches = nn.ModuleList(self._row(segment.layers) for segment in segments)
        self.shortcuts = nn.ModuleList(self._row(segment.shortcut or ()) for segment in segments)
        self._has_shortcut = [segment.shortcut is not None for segment in segments]

    def forward(self, x: Tensor) -> Tensor:
        """The branches one after the other, each added to its shortcut where it has one."""
        for branch, shortcut, has_shortcut in zip(self.branches, self.shortcuts, self._has_shortcut, strict=True):
            x = branch(x) + shortcut(x) if has_shortcut else branch(x)
        return x

    def has_the_same_state(self) -> bool:
        """Whether its parameters and buffers are by now what the module's are."""
        return all(alike(made.state_dict()[key], theirs) for made, key, theirs in self._held.values())

    def _row(self, layers: Sequence[ReadLayer]) -> nn.Sequential:
        return nn.Sequential(*map(self._made, layers))

    def _made(self, read: ReadLayer) -> nn.Module:
        module, _, name = read.call.target.rpartition(".")
        made: nn.Module = call_user(
            lambda: getattr(import_module(module), name)(**read.call.arguments),
            at=f"the layer of op {read.op.name!r}",
            error=ReadingError,
            failed="cannot be made anew:",
        )
        held = {key: value for key, value in read.layer.state.items() if not key.endswith(_COUNTER)}
        if _shapes(held) != _shapes(made.state_dict()):
            raise ReadingError(
                f"{read.layer.where} holds {_listed(held)}, but the layer of op {read.op.name!r} holds "
                f"{_listed(made.state_dict())}."
            )
        for key, tensor in held.items():
            self._keep(read, made, key, tensor)
        values = {key: self._before[id(tensor)].clone() for key, tensor in held.items()}
        made.load_state_dict(values, strict=False, assign=True)
        return made

    def _keep(self, read: ReadLayer, made: nn.Module, key: str, tensor: Tensor) -> None:
        if id(tensor) not in self._before:
            raise ReadingError(
                f"the {key} of {read.layer.where} is no parameter of the module: it is computed from others (weight "
                f"norm, say), which a block does not hold, or its layer is kept in a plain list."
            )
        if id(tensor) in self._held:
            raise ReadingError(
                f"{read.layer.where} uses a {key} that was used before, but each op of a block has its own."
            )
        self._held[id(tensor)] = made, key, tensor


def alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors differ by rounding at most.

    Example:
        >>> alike(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
        False
    """
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    ours, theirs = ours.detach(), theirs.detach()
    tolerance = max(_TOLERANCE, 16 * torch.finfo(ours.dtype).eps)
    scale = float(theirs.abs().nan_to_num(0, 0, 0).max()) if theirs.numel() else 0.0
    return torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in tensors.items() if not key.endswith(_COUNTER)}


def _listed(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{key} {shape}" for key, shape in sorted(_shapes(tensors).items())) or "nothing"
