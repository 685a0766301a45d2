"""The layer itself."""

from torch import Tensor, nn


class SquaredReLU(nn.Module):
    """The square of ReLU, times ``scale``."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape, element by element."""
        return self.scale * x.relu().square()

    def extra_repr(self) -> str:
        """What stands in brackets when a network is printed."""
        return f"scale={self.scale}"
