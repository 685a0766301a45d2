"""What a person's own code gives, in words and as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ordersearch.data.user_values import as_array, describe_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (3, "a int"),
        (torch.zeros(2, 3), "a Tensor of shape (2, 3)"),
        ({"image": 1, "label": 2}, "a dict with the keys 'image', 'label'"),
        ({}, "a dict with the keys (none)"),
        ([], "a list of 0"),
        ((np.zeros(3), [1, 2], None), "a tuple of 3: a ndarray of shape (3,), a list, None"),
    ],
)
def test_values_in_words(value: Any, text: str) -> None:
    assert describe_value(value) == text


def test_tensors_become_arrays() -> None:
    tensor = torch.tensor([1.5, 2], requires_grad=True)
    assert as_array(tensor).tolist() == [1.5, 2]
    assert as_array(tensor.to(torch.bfloat16)).dtype == np.float32
    assert as_array([[1], [2]]).shape == (2, 1)
