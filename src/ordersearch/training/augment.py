"""Random flips and shifts of training images, done on the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ordersearch.errors import DataError
from ordersearch.seeds import derived_seed

PADDING_SHARE = 8


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What is done to the images of one epoch, drawn for all of them at its start.

    A run's draws depend on its seed and the epoch alone, so all orders that are compared see the same images.

    Attributes:
        flips: Which images are turned left to right, bool ``(n,)`` in the order that the epoch visits them; or None.
        shifts: By how many pixels each is shifted down and to the right, int64 ``(n, 2)``; or None.
    """

    flips: Tensor | None
    shifts: Tensor | None

    @classmethod
    def drawn(
        cls, augment: str, n: int, sample_shape: tuple[int, ...], *, seed: int, epoch: int, device: torch.device
    ) -> Augmentation:
        """The draws of one epoch, on ``device``.

        Shifts are whole pixels, each as likely as any other, up to an eighth of the height and of the width (3 of 28
        pixels; none of less than 8). That is a random crop of the image padded by its own reflection.

        Args:
            augment: As ``TrainingSettings`` has it.
            n: Images in the epoch.
            sample_shape: ``(channels, height, width)``.
            seed: The run's.
            epoch: Counted from 0.
            device: Where the images will be.
        """
        generator = torch.Generator().manual_seed(derived_seed(seed, "augment", epoch))
        # Both are drawn whether asked for or not, so that "flip" flips what "flip,crop" flips.
        flips = torch.rand(n, generator=generator) < 0.5
        most = torch.tensor([size // PADDING_SHARE for size in sample_shape[1:]])
        shifts = (torch.rand(n, 2, generator=generator) * (2 * most + 1)).long() - most
        return cls(
            flips.to(device) if "flip" in augment else None,
            shifts.to(device) if "crop" in augment else None,
        )

    def __call__(self, images: Tensor, start: int) -> Tensor:
        """``images``, ``(n, channels, height, width)``, as they are seen from place ``start`` of the epoch on.

        Values are only moved: what is shifted in from outside is the image's own reflection at its edge.
        """
        places = slice(start, start + len(images))
        rows, columns = (torch.arange(size, device=images.device)[None] for size in images.shape[2:])
        if self.flips is not None:
            columns = torch.where(self.flips[places, None], columns.flip(1), columns)
        if self.shifts is not None:
            down, right = self.shifts[places].unsqueeze(2).unbind(1)
            rows, columns = _reflected(rows - down, images.shape[2]), _reflected(columns - right, images.shape[3])
        return _gathered(images, rows, columns)


def require_images(augment: str, sample_shape: tuple[int, ...]) -> None:
    """Nothing when these samples can be augmented so, or are not to be augmented.

    Raises:
        DataError: Something else than images was to be augmented.
    """
    if augment and len(sample_shape) != 3:
        raise DataError(
            f"Got augment={augment!r}, but only images (channels, height, width) are flipped and cropped, and a sample "
            f"here has shape {sample_shape}. Leave augment out."
        )


def _reflected(places: Tensor, size: int) -> Tensor:
    """Places up to ``size - 1`` beyond either end, mirrored at the outermost pixel, which is not doubled."""
    return size - 1 - (size - 1 - places.abs()).abs()


def _gathered(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``images[i, :, rows[i], columns[i]]``, in the memory format of ``images``."""
    n, channels, height, width = images.shape
    # One flat index: five times as fast on a CPU as an index for each dimension.
    places = (rows[:, :, None] * width + columns[:, None, :]).reshape(-1, 1, height * width)
    moved = images.flatten(2).gather(2, places.expand(n, channels, -1)).view(images.shape)
    return moved if images.is_contiguous() else moved.contiguous(memory_format=torch.channels_last)
