"""Losses and metrics of the three tasks, and what a model scores on samples it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ordersearch.data.tensors import Scored, Split, Task
from ordersearch.training.settings import TrainingSettings

Part = Literal["val", "test"]

LOSSES: dict[Task, Callable[..., Tensor]] = {
    "classification": functional.cross_entropy,
    "regression": functional.mse_loss,
    "multilabel": functional.binary_cross_entropy_with_logits,
}
SCORES: dict[Task, str] = {"classification": "accuracy", "regression": "r2", "multilabel": "accuracy"}
DTYPES: dict[str, torch.dtype] = {"32": torch.float32, "64": torch.float64, "bf16": torch.float32}
# Samples and positions (pixels, steps) in one forward pass. On a CPU the activations of more no longer stay in its
# caches, measured at 8x8, 28x28 and 32x32: 256 samples of 28x28 take 10 % longer each than 128, and 512 up to 70 %.
_AT_ONCE: dict[str, tuple[int, int]] = {"cpu": (256, 2**17), "cuda": (2**15, 2**22)}


def evaluate(
    model: nn.Module, data: Split, *, part: Part = "val", settings: TrainingSettings | None = None
) -> dict[str, float]:
    """What ``model`` scores on a part in evaluation mode; its mode, weights and gradients stay as they are.

    Args:
        model: The network; the samples are moved to where its weights are.
        data: The split that the part belongs to.
        part: ``"val"``, or ``"test"``, which is for finalists.
        settings: Only ``precision`` and ``channels_last`` are read; those of the run, when left out the defaults.

    Returns:
        ``"loss"``: the mean over the samples of cross-entropy in nats (classification), squared error (regression)
        or binary cross-entropy with logits (multi-label). Next to it ``"accuracy"`` in [0, 1], for multi-label over
        all labels at a threshold of 0.5, or, for regression, ``"r2"``, at most 1, the mean over the outputs.
    """
    settings = settings or TrainingSettings()
    device = next((parameter.device for parameter in model.parameters()), data.device)
    placed = data.to(device, dtype=DTYPES[settings.precision], channels_last=settings.channels_last)
    with evaluation_mode(model), placed.opened() as opened:
        scores = scores_of(model, opened, part=part, cast=autocast(settings.precision, device))
    values = torch.stack(list(scores.values())).tolist()
    return dict(zip(scores, values, strict=True))


def scores_of(
    model: Callable[[Tensor], Tensor],
    data: Scored,
    *,
    part: Part,
    cast: Callable[[], AbstractContextManager[object]],
    n_replicas: int = 0,
) -> dict[str, Tensor]:
    """``"loss"`` and the task's score as tensors on the device, in the inputs' dtype, without waiting for it.

    Args:
        model: The network, in evaluation mode already.
        data: The split, on the device.
        part: Which part of it.
        cast: Makes the context that the forward pass runs in.
        n_replicas: How many networks ``model`` and ``data`` hold, as the second dimension of outputs and targets; the
            scores are then ``(n_replicas,)``. 0 is one network without that dimension, and its scores are 0-d.
    """
    n_samples, n_positions = _AT_ONCE[data.device.type]
    n_positions //= max(1, n_replicas) * math.prod(data.sample_shape[1:])
    size = min(n_samples, max(1, n_positions))
    batches, y = (
        (data.validation_batches(size), data.y_val) if part == "val" else (data.test_batches(size), data.y_test)
    )
    loss_of = replica_losses if n_replicas else mean_loss
    loss = torch.zeros((n_replicas,) if n_replicas else (), dtype=torch.float64, device=data.device)
    hits: Tensor | float = 0.0
    with torch.inference_mode():
        for inputs, targets in batches:
            with cast():
                output = model(inputs)
            output = output.to(data.dtype)
            loss.add_(loss_of(output, targets, data.task), alpha=len(targets))
            hits = hits + _hits(output, targets, data.task)
        n_answers = y.numel() // max(1, n_replicas)
        score = _r2(hits, y) if data.task == "regression" else torch.as_tensor(hits) / n_answers
        return {"loss": (loss / len(y)).to(data.dtype), SCORES[data.task]: score.to(data.dtype)}


def mean_loss(output: Tensor, targets: Tensor, task: Task) -> Tensor:
    """The mean loss over a batch, 0-d."""
    return LOSSES[task](output, targets)


def replica_losses(output: Tensor, targets: Tensor, task: Task) -> Tensor:
    """The mean loss of each replica over its batch, ``(n_replicas,)``.

    Args:
        output: ``(n, n_replicas, outputs)``.
        targets: ``(n, n_replicas)`` or, as floats, ``(n, n_replicas, outputs)``.
        task: What they are.
    """
    each = LOSSES[task](output.flatten(0, 1), targets.flatten(0, 1), reduction="none")
    return each.view(*output.shape[:2], -1).mean((0, 2))


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Makes, each time it is called, the context that a forward pass of this precision runs in."""
    if precision != "bf16":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


def _hits(output: Tensor, targets: Tensor, task: Task) -> Tensor:
    """What adds up to the task's score: right answers, or the squared error of each output."""
    if task == "classification":
        return (output.argmax(-1) == targets).sum(0, dtype=torch.float64)
    if task == "multilabel":
        return ((output > 0) == (targets > 0.5)).sum((0, -1), dtype=torch.float64)
    return (output.double() - targets.double()).square().sum(0)


def _r2(residual: Tensor | float, y: Tensor) -> Tensor:
    """The mean over outputs of 1 - residual / total; an output that never varies counts 1 when met, else 0."""
    total = (y.double() - y.double().mean(0)).square().sum(0)
    residual = torch.as_tensor(residual, device=y.device)
    constant = torch.where(residual == 0, 1.0, 0.0).to(total)
    return torch.where(total > 0, 1 - residual / total, constant).mean(-1)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode inside; afterwards each layer has its own mode back."""
    training = [layer for layer in model.modules() if layer.training]
    model.eval()
    try:
        yield
    finally:
        for layer in training:
            layer.training = True
