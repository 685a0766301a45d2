"""The members of a class are one network in training, too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ordersearch.block import Block
from ordersearch.data.split import split_tensors
from ordersearch.identities import members
from ordersearch.networks import build_network
from ordersearch.ops import Role
from ordersearch.spec import BlockSpec
from ordersearch.training.fit import fit
from ordersearch.training.settings import TrainingSettings
from tests.searches import small_digits

ORDERS = (
    "conv > relu > max_pool",
    "conv > batch_norm > relu > max_pool",
    "conv > max_pool > batch_norm > relu > spatial_dropout(p=0.3)",
    "conv > spatial_dropout(p=0.3) > leaky_relu > max_pool > batch_norm",
    "conv > batch_norm > tanh > max_pool > dropout(p=0.3)",
    "batch_norm > conv > relu > dropout(p=0.3) > max_pool",
)


class Mask(nn.Module):
    """Dropout whose mask follows from a seed and the count of calls, at the size before or behind a pool alike."""

    def __init__(self, p: float, *, per_channel: bool, seed: int) -> None:
        super().__init__()
        self.p, self.per_channel, self.seed, self.n_calls = p, per_channel, seed, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        self.n_calls += 1
        generator = torch.Generator().manual_seed(1000 * self.seed + self.n_calls)
        shape = (*x.shape[:2], 1, 1) if self.per_channel else x.shape
        return x * (torch.rand(shape, generator=generator) >= self.p) / (1 - self.p)


def losses(spec: BlockSpec) -> list[float]:
    """Train and validation losses of one epoch of digits in float64."""
    network = build_network("cnn", {"conv": spec}, (1, 8, 8), 10, seed=3)
    for number, block in enumerate(module for module in network.modules() if isinstance(module, Block)):
        for name, layer in list(block.named_children()):
            if isinstance(layer, nn.Dropout | nn.Dropout2d):
                mask = Mask(layer.p, per_channel=isinstance(layer, nn.Dropout2d), seed=number)
                setattr(block, name, mask)
    settings = TrainingSettings(max_epochs=1, batch_size=64, precision="64", channels_last=False)
    result = fit(network, split_tensors(small_digits(400), split=0), settings=settings, learning_rate=0.01, seed=0)
    return [result.metrics["train/loss"], result.metrics["val/loss"]]


@pytest.mark.parametrize("text", ORDERS)
def test_members_of_a_class_have_the_same_losses_after_an_epoch(text: str) -> None:
    orders = members(BlockSpec.parse(text))
    assert len(orders) > 1
    first = losses(BlockSpec.parse(text))
    for order in orders:
        assert losses(order) == pytest.approx(first, abs=1e-8, rel=0)


def test_a_bias_before_a_norm_changes_no_training_loss() -> None:
    # In evaluation the two agree once the running mean has forgotten that it began at 0.
    with_bias, without = (losses(BlockSpec.parse(f"conv{bias} > batch_norm > elu")) for bias in ("(bias=true)", ""))
    assert with_bias[0] == pytest.approx(without[0], abs=1e-8, rel=0)


def test_another_class_has_other_losses() -> None:
    norm_first, norm_last = ("conv > batch_norm > relu > max_pool", "conv > relu > max_pool > batch_norm")
    one, other = (losses(BlockSpec.parse(text)) for text in (norm_first, norm_last))
    assert abs(one[0] - other[0]) > 1e-3
    assert not any(op.role is Role.DROPOUT for op in BlockSpec.parse(norm_first))
