from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from ordersearch.data.tensors import TensorSplit

CPU = torch.device("cpu")


def split_of(x: torch.Tensor, y: torch.Tensor) -> TensorSplit:
    return TensorSplit(
        x[:6], y[:6], x[6:9], y[6:9], x[9:], y[9:], "regression" if y.is_floating_point() else "classification"
    )


def numbered(*shape: int) -> TensorSplit:
    """Ten samples, the inputs of each being its number."""
    return split_of(torch.arange(10.0).reshape(10, *(1 for _ in shape)).expand(10, *shape).clone(), torch.arange(10))


def test_batches_are_the_rows_asked_for() -> None:
    found = list(numbered(2).train_batches([torch.tensor([5, 0, 5]), torch.tensor([3])]))
    assert [(x[:, 0].tolist(), y.tolist()) for x, y in found] == [([5, 0, 5], [5, 0, 5]), ([3], [3])]
    assert list(numbered(2).train_batches([])) == []


@pytest.mark.parametrize(("size", "sizes"), [(2, [2, 1]), (3, [3]), (100, [3])])
def test_the_other_parts_come_whole_and_in_order(size: int, sizes: list[int]) -> None:
    batches = list(numbered(2).validation_batches(size))
    assert [len(y) for _, y in batches] == sizes
    assert torch.cat([y for _, y in batches]).tolist() == [6, 7, 8]
    assert [y.tolist() for _, y in numbered(2).test_batches(9)] == [[9]]


def test_inputs_take_the_dtype_and_so_do_targets_that_are_floats() -> None:
    whole = split_of(torch.zeros(10, 4, dtype=torch.uint8), torch.arange(10)).to(CPU)
    assert (whole.x_train.dtype, whole.y_train.dtype) == (torch.float32, torch.int64)
    double = split_of(torch.zeros(10, 4), torch.zeros(10, 2)).to(CPU, dtype=torch.float64)
    assert {getattr(double, field.name).dtype for field in fields(double) if field.name != "task"} == {torch.float64}
    assert double.dtype == torch.float64


def test_only_images_are_laid_out_channels_last() -> None:
    for shape, changes in (((3, 5, 6), True), ((3, 9), False), ((4,), False), ((2, 3, 4, 5), False)):
        before, after = numbered(*shape), numbered(*shape).to(CPU, channels_last=True)
        assert (before.x_val.stride() != after.x_val.stride()) == changes
        assert torch.equal(before.x_val, after.x_val)
        assert (after.sample_shape, after.n_train, after.n_val, after.n_test) == (shape, 6, 3, 1)


def test_what_is_there_already_is_not_copied() -> None:
    split = numbered(3)
    moved = split.to(CPU)
    assert moved.x_train.data_ptr() == split.x_train.data_ptr()
    with split.opened() as opened:
        assert opened is split


def test_first_leaves_the_test_part_whole() -> None:
    short = numbered(3).first(4, 100)
    assert (short.n_train, short.n_val, short.n_test, short.y_train.tolist()) == (4, 3, 1, [0, 1, 2, 3])
