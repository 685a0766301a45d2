"""Advice on dropouts: what comes behind one, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator

from ordersearch.advice.figures import (
    RELU_MEAN,
    RELU_VARIANCE,
    alpha_dropout_writes,
    max_pool_inflation,
    tanh_distortion,
    variance_shift,
    variance_shift_behind_weight,
    zero_fractions,
)
from ordersearch.advice.question import COMPUTED, LI, Advice, Question, rate
from ordersearch.ops import OpSpec, Role, Trait


def norm_after_dropout(question: Question) -> Iterator[Advice]:
    """A norm with running statistics directly behind a dropout, here or at the start of the next block."""
    for index, op in _scaling(question):
        for norm in question.met_by(index):
            if Trait.BATCH_STATISTICS in norm.traits:
                centred = variance_shift(rate(op))
                after_relu = variance_shift(rate(op), RELU_MEAN, RELU_VARIANCE)
                yield Advice(
                    "norm-after-dropout",
                    "warning",
                    f"{norm} directly behind {op} learns the variance of dropped values, and in evaluation nothing is "
                    f"dropped (variance shift). Put the dropout behind the last norm, or leave it out.",
                    f"Delta = {centred:.3f} for values of mean 0 and {after_relu:.3f} for those behind a ReLU: in "
                    f"evaluation the norm's output shrinks to {centred**0.5:.3f} and {after_relu**0.5:.3f} of what was "
                    f"trained",
                    LI + ", case (a)",
                )


def dropout_before_next_norm(question: Question) -> Iterator[Advice]:
    """A norm with running statistics that sees a dropout through one weight."""
    for index, op in _scaling(question):
        norm = _norm_behind_weight(question, index)
        if norm:
            independent, shared = (variance_shift_behind_weight(rate(op), rho, reach=24) for rho in (0.0, 0.3))
            whose = "the next block's " if norm[0] >= len(question.ops) else ""
            yield Advice(
                "dropout-before-next-norm",
                "note",
                f"{op} is seen by {whose}{norm[1]} through the weight in between, which softens the variance shift "
                f"only as far as that weight's inputs are correlated. Small rates are harmless.",
                f"Delta = {independent:.3f} for independent inputs that come from a ReLU, {shared:.3f} at a "
                f"correlation of 0.3 and d cos^2 = 24, with the norm directly behind the weight",
                LI + ", case (b)",
            )


def dropout_before_max_pool(question: Question) -> Iterator[Advice]:
    """A dropout that draws element by element in front of a max-pool."""
    for index, op in _scaling(question):
        for pool in question.met_by(index):
            if Trait.TAKES_MAX in pool.traits and Trait.PER_CHANNEL not in op.traits:
                window = question.window(pool)
                zeros, wanted = zero_fractions(rate(op), window)
                yield Advice(
                    "dropout-before-max-pool",
                    "warning",
                    f"{pool} picks what {op} has scaled up, so its mean is larger in training than in evaluation, and "
                    f"it seldom sees a window that is dropped whole. Put the dropout behind it, or drop whole maps.",
                    f"mean {max_pool_inflation(rate(op), window):.2f} times that of evaluation, and {zeros:.0%} zeros "
                    f"instead of {wanted:.0%}, for ReLU of normal values in windows of {window}",
                    COMPUTED,
                )


def dropout_before_avg_pool(question: Question) -> Iterator[Advice]:
    """A dropout that draws element by element in front of an average pool."""
    for index, op in _scaling(question):
        for pool in question.met_by(index):
            if Trait.TAKES_MEAN in pool.traits and Trait.PER_CHANNEL not in op.traits:
                yield Advice(
                    "dropout-before-avg-pool",
                    "note",
                    f"{pool} averages the noise of {op}, which makes it a weaker, steadier dropout than one behind it.",
                    f"noise of 1/{question.window(pool)} of the variance where the values of a window are equal",
                    "Kim et al. 2023, arXiv:2302.06112 (dropout before global average pooling is steadier); computed",
                )


def dropout_before_activation(question: Question) -> Iterator[Advice]:
    """A dropout in front of an activation that does not pass it through."""
    for index, op in _scaling(question):
        for activation in question.met_by(index):
            if activation.role is Role.ACTIVATION:
                yield _written(op, activation) if activation.kind.at_zero else _distorted(op, activation)


def _written(op: OpSpec, activation: OpSpec) -> Advice:
    return Advice(
        "dropout-before-nonzero",
        "warning",
        f"{activation} makes {activation.kind.at_zero:.3g} of a value that {op} has set to 0, so nothing is dropped: "
        f"a constant is written. Put the dropout behind {activation.name}.",
        f"{rate(op):.0%} of the values become {activation.kind.at_zero:.3g}, and the rest are {activation.name} of "
        f"values scaled by {1 / (1 - rate(op)):.2f}",
        COMPUTED,
    )


def _distorted(op: OpSpec, activation: OpSpec) -> Advice:
    p = rate(op)
    return Advice(
        "dropout-before-inhomogeneous",
        "note",
        f"{op} scales what it keeps to make up for what it drops, and {activation} does not pass that scale through, "
        f"so the mean is another in training than in evaluation. Put the dropout behind {activation.name}.",
        f"{activation.name} of x times {1 / (1 - p):.2f} instead of {activation.name} of x, times {1 / (1 - p):.2f}; "
        f"for tanh of normal values the two differ by {tanh_distortion(p):.3f} (root mean square)",
        COMPUTED,
    )


def alpha_dropout_without_selu(question: Question) -> Iterator[Advice]:
    """An alpha dropout whose input does not come from SELU."""
    for index, op in question.of_role(Role.DROPOUT):
        if Trait.SELF_NORMALISING not in op.traits:
            continue
        before = next((o for o in reversed(question.ops[:index]) if o.role in (Role.ACTIVATION, Role.WEIGHT)), None)
        if before is None or Trait.SELF_NORMALISING not in before.traits:
            dropped, kept = alpha_dropout_writes(rate(op))
            yield Advice(
                "alpha-dropout-without-selu",
                "warning",
                f"{op} writes the lower bound of SELU, but it gets its values from "
                f"{before or 'what comes before the block'}. Take it behind selu only, or take dropout.",
                f"a dropped value becomes {dropped:.2f} and a 0 that is kept {kept:.2f}",
                "Klambauer et al. 2017, Self-normalizing neural networks, arXiv:1706.02515",
            )


def _scaling(question: Question) -> Iterator[tuple[int, OpSpec]]:
    return ((i, op) for i, op in question.of_role(Role.DROPOUT) if Trait.SCALING in op.traits and rate(op) > 0)


def _norm_behind_weight(question: Question, index: int) -> tuple[int, OpSpec] | None:
    n_weights = 0
    for place in range(index + 1, min(index + len(question.ops), len(question.path))):
        op = question.path[place]
        n_weights += op.role is Role.WEIGHT
        if n_weights > 1 or (op.role is Role.NORM and n_weights == 0):
            return None
        if op.role is Role.NORM:
            return (place, op) if Trait.BATCH_STATISTICS in op.traits else None
    return None
