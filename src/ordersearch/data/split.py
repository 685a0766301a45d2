"""One split of a data set as tensors, normalised with what its training part shows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ordersearch.data.dataset import Dataset
from ordersearch.data.normaliser import Normaliser, normaliser, row_chunks
from ordersearch.data.parts import PartRows, split_rows
from ordersearch.data.tensors import TensorSplit


def split_tensors(
    dataset: Dataset, *, split: int, validation_fraction: float = 0.2, test_fraction: float = 0.2
) -> TensorSplit:
    """Split number ``split`` of a data set: a function of its arguments alone, on every machine.

    The test part is the source's own, or, where it has none, a stratified share that is the same for every split.
    Validation is the source's own, too, or drawn from the rest, stratified, by ``split``. Each channel (each feature of
    a table) of all three parts is shifted and scaled so that the training part has mean 0 and standard deviation 1; a
    channel that is constant there is only shifted. So are numbers to predict; missing ones of a table become 0.

    Args:
        dataset: What to split.
        split: Which split; any whole number.
        validation_fraction: Share of each stratum that validates, of what the test leaves; in (0, 1).
        test_fraction: Share of each stratum that is held out when the source has no test part; in (0, 1).

    Example:
        >>> from ordersearch.data.sources import load_dataset
        >>> digits = split_tensors(load_dataset("digits"), split=0)
        >>> len(digits.y_train), len(digits.y_val), len(digits.y_test)
        (1151, 287, 359)

    Raises:
        DataError: There are too few samples of a class, or a fraction lies outside of (0, 1).
    """
    parts = split_rows(dataset, split=split, validation_fraction=validation_fraction, test_fraction=test_fraction)
    scale = normaliser(dataset, parts.train.rows)
    x_train, y_train = _tensors(parts.train, scale)
    x_val, y_val = _tensors(parts.validation, scale)
    x_test, y_test = _tensors(parts.test, scale)
    return TensorSplit(x_train, y_train, x_val, y_val, x_test, y_test, dataset.task)


def _tensors(part: PartRows, scale: Normaliser) -> tuple[Tensor, Tensor]:
    out = np.empty((len(part.rows), *part.x.shape[1:]), dtype=np.float32)
    # In chunks, so that no second copy of the set ever exists in float64.
    for chosen, chunk in row_chunks(part.x, part.rows):
        scale.inputs(chunk, out=out[chosen])
    return torch.from_numpy(out), torch.from_numpy(scale.targets(part.y[part.rows]))
