"""What a person brings: a data set as arrays, and the tensors of one split of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordersearch.data.dataset import Dataset, Input
from ordersearch.data.sources import dataset_from_arrays, load_dataset, source_kinds

if TYPE_CHECKING:
    from ordersearch.data.choice import split_data
    from ordersearch.data.split import split_tensors
    from ordersearch.data.stream import StreamSplit
    from ordersearch.data.tensors import TensorSplit

__all__ = [
    "Dataset",
    "Input",
    "StreamSplit",
    "TensorSplit",
    "dataset_from_arrays",
    "load_dataset",
    "source_kinds",
    "split_data",
    "split_tensors",
]

# Tensors need torch, which takes seconds to import; arrays do not.
_WITH_TORCH = {"StreamSplit": "stream", "TensorSplit": "tensors", "split_data": "choice", "split_tensors": "split"}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
