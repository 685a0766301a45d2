"""Search the best order for a network of your own: any nn.Module that makes its layers with what it is given.

On the command line the same is ``python -m ordersearch digits --network my_network:TwoPaths``.
"""

from collections.abc import Mapping

import torch
from optuna.storages import InMemoryStorage
from torch import nn

from ordersearch import BlockFactory, Search, SearchSpace, load_dataset
from ordersearch.networks import Network
from ordersearch.study.outputs import verdict
from ordersearch.training.settings import TrainingSettings


class TwoPaths(nn.Module):
    """Two paths of conv blocks, one with small and one with large windows, side by side."""

    def __init__(
        self, blocks: Mapping[str, BlockFactory], input_shape: tuple[int, ...], n_outputs: int, *, width: int = 8
    ) -> None:
        super().__init__()
        conv = blocks["conv"]
        # Each block makes the maps smaller: by its pool, or by a stride where the order has none.
        self.fine = nn.Sequential(conv.downsampling(input_shape[0], width), conv(width, width, pool=False))
        self.coarse = conv.downsampling(input_shape[0], width, kernel=5)
        self.head = nn.Linear(2 * width, n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(n, channels, height, width)`` to logits ``(n, n_outputs)``."""
        return self.head(torch.cat([self.fine(x).mean((2, 3)), self.coarse(x).mean((2, 3))], 1))


def main() -> None:
    network = Network("two_paths", "two paths side by side", ("conv",), (2,), TwoPaths, options={"width": 8})
    search = Search(
        "own-network",
        SearchSpace.load("conv"),
        load_dataset("digits"),
        network.with_options(width=12),
        TrainingSettings(max_epochs=3),
    )
    result = search.run(search.open_study(InMemoryStorage()), n_trials=6)
    print(verdict(search, result))


if __name__ == "__main__":
    main()
