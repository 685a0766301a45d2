"""Training several networks of one setting, each with its own seed and split, as one batched model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import nn

from ordersearch.data.tensors import Split
from ordersearch.errors import DataError, DivergedError
from ordersearch.training.batch_norm import batch_norm_momentum
from ordersearch.training.evaluation import DTYPES
from ordersearch.training.fit import FitResult, place, require_trainable
from ordersearch.training.packed_module import PackedModule
from ordersearch.training.packed_split import PackedSplit
from ordersearch.training.packing import pack
from ordersearch.training.seeds import kept_generators
from ordersearch.training.settings import TrainingSettings
from ordersearch.training.trainer import TURN, train_epochs


def fit_packed(
    models: Sequence[nn.Module],
    splits: Sequence[Split],
    *,
    settings: TrainingSettings,
    learning_rate: float,
    seeds: Sequence[int],
    should_stop: Callable[[int, list[float]], bool] | None = None,
) -> list[FitResult | DivergedError]:
    """Train each of ``models`` in place as ``fit`` would, all of them in the same steps.

    Each has the batches, and but for rounding the losses and gradients, of its own single training; only the noise of
    its dropouts is another of the same law, which depends on all of the seeds and their order. One that diverges
    leaves the others as they are. Ask ``packing_obstacle`` first whether it can be done.

    Args:
        models: Networks with their initial weights, built alike. Afterwards they are as after ``fit``.
        splits: The samples of each, as many to train and to validate on for all. One split may stand for several.
        settings: How to train.
        learning_rate: The highest of the one-cycle schedule, above 0.
        seeds: The seed of each.
        should_stop: Is given the epoch, counted from 0, and the settings' metric of each model, not a number for one
            that has diverged; tells whether to stop all of them.

    Returns:
        For each model what ``fit`` would give, or the error that it would raise when its loss is no longer finite.
        ``seconds`` are its share of the time; ``pruned`` tells that ``should_stop`` did so.

    Raises:
        MissingMetricError: The settings' metric is not one that this task logs.
        DataError: The splits are of several sizes or kinds, there are too few samples, or what is to be augmented are
            no images.
        KeyboardInterrupt: The user interrupted.
    """
    started = time.perf_counter()
    _require_alike(models, splits, seeds)
    require_trainable(splits[0], settings)
    device = torch.device(settings.device)
    with TURN, ExitStack() as stack:
        for model in models:
            place(model, settings)
            stack.enter_context(batch_norm_momentum(model, settings.batch_norm_momentum))
        stack.enter_context(kept_generators(device))
        data = PackedSplit(_opened(splits, settings, stack), settings.channels_last)
        replicas = pack(models, data.splits[0], settings)
        module = PackedModule(
            replicas,
            data,
            settings=settings,
            learning_rate=learning_rate,
            seeds=seeds,
            after_epoch=should_stop or _never,
        )
        try:
            train_epochs(module, models, settings)
        finally:
            replicas.write_back()
    return _results(models, module, (time.perf_counter() - started) / len(models))


def _opened(splits: Sequence[Split], settings: TrainingSettings, stack: ExitStack) -> list[Split]:
    """The splits on the device, each of them moved and opened once."""
    device, dtype = torch.device(settings.device), DTYPES[settings.precision]
    opened: dict[int, Split] = {}
    for split in splits:
        if id(split) not in opened:
            placed = split.to(device, dtype=dtype, channels_last=settings.channels_last)
            opened[id(split)] = stack.enter_context(placed.opened())
    return [opened[id(split)] for split in splits]


def _results(models: Sequence[nn.Module], module: PackedModule, seconds: float) -> list[FitResult | DivergedError]:
    return [
        error
        or FitResult(
            pruned=module.stopped,
            history=tuple(history),
            n_epochs=len(history),
            n_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
            seconds=seconds,
        )
        for model, error, history in zip(models, module.errors, module.histories, strict=True)
    ]


def _require_alike(models: Sequence[nn.Module], splits: Sequence[Split], seeds: Sequence[int]) -> None:
    if not len(models) == len(splits) == len(seeds) >= 1:
        raise ValueError(
            f"Got {len(models)} models, {len(splits)} splits and {len(seeds)} seeds, but there is one split and one "
            "seed for each model, and at least one of each."
        )
    kinds = {(split.task, split.sample_shape, split.n_train, split.n_val) for split in splits}
    if len(kinds) > 1:
        first, second, *_ = sorted(map(str, kinds))
        raise DataError(
            f"Models that are trained as one need splits of one kind and size, but here are {first} and {second} "
            "(task, shape of a sample, samples to train on, samples to validate on). Train them one by one."
        )


def _never(_epoch: int, _values: list[float]) -> bool:
    return False
