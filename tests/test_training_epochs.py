from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ordersearch.block import BlockFactory
from ordersearch.data.tensors import TensorSplit
from ordersearch.spec import BlockSpec
from ordersearch.training.fit import fit
from ordersearch.training.framework import pl
from ordersearch.training.module import TensorModule
from ordersearch.training.packed import fit_packed
from ordersearch.training.settings import TrainingSettings
from ordersearch.training.trainer import train_epochs

BLOCKS = (
    "conv > batch_norm > relu > max_pool > dropout(p=0.1)",
    "conv > spatial_dropout(p=0.1) > group_norm > gelu > avg_pool",
    "conv > batch_norm > selu > alpha_dropout(p=0.1)",
    "batch_norm > conv > prelu > feature_alpha_dropout(p=0.1) > max_pool",
)
# What makes the host read from the device, and so wait for it.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal.default", "is_nonzero", "_unique", "bincount")


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations inside that would wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(name in str(func) for name in WAITS):
            self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


class Reading(nn.Module):
    """A layer that reads a value out of a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x / max(1.0, x.detach().abs().max().item())


def images(n: int = 48) -> TensorSplit:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(n, 1, 8, 8, generator=generator), torch.arange(n) % 2
    return TensorSplit(x, y, x, y, x, y, "classification")


def network(block: nn.Module) -> nn.Module:
    return nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def waits(block: nn.Module, *, batch_size: int, n_packed: int = 0) -> Counter[str]:
    settings = TrainingSettings(max_epochs=2, batch_size=batch_size, augment="flip,crop")
    data = images()
    with Waits() as seen:
        if n_packed:
            models = [network(block) for _ in range(n_packed)]
            fit_packed(models, [data] * n_packed, settings=settings, learning_rate=1e-3, seeds=range(n_packed))
        else:
            fit(network(block), data, settings=settings, learning_rate=1e-3, seed=0)
    counts: Counter[str] = seen.counts
    return counts


@pytest.mark.parametrize("text", BLOCKS)
@pytest.mark.parametrize("n_packed", [0, 2])
def test_no_batch_waits_for_the_device(text: str, n_packed: int) -> None:
    block = BlockFactory(BlockSpec.parse(text), 2)(1, 4)
    many, few = (waits(block, batch_size=size, n_packed=n_packed) for size in (8, 24))
    assert many == few


def test_a_layer_that_waits_would_be_noticed() -> None:
    block = nn.Sequential(nn.Conv2d(1, 4, 3), Reading())
    assert waits(block, batch_size=8) != waits(block, batch_size=24)


def test_callbacks_are_told_of_each_validation_when_it_is_over() -> None:
    told: list[tuple[int, float, bool]] = []

    class Watching(pl.Callback):
        def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            loss = float(trainer.callback_metrics["val/loss"])
            told.append((trainer.current_epoch, loss, all(weight.grad is None for weight in model.parameters())))

    model = network(BlockFactory(BlockSpec.parse(BLOCKS[0]), 2)(1, 4))
    settings = TrainingSettings(max_epochs=3, batch_size=16)
    module = TensorModule(model, images(), settings=settings, learning_rate=1e-3, seed=0)
    train_epochs(module, [model], settings, [Watching()])
    assert told == [(epoch, entry["val/loss"], True) for epoch, entry in enumerate(module.history)]
    assert len(told) == 3
