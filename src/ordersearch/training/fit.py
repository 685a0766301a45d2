"""Training one candidate network from the weights it has, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn

from ordersearch.data.tensors import Split
from ordersearch.errors import DataError
from ordersearch.training.augment import require_images
from ordersearch.training.batch_norm import batch_norm_momentum
from ordersearch.training.evaluation import DTYPES, SCORES, evaluate
from ordersearch.training.layout import put_channels_last
from ordersearch.training.module import TensorModule
from ordersearch.training.pruning import PruningCallback, missing_metric
from ordersearch.training.seeds import kept_generators
from ordersearch.training.settings import TrainingSettings
from ordersearch.training.trainer import TURN, train_epochs

__all__ = ["FitResult", "evaluate", "fit"]


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training came to.

    Attributes:
        pruned: Whether ``should_prune`` stopped it.
        history: One dictionary for each finished epoch: ``"train/loss"`` (mean over the epoch's samples, in training
            mode, while the weights changed), ``"val/loss"``, ``"val/accuracy"`` or, for regression, ``"val/r2"``
            (in evaluation mode, after the epoch), ``"seconds"``.
        n_epochs: Finished epochs.
        n_parameters: Trainable parameters of the model.
        seconds: Wall-clock time of the whole call.
    """

    pruned: bool
    history: tuple[dict[str, float], ...]
    n_epochs: int
    n_parameters: int
    seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        """The last finished epoch's entry of the history."""
        return dict(self.history[-1])


def fit(
    model: nn.Module,
    data: Split,
    *,
    settings: TrainingSettings,
    learning_rate: float,
    seed: int,
    report: Callable[[float, int], None] | None = None,
    should_prune: Callable[[], bool] | None = None,
) -> FitResult:
    """Train ``model`` in place and validate it after every epoch.

    On a CPU the history, save for the seconds, is a function of the model's weights and the arguments alone. The
    caller's random number generators, signal handlers, warning filters and loggers are as before afterwards, and
    nothing is written. Fits of one process take turns, whichever threads they come from; no other thread may draw from
    PyTorch's global generator meanwhile (to build its next model, say).

    Args:
        model: The network with its initial weights. Afterwards it is on the settings' device and in their dtype, has
            no gradients, and is in the mode (training or evaluation) it came in.
        data: Samples to train and validate on, in memory (moved to the device here unless they are there) or read
            batch by batch: the history is the same.
        settings: How to train.
        learning_rate: The highest of the one-cycle schedule, above 0.
        seed: The run's seed: fixes batch order and dropout masks, not the initial weights.
        report: Is given the settings' metric and the epoch, counted from 0, after each validation.
        should_prune: Is asked after each report whether to stop.

    Raises:
        DivergedError: A loss is no longer finite after some epoch.
        MissingMetricError: The settings' metric is not one that this task logs.
        DataError: There are fewer than two samples to train on or none to validate on, what is to be augmented are no
            images, or a sample cannot be read.
        KeyboardInterrupt: The user interrupted; Lightning's way of exiting the process is undone.
    """
    started = time.perf_counter()
    require_trainable(data, settings)
    device = torch.device(settings.device)
    n_parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    pruning = PruningCallback(report or _report_nothing, should_prune or _never, settings.metric)
    with TURN, ExitStack() as stack:
        place(model, settings)
        stack.enter_context(batch_norm_momentum(model, settings.batch_norm_momentum))
        stack.enter_context(kept_generators(device))
        placed = data.to(device, dtype=DTYPES[settings.precision], channels_last=settings.channels_last)
        opened = stack.enter_context(placed.opened())
        module = TensorModule(model, opened, settings=settings, learning_rate=learning_rate, seed=seed)
        train_epochs(module, [model], settings, [pruning])
    return FitResult(
        pruned=pruning.pruned,
        history=tuple(module.history),
        n_epochs=len(module.history),
        n_parameters=n_parameters,
        seconds=time.perf_counter() - started,
    )


def place(model: nn.Module, settings: TrainingSettings) -> None:
    """Move a model to where, and into the dtype and layout in which, it is trained."""
    model.to(settings.device, DTYPES[settings.precision])
    if settings.channels_last:
        put_channels_last(model)


def require_trainable(data: Split, settings: TrainingSettings) -> None:
    """Nothing when these samples can be trained on with these settings.

    Raises:
        MissingMetricError: The settings' metric is not one that this task logs.
        DataError: There are too few samples, or what is to be augmented are no images.
    """
    logged = ("train/loss", "val/loss", f"val/{SCORES[data.task]}")
    if settings.metric not in logged:
        raise missing_metric(settings.metric, logged)
    if data.n_train < 2 or data.n_val < 1:
        raise DataError(
            f"The split has {data.n_train} samples to train on and {data.n_val} to validate on, but a "
            "training needs at least 2 and 1: bring more samples, or hold fewer out."
        )
    require_images(settings.augment, data.sample_shape)


def _report_nothing(_value: float, _step: int) -> None:
    """Stands in for a pruner's report."""


def _never() -> bool:
    return False
