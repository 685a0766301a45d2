"""Whether several networks can be trained as one batched model, and as which."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import UninitializedParameter

from ordersearch.data.tensors import Split, TensorSplit
from ordersearch.training.evaluation import DTYPES, evaluation_mode
from ordersearch.training.folded import FoldedReplicas, can_fold
from ordersearch.training.layout import put_channels_last
from ordersearch.training.replicas import Replicas, VmappedReplicas
from ordersearch.training.seeds import kept_generators
from ordersearch.training.settings import TrainingSettings

N_SAMPLES = 4
N_STEPS = 2
TOLERANCE = {torch.float32: 1e-2, torch.float64: 1e-6}
_NO_FORM = re.compile(r"(?:batching rule for|Batching rule not implemented for|do not yet support) (aten::\w+)")
_MEANINGS = {
    "data-dependent control flow": "its code branches on values",
    ".item()": "its code reads values out of a tensor",
    "dynamic shape": "the shape of what it gives depends on values",
}


def pack(models: Sequence[nn.Module], data: Split, settings: TrainingSettings) -> Replicas:
    """The models as one: folded into one wider network where their layers are known, batched by ``vmap`` elsewhere.

    Args:
        models: Networks built alike, on their device.
        data: Samples of the kind that they are made for, on the same device.
        settings: How they are trained.
    """
    if can_fold(models):
        folded = FoldedReplicas(models, channels_last=settings.channels_last)
        x, _ = next(data.validation_batches(2))
        # Known layers may stand where they mean something else: a linear layer over the steps of a signal.
        if _fits(folded, models, x):
            return folded
    return VmappedReplicas(models)


def packing_obstacle(models: Sequence[nn.Module], data: Split, settings: TrainingSettings) -> str:
    """Why these networks cannot be trained as one batched model, in one sentence; empty when they can.

    Networks of known layers can. Others are tried: two of them, copied, take two steps together and each alone, and
    what comes out is compared. Models and random number generators stay as they are.

    Args:
        models: Networks of one setting; with the initial weights of two seeds more is seen than with those of one.
        data: Samples that they would be trained on.
        settings: How they would be trained.
    """
    pair = [models[0], models[-1]]
    named = _named_obstacle(pair)
    if named:
        return named
    with kept_generators(torch.device(settings.device)):
        try:
            copies = [copy.deepcopy(model) for model in pair]
        except Exception as cause:  # noqa: BLE001 - a network of one's own may refuse in any way
            return f"The network cannot be copied: {_said(cause)}."
        return _tried(copies, _placed(copies, _few(data), settings), settings)


def _few(data: Split) -> TensorSplit:
    """A few samples in memory: whether networks can be packed must not depend on where all of them are."""
    with data.first(N_SAMPLES, 2).opened() as opened:
        x, y = next(opened.train_batches([torch.arange(opened.n_train)]))
        x_val, y_val = next(opened.validation_batches(2))
    return TensorSplit(x, y, x_val, y_val, x_val, y_val, data.task)


def _placed(copies: Sequence[nn.Module], data: TensorSplit, settings: TrainingSettings) -> TensorSplit:
    """Networks and samples in float64, where rounding hides nothing, or in the dtype that the networks insist on."""
    device = torch.device(settings.device)
    for dtype in (torch.float64, DTYPES[settings.precision]):
        placed = data.to(device, dtype=dtype, channels_last=settings.channels_last)
        for each in copies:
            each.to(device, dtype)
            if settings.channels_last:
                put_channels_last(each)
        with evaluation_mode(copies[0]), torch.no_grad(), suppress(Exception):
            copies[0](placed.x_val)
            break
    return placed


def _named_obstacle(pair: Sequence[nn.Module]) -> str:
    """What can be told without trying."""
    for name, layer in pair[0].named_modules():
        if any(isinstance(each, UninitializedParameter) for each in layer.parameters(recurse=False)):
            return f"Layer '{name}' ({type(layer).__name__}) has no weights before its first batch."
        if isinstance(layer, _BatchNorm) and layer.momentum is None and layer.track_running_stats:
            return f"Layer '{name}' ({type(layer).__name__}) has momentum=None, for which it reads out a counter."
    if _kinds(pair[0]) != _kinds(pair[1]):
        return "The networks of two seeds have other weights: of other names, shapes or kinds."
    return ""


def _kinds(model: nn.Module) -> list[tuple[str, tuple[int, ...], torch.dtype, bool]]:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [(name, tuple(tensor.shape), tensor.dtype, tensor.requires_grad) for name, tensor in tensors]


def _tried(copies: Sequence[nn.Module], data: TensorSplit, settings: TrainingSettings) -> str:
    """Why networks do not train together, or not as they do alone; the copies are changed."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        replicas = pack(copies, data, settings)
        if isinstance(replicas, FoldedReplicas):
            return ""
        try:
            same = all(_agree(seen) for seen in _steps(replicas, copies, data.x_train))
            same = same and _fits(replicas, copies, data.x_val)
        except Exception as cause:  # noqa: BLE001 - whatever it is, the networks are trained one by one
            return f"{_culprit(replicas, data.x_train)} cannot be batched: {_said(cause)}."
    # PyTorch takes one replica after the other where it has no batched form, with a warning.
    slow = [_said(warning.message) for warning in told if _NO_FORM.search(str(warning.message))]
    if slow:
        return f"{slow[0]}."
    if not same:
        return "The networks give something else together than alone: they hold values that are no buffer."
    return ""


