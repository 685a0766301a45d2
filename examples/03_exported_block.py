"""Take a winner home: a blocks file becomes layers of a network of your own."""

from pathlib import Path

import torch
from torch import nn

from ordersearch import load_blocks

BLOCKS = Path(__file__).with_name("blocks.yaml")


class TwoBlocks(nn.Module):
    """A network of one's own, whose convolutional blocks have the order that the search found."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        conv = load_blocks(BLOCKS)["conv"]
        self.features = nn.Sequential(conv(3, 32), conv(32, 64, dropout=False))
        self.head = nn.Linear(64, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(n, 3, height, width)`` to logits ``(n, n_classes)``."""
        return self.head(self.features(x).mean((2, 3)))


def main() -> None:
    model = TwoBlocks(10)
    print(model)
    print(model(torch.randn(2, 3, 32, 32)).shape)


if __name__ == "__main__":
    main()
