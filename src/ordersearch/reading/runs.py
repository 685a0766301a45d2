"""One run of a module: seeded, and followed from input to output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ordersearch.errors import ReadingError
from ordersearch.reading.isolation import other_generators
from ordersearch.reading.recorder import Recorder
from ordersearch.reading.recording import Recording
from ordersearch.reading.rows import Rows
from ordersearch.user_code import told

_SEED = 0


@dataclass(frozen=True)
class Run:
    """What a run gave, and how far it moved the generator."""

    result: Tensor
    generator: Tensor


def seeded_run(function: Callable[[Tensor], Tensor], x: Tensor) -> Run:
    """The run of ``function`` on a copy of ``x``, PyTorch's generator seeded.

    Raises:
        ReadingError: It gives something else than a tensor.
    """
    with torch.no_grad(), _eager():
        # Not torch.manual_seed, which would seed the generators of GPUs, too.
        torch.default_generator.manual_seed(_SEED)
        result = function(x.detach().clone())
        return Run(_one_tensor(result), torch.get_rng_state())


def recorded_run(module: nn.Module, x: Tensor, rows: Rows, *, training: bool) -> tuple[Run, Recording]:
    """The run of a module in training or in evaluation, and what was seen of it.

    Raises:
        ReadingError: It fails, gives something else than a tensor, or draws numbers that no op draws.
    """
    recorder = Recorder(module, rows)

    def follow(value: Tensor) -> Tensor:
        with recorder.following(value):
            result = module(value)
        recorder.finish(result)
        return cast(Tensor, result)

    drawn = other_generators()
    try:
        module.train(training)
        run = seeded_run(follow, x)
    except ReadingError:
        raise
    except (Exception, SystemExit) as cause:
        raise _failed(cause, x, recorder.recording.innermost, training) from cause
    if drawn != other_generators():
        raise ReadingError("it draws numbers from Python's or NumPy's generator, on which its order may depend.")
    if recorder.recording.refusal:
        raise ReadingError(recorder.recording.refusal)
    return run, recorder.recording


def _eager() -> AbstractContextManager[Any]:
    """Compiled functions run as they are written; where nothing was compiled, the compiler is not even imported."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def _one_tensor(result: object) -> Tensor:
    if not isinstance(result, Tensor):
        raise ReadingError(f"it gives a value of type {type(result).__name__}, but a block gives one tensor.")
    return result


def _failed(cause: BaseException, x: Tensor, innermost: str, training: bool) -> ReadingError:
    inside = f" in {innermost}" if innermost not in ("", "it") else ""
    hint = (
        "Give it two samples or more: a norm over the batch needs them in training."
        if training and len(x) == 1
        else "It is called with one batch as it takes it: (n, channels, *sizes), or (n, features) for a linear block."
    )
    return ReadingError(
        f"cannot be run on an example_input of shape {tuple(x.shape)} and type {x.dtype} in "
        f"{'training' if training else 'evaluation'}:{inside} {told(cause)}. {hint}"
    )
