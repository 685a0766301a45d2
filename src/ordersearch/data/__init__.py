"""What a person brings: a data set as arrays, and the tensors of one split of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordersearch.data.dataset import Dataset, Input
from ordersearch.data.sources import dataset_from_arrays, load_dataset

if TYPE_CHECKING:
    from ordersearch.data.split import split_tensors
    from ordersearch.data.tensors import TensorSplit

__all__ = ["Dataset", "Input", "TensorSplit", "dataset_from_arrays", "load_dataset", "split_tensors"]


def __getattr__(name: str) -> Any:
    # Tensors need torch, which takes seconds to import; arrays do not.
    if name == "split_tensors":
        from ordersearch.data.split import split_tensors

        return split_tensors
    if name == "TensorSplit":
        from ordersearch.data.tensors import TensorSplit

        return TensorSplit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
