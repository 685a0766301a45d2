"""Data sets that a person's own code makes: ``package.module:attribute``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.data.data_module import read_data_module
from ordersearch.data.dataset import Dataset
from ordersearch.data.user_values import as_array, describe_value
from ordersearch.errors import DataError
from ordersearch.user_code import call_user, find_user_code, signature_of

_SEED = 0
ACCEPTED = (
    "a LightningDataModule, or a function without arguments that returns one, a Dataset, (x, y), "
    "(x, y, x_test, y_test) or a dict with the keys of an .npz file"
)


def read_user_code(source: str) -> SourceArrays | Dataset:
    """What ``package.module:attribute`` makes; modules are looked for in the current folder, too.

    The attribute is a LightningDataModule (a class that needs no arguments, or an instance), arrays, or a function
    without arguments that returns any of them. It runs with the global generators seeded, so that it gives the same
    data every time when it draws from nothing else.

    Args:
        source: Such as ``"mine.data:Digits"``.

    Raises:
        DataError: The code raises an error, or gives something else.
        UnknownNameError: There is no such module or attribute.
    """
    with seeded():
        return read_value(find_user_code(source, at=source, noun="attribute", error=DataError), at=source)


def read_value(value: Any, *, at: str) -> SourceArrays | Dataset:
    """The data set of what a person's code holds or, when it can be called, returns.

    Args:
        value: A DataModule, arrays, a data set, or a function or class that makes one without arguments.
        at: Where it came from.

    Example:
        >>> read_value(lambda: ([[0.0], [1.0]], ["cat", "dog"]), at="mine:pets").train.y.tolist()
        ['cat', 'dog']

    Raises:
        DataError: It is none of them, or raises an error.
    """
    # An instance of a LightningModule has loaders, too, and can be called with a batch.
    if callable(value) and (isinstance(value, type) or not hasattr(value, "train_dataloader")):
        _require_no_arguments(value, at)
        value = call_user(value, at=at, error=DataError)
    if isinstance(value, Dataset | SourceArrays):
        return value
    if hasattr(value, "train_dataloader"):
        return read_data_module(value, at=at)
    if isinstance(value, Mapping):
        return _from_mapping(value, at)
    if isinstance(value, tuple | list) and len(value) in (2, 4):
        return _from_mapping(dict(zip(("x_train", "y_train", "x_test", "y_test"), value, strict=False)), at)
    raise DataError(f"{at}: gives {describe_value(value)}, but it has to be {ACCEPTED}.")


@contextmanager
def seeded() -> Iterator[None]:
    """Seeded global generators, which are left as they were found."""
    # It takes a second, but code that were the first to import it would draw from it unseeded.
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(_SEED)
    np.random.seed(_SEED)
    torch.manual_seed(_SEED)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _require_no_arguments(value: Any, at: str) -> None:
    signature = signature_of(value)
    needed = [
        parameter.name
        for parameter in (signature.parameters.values() if signature else ())
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise DataError(
            f"{at}: needs the arguments {', '.join(needed)}, but it is called with none. Give them defaults, or write "
            "a function without arguments that passes them."
        )


def _from_mapping(held: Mapping[Any, Any], at: str) -> SourceArrays:
    """The arrays under the keys of an .npz file, in either case."""
    keys = {str(key).lower(): key for key in held}
    end = "_train" if "x_train" in keys or "y_train" in keys else ""
    names = held[keys["classes"]] if "classes" in keys else held.get(keys.get("class_names"))
    train = _part(held, keys, end, at)
    if train is None:
        found = ", ".join(map(repr, list(held)[:10])) or "none"
        raise DataError(f"{at}: gives a dict with the keys {found}, but the keys are x_train and y_train, or x and y.")
    return SourceArrays(
        name=at.replace(":", "."),
        train=train,
        test=_part(held, keys, "_test", at),
        validation=_part(held, keys, "_val", at),
        class_names=None if names is None else tuple(map(str, names)),
    )


def _part(held: Mapping[Any, Any], keys: Mapping[str, Any], end: str, at: str) -> Part | None:
    x, y = f"x{end}", f"y{end}"
    if x not in keys and y not in keys:
        return None
    for key, other in ((x, y), (y, x)):
        if key not in keys:
            raise DataError(f"{at}: gives {other} without {key}, but each part needs both.")
    return Part(_array(held[keys[x]], f"{at}: {x}"), _array(held[keys[y]], f"{at}: {y}"), f"{at}: {x}", f"{at}: {y}")


def _array(values: Any, at: str) -> NDArray[Any]:
    try:
        return as_array(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{at} is no array: {error}.") from error
