"""How many threads a training is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

ONE_THREAD_VALUES = 256


@contextmanager
def suited_threads(input_shape: tuple[int, ...]) -> Iterator[None]:
    """Use one thread inside for samples of up to 256 values, and the process's own number for larger ones.

    A step on 8x8 images is so short that a second thread gains nothing (124 ms against 108 to 146 ms a training, 5 runs
    each, 2 cores), and when another process has the second core, threads that wait for each other made the same
    training take 12 s. At 28x28 two threads are 1.2 to 1.6 times as fast as one.
    """
    before = torch.get_num_threads()
    if math.prod(input_shape) <= ONE_THREAD_VALUES:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
