"""What has to hold of a data set, so that runs on it can be repeated and compared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ordersearch.data import Dataset, load_dataset, split_data
from ordersearch.data.parts import split_rows
from ordersearch.data.sources import DATASETS
from ordersearch.networks import build_network, default_network
from ordersearch.testing.check import Check, require

_FINGERPRINT = "import sys; from ordersearch.data import load_dataset; print(load_dataset(sys.argv[1]).fingerprint)"
_N_LOOKED_AT = 1000
_N_TRAINED = 256


def dataset_checks(name: str) -> list[Check]:
    """The checks of a data set.

    It is loaded twice, here and in another process, with the same samples; shapes, dtypes and labels are what networks
    take; its splits are told apart and follow from their number alone; and a small network trains on it for an epoch.

    Args:
        name: Of a built-in data set, of one that an installed package adds, or anything else that ``load_dataset``
            takes.

    Raises:
        UnknownNameError: No data set has this name.
        PluginError: It comes from a plugin that cannot be imported.

    Example:
        >>> [check.name for check in dataset_checks("wine")]
        ['loads', 'samples', 'fingerprint', 'splits', 'trains']
    """
    if name in DATASETS.plugin_names():
        DATASETS[name]
    checks: dict[str, Callable[[str], object]] = {
        "loads": _loads,
        "samples": _samples,
        "fingerprint": _fingerprint,
        "splits": _splits,
        "trains": _trains,
    }
    return [Check(name, what, partial(check, name)) for what, check in checks.items()]


def _loads(name: str) -> None:
    first, again = load_dataset(name), load_dataset(name)
    same = first.fingerprint == again.fingerprint
    require(same, f"{name}: loaded twice, it holds other samples. Draw from a generator with a fixed seed")
    told = (first.class_names, first.target_names, first.feature_names, first.input, first.task)
    told_again = (again.class_names, again.target_names, again.feature_names, again.input, again.task)
    require(told == told_again, f"{name}: loaded twice, it is described otherwise: {told} and {told_again}")


def _samples(name: str) -> None:
    dataset = load_dataset(name)
    for part, x, y in (
        ("x", dataset.x, dataset.y),
        ("x_val", dataset.x_val, dataset.y_val),
        ("x_test", dataset.x_test, dataset.y_test),
    ):
        if x is None or y is None:
            require(x is y, f"{name}: of {part} and its targets one is there and the other is not")
            continue
        _require_inputs(dataset, part, x)
        require(len(x) == len(y), f"{name}: {part} has {len(x)} samples and {len(y)} targets")
        _require_targets(dataset, part, y)
    if dataset.task == "classification":
        seen = len(np.unique(dataset.y))
        require(
            seen == dataset.n_outputs, f"{name}: {seen} of its {dataset.n_outputs} classes have samples to train on"
        )


def _require_inputs(dataset: Dataset, part: str, x: Any) -> None:
    at = f"{dataset.name}: {part}"
    require(x.dtype in (np.uint8, np.float32), f"{at} is of {x.dtype}, where it is uint8 or float32")
    wanted = 1 + max(1, dataset.dims + 1)
    require(len(x.shape) == wanted, f"{at} has shape {x.shape}, where {dataset.input} samples make {wanted} dimensions")
    require(x.shape[1:] == dataset.x.shape[1:], f"{at} has samples of {x.shape[1:]}, x of {dataset.x.shape[1:]}")
    few = np.asarray(x[:_N_LOOKED_AT])
    finite = few.dtype == np.uint8 or dataset.input == "table" or bool(np.isfinite(few).all())
    require(finite, f"{at} holds values that are not finite")
    require(bool((few != few[0]).any()), f"{at} holds the same sample over and over")


def _require_targets(dataset: Dataset, part: str, y: NDArray[Any]) -> None:
    at = f"{dataset.name}: the targets of {part}"
    if dataset.task == "classification":
        n, names = dataset.n_outputs, dataset.class_names
        right = y.dtype == np.int64 and y.ndim == 1
        require(right, f"{at} are {y.dtype} of shape {y.shape}, where they are int64, one a sample")
        inside = bool((y >= 0).all() and (y < n).all())
        require(inside, f"{at} lie between {y.min()} and {y.max()}, where {n} classes are counted from 0")
        require(
            len(set(names)) == n >= 2, f"{dataset.name}: its classes are {names}, where at least two have one name each"
        )
        return
    right = y.dtype == np.float32 and y.ndim == 2
    require(right, f"{at} are {y.dtype} of shape {y.shape}, where they are float32, one row a sample")
    require(bool(np.isfinite(y).all()), f"{at} are not finite")


def _fingerprint(name: str) -> None:
    """The same samples in another process, where sets and hashes are in another order."""
    here = load_dataset(name).fingerprint
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", _FINGERPRINT, name], env=environ, capture_output=True, text=True, check=False
    )
    told = ended.stderr.strip().rpartition("\n")[2]
    require(ended.returncode == 0, f"{name}: in another process it cannot be loaded: {told}")
    there = ended.stdout.split()[-1]
    require(here == there, f"{name}: in another process it holds other samples: {there} instead of {here}")


def _splits(name: str) -> None:
    dataset = load_dataset(name)
    first, again, second = (split_rows(dataset, split=split) for split in (0, 0, 1))
    for part in ("train", "validation", "test"):
        one, other, later = (getattr(each, part).rows for each in (first, again, second))
        require(bool(len(one)), f"{name}: its {part} part is empty")
        require(np.array_equal(one, other), f"{name}: split 0 has another {part} part the second time")
        if part == "test" or dataset.has_own_validation:
            require(np.array_equal(one, later), f"{name}: split 1 has another {part} part than split 0")
    if not dataset.has_own_validation:
        same = np.array_equal(first.validation.rows, second.validation.rows)
        require(not same, f"{name}: splits 0 and 1 validate on the same samples")
        both = np.intersect1d(first.train.rows, first.validation.rows)
        require(not len(both), f"{name}: {len(both)} samples of split 0 train and validate")


def _trains(name: str) -> None:
    # Lightning takes seconds to import, which the other checks do without.
    from ordersearch.training.fit import fit
    from ordersearch.training.settings import TrainingSettings

    dataset = load_dataset(name)
    model = build_network(default_network(dataset.dims), {}, dataset.input_shape, dataset.n_outputs)
    data = split_data(dataset, split=0).first(_N_TRAINED, _N_TRAINED)
    with torch.random.fork_rng(devices=[]):
        result = fit(model, data, settings=TrainingSettings(max_epochs=1, batch_size=64), learning_rate=1e-3, seed=0)
    finite = all(np.isfinite(value) for value in result.metrics.values())
    require(finite, f"{name}: after an epoch of {default_network(dataset.dims)} the losses are {result.metrics}")
