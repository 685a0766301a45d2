"""Random numbers that depend on the run's seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ordersearch.seeds import derived_seed


def epoch_order(n: int, *, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch visits ``n`` samples: int64 ``(n,)``, on the CPU.

    It is drawn on the CPU for every device, so that a run visits the same batches on all of them.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, "batches", epoch))
    return torch.randperm(n, generator=generator)


def seed_noise(device: torch.device, *, seed: int, epoch: int) -> None:
    """Put the global generators that layers on ``device`` draw from where this epoch's noise begins.

    Dropout has no generator of its own. Seeding anew each epoch keeps an order that draws more numbers than another
    from shifting what both draw in the next epoch.
    """
    value = derived_seed(seed, "noise", epoch)
    # Not torch.manual_seed, which seeds every device of the process and not only the one that is given back.
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.manual_seed(value)


@contextmanager
def kept_generators(device: torch.device) -> Iterator[None]:
    """Leave the caller's global generators as they were, whatever is drawn or seeded inside."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