def _steps(replicas: Replicas, copies: Sequence[nn.Module], x: Tensor) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """What steps together and alone give, side by side, where the latter depend on nothing but their input."""
    for network in (replicas.network, *copies):
        network.train()
        for layer in network.modules():
            if isinstance(layer, _DropoutNd):
                layer.eval()
    is_random = not torch.equal(*(_output(copy.deepcopy(copies[0]), x, seed=seed) for seed in range(2)))
    for step in range(N_STEPS):
        inputs = x * (1 + step)
        alone = [network(inputs) for network in copies]
        together = replicas(torch.cat([inputs] * replicas.n, 1))
        for output in (*alone, together):
            output.float().square().sum().backward()
        if not is_random:
            yield [(together[:, place], output) for place, output in enumerate(alone)]
            yield replicas.buffers()
            yield replicas.gradients()


def _output(network: nn.Module, x: Tensor, *, seed: int) -> Tensor:
    torch.manual_seed(seed)
    with torch.no_grad():
        return cast(Tensor, network(x))


def _fits(replicas: Replicas, models: Sequence[nn.Module], x: Tensor) -> bool:
    """Whether replicas give in evaluation mode what their networks give."""
    replicas.train(False)
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(evaluation_mode(model))
        stack.enter_context(torch.no_grad())
        try:
            together = replicas(torch.cat([x] * replicas.n, 1))
        except RuntimeError:
            if isinstance(replicas, FoldedReplicas):
                return False
            raise
        alone = torch.stack([model(x) for model in models], 1)
    return _agree([(together, alone)])


def _agree(pairs: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether the values of each pair are the same but for rounding, which counts by the largest value of all."""
    scale = max((float(other.detach().abs().nan_to_num().max()) for _, other in pairs if other.numel()), default=0.0)
    for one, other in pairs:
        closeness = TOLERANCE.get(other.dtype, 0.0)
        if one.shape != other.shape or not torch.allclose(
            one, other.to(one.dtype), rtol=closeness, atol=closeness * scale, equal_nan=True
        ):
            return False
    return True


def _culprit(replicas: Replicas, x: Tensor) -> str:
    """The innermost layer that a step together does not leave any more."""
    entered: list[str] = []
    for name, layer in replicas.network.named_modules():
        known = f"Layer '{name}' ({type(layer).__name__})" if name else "The network"
        layer.register_forward_pre_hook(lambda _layer, _inputs, known=known: entered.append(known), prepend=True)
        layer.register_forward_hook(lambda _layer, _inputs, _output: entered.pop() and None)
    replicas.train()
    with suppress(Exception):
        replicas(torch.cat([x] * replicas.n, 1))
    return entered[-1] if entered else "The network"


def _said(cause: Exception | Warning | str) -> str:
    """What an error or a warning says, without PyTorch's wish for an issue."""
    text = str(cause)
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return meaning
    op = _NO_FORM.search(text)
    if op is not None:
        return f"PyTorch has no batched form of {op[1]}"
    lines = text.splitlines() or [""]
    return lines[0].removeprefix("vmap: ").split(". ")[0].strip(" .")[:200] or type(cause).__name__
