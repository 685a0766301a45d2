"""How many cores this process may use, and how many threads a training is worth."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from ordersearch.data.control_groups import control_groups, file_text

ONE_THREAD_VALUES = 256
THREADS_VARIABLE = "OMP_NUM_THREADS"


@contextmanager
def suited_threads(input_shape: tuple[int, ...]) -> Iterator[None]:
    """Use one thread inside for samples of up to 256 values, and the process's own number for larger ones.

    A step on 8x8 images is so short that a second thread gains nothing (124 ms against 108 to 146 ms a training, 5 runs
    each, 2 cores), and when another process has the second core, threads that wait for each other made the same
    training take 12 s. At 28x28 two threads are 1.2 to 1.6 times as fast as one.
    """
    with limited_threads(1 if math.prod(input_shape) <= ONE_THREAD_VALUES else torch.get_num_threads()):
        yield


@contextmanager
def limited_threads(n: int) -> Iterator[None]:
    """Let PyTorch use ``n`` threads inside.

    Example:
        >>> with limited_threads(1):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def available_cores(environ: Mapping[str, str] = os.environ, *, root: Path = Path("/")) -> int:
    """How many cores this process may keep busy: those it may run on, or fewer where something allows less.

    That is a control group (of a container or a job), or ``OMP_NUM_THREADS``: who set it wants no more of the machine
    to be taken.

    Args:
        environ: The environment variables.
        root: Where ``/proc`` and ``/sys`` are.

    Example:
        >>> available_cores({"OMP_NUM_THREADS": "1"})
        1
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = re.match(r"\s*(\d+)", environ.get(THREADS_VARIABLE, ""))
    limits = [own, *(int(limit) for limit in _group_limits(root)), *([int(asked[1])] if asked else [])]
    return max(1, min(limits))


def _group_limits(root: Path) -> Iterator[float]:
    """How many cores each control group with a limit allows."""
    for folder, is_new in control_groups("cpu", root):
        names = ("cpu.max",) if is_new else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota = " ".join(file_text(folder / name) for name in names).split()
        if len(quota) == 2 and all(word.isdigit() for word in quota) and int(quota[1]) > 0:
            yield int(quota[0]) / int(quota[1])
