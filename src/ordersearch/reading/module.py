"""The order of a real module, read from what it does to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ordersearch.errors import ReadingError
from ordersearch.ops import OpSpec, Role, Trait
from ordersearch.reading.chain import ReadSegment, read_segments, spec_of, written
from ordersearch.reading.isolation import isolated
from ordersearch.reading.layers import ReadLayer
from ordersearch.reading.rebuilt import Rebuilt, alike
from ordersearch.reading.rows import Rows
from ordersearch.reading.runs import Run, recorded_run, seeded_run
from ordersearch.spec import BlockSpec
from ordersearch.user_code import call_user


def from_module(module: nn.Module, example_input: Tensor) -> BlockSpec:
    """The block that a module is, read from what it does and not from the order of its attributes.

    A copy of the module runs on ``example_input`` in training and in evaluation, and its layers and functional calls
    are followed from the input to the output: a layer that is never called is not read, one that is called twice is
    read twice, ``F.relu(x)`` is read as ``nn.ReLU`` is, and ``x + shortcut`` as ``add``. What does nothing (an
    identity, a dropout at rate 0) is left out. Then the layers that the block describes are made anew, given the
    module's weights and run: what was read is given back only if they compute the same.

    Channels and the stride are not part of a block, so a module of several convolutions is one long block, whatever
    their widths; only the first of them may have a stride. What says the same is read in one way: ``padding`` is
    ``same`` where it keeps the size, a bias ``auto`` where a block would have it or leave it out alike, ``groups`` of a
    group norm is its default where that gives the same groups, and one group is a ``layer_norm``. Nothing of the module
    changes, and no random numbers are used up.

    Args:
        module: A block: one tensor in, one tensor out.
        example_input: A batch as the module takes it, ``(n, channels, *sizes)`` or ``(n, features)``; two samples or
            more where a batch norm needs them.

    Raises:
        ReadingError: The module does something that a block does not, or what it does cannot be followed; the message
            names the layer.

    Example:
        >>> import torch
        >>> class Mine(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.norm, self.conv = nn.BatchNorm2d(8), nn.Conv2d(3, 8, 3, padding=1, bias=False)
        ...
        ...     def forward(self, x):
        ...         return nn.functional.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        >>> str(from_module(Mine(), torch.zeros(2, 3, 8, 8)))
        'conv > batch_norm > relu > max_pool'
    """
    _check_arguments(module, example_input)
    original = getattr(module, "_orig_mod", module)  # of torch.compile
    try:
        with isolated(original) as copied:
            return _read(copied, example_input.detach().cpu())
    except ReadingError as refused:
        raise ReadingError(f"{type(original).__name__}: {refused}") from refused.__cause__


def _check_arguments(module: object, example_input: object) -> None:
    if not isinstance(module, nn.Module):
        named = f"the class {module.__name__}" if isinstance(module, type) else f"of type {type(module).__name__}"
        raise ReadingError(f"got a module that is {named}, but it is an instance of nn.Module, such as nn.ReLU().")
    if not isinstance(example_input, Tensor):
        raise ReadingError(
            f"{type(module).__name__}: got an example_input of type {type(example_input).__name__}, but it is one "
            f"tensor, such as torch.rand(2, 3, 32, 32)."
        )
    if example_input.ndim < 2 or not example_input.is_floating_point() or not example_input.numel():
        raise ReadingError(
            f"{type(module).__name__}: got an example_input of shape {tuple(example_input.shape)} and type "
            f"{example_input.dtype}, but it is a batch of numbers with a fraction: (n, channels, *sizes) or "
            f"(n, features)."
        )
    if example_input.is_meta:
        raise ReadingError(
            f"{type(module).__name__}: got an example_input on the meta device, where nothing can be computed."
        )
    if not example_input.isfinite().all():
        raise ReadingError(
            f"{type(module).__name__}: got an example_input with values that are not finite, which say nothing of what "
            f"the module computes. Take torch.rand{tuple(example_input.shape)}."
        )


def _read(module: nn.Module, x: Tensor) -> BlockSpec:
    rows = Rows()
    before = {id(tensor): tensor.detach() for tensor in module.parameters()}
    before |= {id(tensor): tensor.detach().clone() for tensor in module.buffers()}
    still, seen_still = recorded_run(module, x, rows, training=False)
    trained, seen = recorded_run(module, x, rows, training=True)
    segments = read_segments(seen)
    spec = spec_of(segments)
    _check_modes(segments, read_segments(seen_still))
    rebuilt = Rebuilt(segments, before)
    _check_same(rebuilt.eval(), x, still, spec, "in evaluation")
    _check_same(rebuilt.train(), x, trained, spec, "in training")
    # Another batch, for what changes from one step to the next: an average over all batches, a start from the first.
    # With noise on it, since much that a module does cannot be seen on an example of zeros.
    other = x + torch.randn_like(x)
    for is_training, when in ((True, "in a second step of training"), (False, "in evaluation behind it")):
        module.train(is_training)
        again = call_user(partial(seeded_run, module, other), at="it", error=ReadingError, failed=f"fails {when}:")
        _check_same(rebuilt.train(is_training), other, again, spec, when)
    return spec


def _check_modes(trained: Sequence[ReadSegment], still: Sequence[ReadSegment]) -> None:
    """Evaluation is training without the dropouts, norms by running statistics."""
    for segments, is_training in ((trained, True), (still, False)):
        for read in _layers(segments):
            if Trait.BATCH_STATISTICS in read.op.traits and read.layer.is_training is not is_training:
                uses, mode = ("running", "training, too") if is_training else ("the batch's", "evaluation, too")
                raise ReadingError(f"{read.layer.where} uses {uses} statistics in {mode}, which no block does.")
            if read.op.role is Role.DROPOUT and not is_training:
                raise ReadingError(
                    f"{read.layer.where} drops values in evaluation, too: give it training=self.training."
                )
    in_training, in_evaluation = _without_dropouts(trained), _without_dropouts(still)
    if in_training != in_evaluation:
        raise ReadingError(
            f"it does '{written(in_training)}' in training, but '{written(in_evaluation)}' in evaluation; a block does "
            f"the same in both, save for its dropouts."
        )


def _layers(segments: Sequence[ReadSegment]) -> list[ReadLayer]:
    return [layer for segment in segments for layer in (*segment.layers, *(segment.shortcut or ()))]


def _without_dropouts(segments: Sequence[ReadSegment]) -> list[OpSpec]:
    return [op for segment in segments for op in segment.ops if op.role is not Role.DROPOUT]


def _check_same(rebuilt: Rebuilt, x: Tensor, theirs: Run, spec: BlockSpec, when: str) -> None:
    ours = seeded_run(rebuilt, x)
    if not alike(ours.result, theirs.result):
        raise ReadingError(
            f"it was read as '{spec}', but computes something else {when}: something in it (a hook, say) changes "
            f"values without being seen."
        )
    if not ours.generator.equal(theirs.generator):
        raise ReadingError(f"it was read as '{spec}', but draws random numbers {when} that no op of these draws.")
    if rebuilt.training and not rebuilt.has_the_same_state():
        raise ReadingError(
            f"it was read as '{spec}', but changes its parameters or running statistics otherwise {when}."
        )
