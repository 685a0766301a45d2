"""Whether a split is held in memory or streamed."""

from __future__ import annotations

import math

import torch

from ordersearch.data.dataset import Dataset
from ordersearch.data.memory import SHARE, memory_budget
from ordersearch.data.rows import ImageRows
from ordersearch.data.split import split_tensors
from ordersearch.data.stream import StreamSplit, split_stream
from ordersearch.data.tensors import TensorSplit

_CPU = torch.device("cpu")


def split_data(
    dataset: Dataset,
    *,
    split: int,
    device: torch.device = _CPU,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
    memory_bytes: int | None = None,
) -> TensorSplit | StreamSplit:
    """Split number ``split`` of a data set for ``device``: in memory when it fits there, else read batch by batch.

    Both give the same batches, bit for bit. Images that are files are decoded once and held as bytes where those fit.

    Args:
        dataset: What to split.
        split: Which split; any whole number.
        device: Where it will be trained.
        dtype: What inputs, and targets that are floats, are in.
        channels_last: Whether 4-D inputs are in that layout.
        memory_bytes: What the inputs may take; by default ``memory.memory_budget()`` and, of a GPU, 40 % of what is
            free there.

    Example:
        >>> from ordersearch.data.sources import load_dataset
        >>> digits = load_dataset("digits")
        >>> type(split_data(digits, split=0)).__name__, type(split_data(digits, split=0, memory_bytes=1000)).__name__
        ('TensorSplit', 'StreamSplit')

    Raises:
        DataError: There are too few samples of a class, an image cannot be read, or the variable ``ORDERSEARCH_MEMORY``
            holds no size.
    """
    budget = memory_budget() if memory_bytes is None else memory_bytes
    inputs = [x for x in (dataset.x, dataset.x_val, dataset.x_test) if x is not None]
    n_values = sum(math.prod(x.shape) for x in inputs)
    files = [x for x in inputs if isinstance(x, ImageRows) and x.decodes]
    n_decoded = sum(math.prod(x.shape) for x in files)
    if n_decoded <= budget:
        for x in files:
            x.keep()
    fits = n_decoded + n_values * dtype.itemsize <= budget
    if fits and device.type == "cuda" and memory_bytes is None:
        fits = n_values * dtype.itemsize <= SHARE * _free_on(device)
    chosen = split_tensors(dataset, split=split) if fits else split_stream(dataset, split=split)
    return chosen.to(device, dtype=dtype, channels_last=channels_last)


def _free_on(device: torch.device) -> int:
    """Bytes that PyTorch can still take on a GPU: what is free there, and what it holds and does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
