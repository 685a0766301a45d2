"""Whether code leaves the global generators of random numbers alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ordersearch.testing.check import require


@contextmanager
def untouched(what: str) -> Iterator[None]:
    """Raise an ``AssertionError`` if the block draws from a global generator, or seeds one.

    Args:
        what: What is done in the block, as the beginning of a sentence.
    """
    before = _states()
    yield
    for name, state in _states().items():
        require(
            state == before[name],
            f"{what} draws from {name}'s global generator or seeds it, which would make one run depend on another: "
            "take a generator of your own",
        )


def _states() -> dict[str, str]:
    return {
        "random": repr(random.getstate()),
        "NumPy": repr([part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state()]),
        "PyTorch": repr(torch.get_rng_state().tolist()),
    }
