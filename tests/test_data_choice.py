from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ordersearch.data import Dataset, load_dataset
from ordersearch.data.choice import split_data
from ordersearch.data.rows import ImageRows
from ordersearch.data.stream import StreamSplit
from ordersearch.data.tensors import TensorSplit
from ordersearch.errors import DataError
from tests.images import noise, write_images

DIGITS_VALUES = 1797 * 64


@pytest.mark.parametrize(
    ("memory_bytes", "dtype", "kind"),
    [
        (4 * DIGITS_VALUES, torch.float32, TensorSplit),
        (4 * DIGITS_VALUES - 1, torch.float32, StreamSplit),
        (8 * DIGITS_VALUES, torch.float64, TensorSplit),
        (8 * DIGITS_VALUES - 1, torch.float64, StreamSplit),
    ],
)
def test_what_fits_is_held(memory_bytes: int, dtype: torch.dtype, kind: type) -> None:
    split = split_data(load_dataset("digits"), split=0, dtype=dtype, memory_bytes=memory_bytes)
    assert isinstance(split, kind)
    assert split.dtype == dtype


def test_the_variable_sets_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = load_dataset("digits")
    assert isinstance(split_data(digits, split=0), TensorSplit)
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "100K")
    assert isinstance(split_data(digits, split=0), StreamSplit)
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "a lot")
    with pytest.raises(DataError, match="ORDERSEARCH_MEMORY: got 'a lot'"):
        split_data(digits, split=0)


def test_every_part_counts() -> None:
    digits = load_dataset("digits")
    assert isinstance(digits.x, np.ndarray)
    tested = replace(digits, x_test=digits.x, y_test=digits.y)
    assert isinstance(split_data(tested, split=0, memory_bytes=4 * DIGITS_VALUES), StreamSplit)
    assert isinstance(split_data(tested, split=0, memory_bytes=8 * DIGITS_VALUES), TensorSplit)


@pytest.mark.parametrize(
    ("memory_bytes", "kind", "decodes"),
    [(5, TensorSplit, False), (4.99, StreamSplit, False), (1, StreamSplit, False), (0.99, StreamSplit, True)],
)
def test_image_files_are_decoded_once_where_their_bytes_fit(
    tmp_path: Path, memory_bytes: float, kind: type, decodes: bool
) -> None:
    rows, y = ImageRows(write_images(tmp_path, noise(12, 10, 10))), np.arange(12) % 2
    dataset = Dataset("files", rows, y, None, None, input="image", task="classification", class_names=("a", "b"))
    split = split_data(dataset, split=0, memory_bytes=int(memory_bytes * 12 * 300), channels_last=True)
    assert isinstance(split, kind)
    assert rows.decodes == decodes
    (x, _), *_ = split.validation_batches(2)
    assert x.is_contiguous(memory_format=torch.channels_last)
