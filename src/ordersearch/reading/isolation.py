"""A copy of a module to run, so that the module and the generators of random numbers stay as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
from torch import Tensor, inference_mode, jit, nn, no_grad
from torch.nn.parameter import is_lazy
from torch.random import fork_rng

from ordersearch.errors import ReadingError
from ordersearch.user_code import told


@contextmanager
def isolated(module: nn.Module) -> Iterator[nn.Module]:
    """A copy of the module on the CPU; in here, what is drawn from generators of random numbers is given back.

    Raises:
        ReadingError: It cannot be copied, or its copy reaches back to it.
    """
    _check_can_be_copied(module)
    held = [(tensor, tensor.detach().clone()) for tensor in _tensors(module)]
    generators = random.getstate(), np.random.get_state()
    changed = []
    try:
        with inference_mode(False), fork_rng(devices=[]):
            yield _copied(module)
    finally:
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        # Compared, since not every operator that changes a tensor counts its version on.
        changed = [(tensor, value) for tensor, value in held if not _is_same(tensor, value)]
        with no_grad():
            for tensor, value in changed:
                tensor.copy_(value)
    if changed:
        raise ReadingError(
            "a copy of it changes the module that it is a copy of: something in it, a lambda say, holds the module "
            "itself. Take a method instead."
        )


def other_generators() -> tuple[Any, ...]:
    """The states of the generators of random numbers that are not PyTorch's."""
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(keys).tolist(), rest


def _is_same(tensor: Tensor, value: Tensor) -> bool:
    is_nan = (tensor != tensor) & (value != value)  # noqa: PLR0124
    return bool(((tensor == value) | is_nan).all())


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _check_can_be_copied(module: nn.Module) -> None:
    if any(isinstance(layer, jit.ScriptModule) for layer in module.modules()):
        raise ReadingError("it is scripted, which cannot be seen into. Read the module that was scripted.")
    for path, layer in module.named_modules():
        computed = [name for name, value in vars(layer).items() if isinstance(value, Tensor) and not value.is_leaf]
        if computed:
            raise ReadingError(
                f"layer {path!r} ({type(layer).__name__}) keeps a {computed[0]} that is computed from others (weight "
                f"norm or pruning, say), which a block does not hold."
            )
    if any(is_lazy(tensor) for tensor in _tensors(module)):
        raise ReadingError("it has lazy layers that have seen no data yet: call it once before.")
    if any(tensor.is_meta for tensor in _tensors(module)):
        raise ReadingError("its parameters are on the meta device, where nothing can be computed.")


def _copied(module: nn.Module) -> nn.Module:
    try:
        return deepcopy(module).to("cpu")
    except Exception as cause:
        raise ReadingError(
            f"it cannot be copied, and reading runs a copy so that the module stays as it is: {told(cause)}."
        ) from cause
