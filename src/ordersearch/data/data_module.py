"""LightningDataModules, read once into arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.data.memory import memory_budget
from ordersearch.data.user_values import as_array, describe_value
from ordersearch.errors import DataError
from ordersearch.user_code import call_user

# Where lightning and pytorch_lightning define the hooks that a DataModule may leave out.
_DEFAULTS = ".core.hooks"
_TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def read_data_module(module: Any, *, at: str) -> SourceArrays:
    """The arrays that the loaders of a DataModule give in one pass.

    ``prepare_data()``, ``setup("fit")`` and ``setup("test")`` are called. The validation loader's samples become the
    fixed validation part; without one, validation samples are drawn from the training part as usual.

    Args:
        module: Of ``lightning``, ``pytorch_lightning`` or anything with their methods.
        at: Where it came from.

    Raises:
        DataError: Its code raises an error, its batches are not ``(x, y)``, or it does not fit into memory.
    """
    if _defines(module, "prepare_data"):
        call_user(module.prepare_data, at=f"{at}: prepare_data", error=DataError)
    _set_up(module, "fit", at)
    train_loader = _loader(module, "train_dataloader", at)
    if train_loader is None:
        raise DataError(f"{at}: train_dataloader gives None, but there have to be samples to train on.")
    train, notes = _read(train_loader, f"{at}: train_dataloader")
    validation = _read_if_any(module, "val_dataloader", at)
    _set_up(module, "test", at)
    return SourceArrays(
        name=at.replace(":", "."),
        train=train,
        test=_read_if_any(module, "test_dataloader", at),
        validation=validation,
        class_names=_class_names(train_loader),
        notes=(
            f"The loaders of {at} were read once: a random transform in them stays as it was drawn.",
            *notes,
            *(f"{name} of {at} is not called." for name in _TRANSFERS if _defines(module, name)),
        ),
    )


def _defines(module: Any, name: str) -> bool:
    """Whether the DataModule has this method of its own, and not only Lightning's, which does nothing or raises."""
    method = getattr(module, name, None)
    return method is not None and not str(getattr(method, "__module__", "")).endswith(_DEFAULTS)


def _set_up(module: Any, stage: str, at: str) -> None:
    if _defines(module, "setup"):
        call_user(lambda: module.setup(stage=stage), at=f"{at}: setup({stage!r})", error=DataError)


def _loader(module: Any, name: str, at: str) -> Any:
    if not _defines(module, name):
        return None
    loader = call_user(getattr(module, name), at=f"{at}: {name}", error=DataError)
    if isinstance(loader, tuple | list) and len(loader) == 1:
        loader = loader[0]
    # What Lightning takes for several loaders.
    if isinstance(loader, tuple | list | dict):
        raise DataError(f"{at}: {name} gives {describe_value(loader)}, but a part is read from one loader.")
    return loader


def _read_if_any(module: Any, name: str, at: str) -> Part | None:
    loader = _loader(module, name, at)
    return None if loader is None else _read(loader, f"{at}: {name}")[0]


def _read(loader: Any, at: str) -> tuple[Part, tuple[str, ...]]:
    """All samples of one loader, and a note when it leaves some out."""
    with warnings.catch_warnings():
        # Advice for training from this loader, which is read once.
        warnings.filterwarnings("ignore", message=".*pin_memory", category=UserWarning)
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        batches = list(_pairs(loader, at))
    if not batches:
        raise DataError(f"{at}: gives no batches.")
    try:
        x, y = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    except ValueError as error:
        raise DataError(f"{at}: its batches hold samples of different shapes: {error}.") from error
    return Part(x, y, f"{at}: x", f"{at}: y"), _left_out(loader, len(y), at)


def _pairs(loader: Any, at: str) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The batches of one loader, as long as they fit into memory."""
    end, n_bytes, budget = object(), 0, memory_budget()
    iterator = call_user(lambda: iter(loader), at=at, error=DataError)
    while (batch := call_user(lambda: next(iterator, end), at=at, error=DataError)) is not end:
        x, y = _pair(batch, at)
        n_bytes += x.nbytes + y.nbytes
        if n_bytes > budget:
            raise DataError(
                f"{at}: gives more than {budget / 2**30:.1f} GiB, which is what data may take of the free memory. "
                "Give the path of an image folder or of an .npy file instead, which are read piece by piece."
            )
        yield x, y


def _pair(batch: Any, at: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if not isinstance(batch, tuple | list) or len(batch) != 2 or not all(map(_is_array, batch)):
        raise DataError(
            f"{at}: a batch is {describe_value(batch)}, but it has to be (x, y): the inputs and the targets, each a "
            "tensor or an array with the samples first."
        )
    x, y = map(as_array, batch)
    if len(x) != len(y):
        raise DataError(f"{at}: a batch has {len(x)} inputs and {len(y)} targets, but each input has one.")
    return x, y


def _is_array(value: Any) -> bool:
    return len(getattr(value, "shape", ())) >= 1


def _left_out(loader: Any, n: int, at: str) -> tuple[str, ...]:
    dataset: Any = getattr(loader, "dataset", None)
    n_whole = len(dataset) if hasattr(dataset, "__len__") else n
    if n == n_whole:
        return ()
    return (f"{at} gives {n} samples of a data set of {n_whole} (drop_last, or a sampler of its own).",)


def _class_names(loader: Any) -> tuple[str, ...] | None:
    """The names that torchvision's data sets keep in ``classes``, also below a ``Subset``."""
    dataset = getattr(loader, "dataset", None)
    while dataset is not None:
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
        dataset = getattr(dataset, "dataset", None)
    return None
