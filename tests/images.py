"""Small image files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def noise(n: int, height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Coloured images ``(n, height, width, 3)``, no two alike."""
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def write_images(folder: Path, images: NDArray[np.uint8]) -> list[Path]:
    """One PNG file, which loses nothing, for each image; gives their paths."""
    paths = [folder / f"{number:04d}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def cut(path: Path, share: float = 0.5) -> None:
    """Cut a file short."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
