"""What a person's own code gives: in words, and as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def describe_value(value: Any) -> str:
    """What a value is, in few words.

    Example:
        >>> describe_value((np.zeros((32, 3)), {"label": 1}))
        "a tuple of 2: a ndarray of shape (32, 3), a dict with the keys 'label'"
    """
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {', '.join(map(repr, list(value)[:8])) or '(none)'}"
    if isinstance(value, tuple | list):
        kinds = ", ".join(
            describe_value(item) if not isinstance(item, tuple | list) else f"a {type(item).__name__}"
            for item in value[:4]
        )
        return f"a {type(value).__name__} of {len(value)}{f': {kinds}' if value else ''}"
    if hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"


def as_array(values: Any) -> NDArray[Any]:
    """The numpy array of a tensor, an array or nested lists.

    Raises:
        ValueError: The lists are ragged.
        TypeError: The tensor has values that numpy lacks.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
    return np.asarray(values)
