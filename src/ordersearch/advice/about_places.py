"""Advice on where pool, norm, bias and weight stand."""

from __future__ import annotations

from collections.abc import Iterator

from ordersearch.advice.question import PAGE, Advice, Question
from ordersearch.identities import bias_is_redundant, canonical, cheapest, cost
from ordersearch.ops import OpSpec, Role, Trait
from ordersearch.spec import BlockSpec

NEARLY_MONOTONE = {
    "gelu": (0.025, 1.5e-3, 0.170),
    "silu": (0.0026, 1.0e-4, 0.278),
    "mish": (0.0038, 1.8e-4, 0.309),
    "hardswish": (0.0025, 2.3e-4, 0.375),
}
"""Before or behind a max-pool over 4 normal values: share of outputs that differ, mean and largest difference."""


def bias_before_norm(question: Question) -> Iterator[Advice]:
    """A bias that is asked for where the next norm cancels it."""
    ops = question.spec.ops
    for index, op in enumerate(ops):
        if op.params.get("bias") is True and bias_is_redundant(ops, index):
            yield Advice(
                "bias-before-norm",
                "warning",
                f"The norm behind {op} subtracts whatever its bias adds: the bias learns nothing, and Adam makes a "
                f"random walk of the rounding noise in its gradient. Leave it out: bias=auto.",
                "gradient 3e-14 (float64), yet Adam moved the bias by 0.27 in 400 steps at a learning rate of 0.01",
                "computed for this project",
            )


def pool_after_activation(question: Question) -> Iterator[Advice]:
    """A pool that may stand earlier in the same class."""
    best = cheapest(question.spec)
    mine, least = cost(_biases_of(question.spec, best), dims=question.dims), cost(best, dims=question.dims)
    if mine > least:
        yield Advice(
            "pool-after-activation",
            "note",
            f"The same network costs less with the pool first: {best}.",
            f"{mine:.4g} values touched for each that comes in become {least:.4g}; swapping ReLU and max-pool alone "
            f"took a CIFAR-10 network from 70 s to 67 s",
            PAGE,
        )


def _biases_of(spec: BlockSpec, plain: BlockSpec) -> BlockSpec:
    # What a redundant bias costs is told by the advice on biases.
    weights = iter([op for op in plain.ops if op.role is Role.WEIGHT])
    return BlockSpec(next(weights) if op.role is Role.WEIGHT else op for op in spec.ops)


def pool_after_norm(question: Question) -> Iterator[Advice]:
    """A pool that could stand before the norm: another network, and a faster one."""
    for index, norm in question.of_role(Role.NORM):
        for pool in question.met_by(index, here=True):
            if pool.role is not Role.POOL:
                continue
            text = f"{pool} before {norm} is another network, and a faster one: the norm gets fewer values."
            if Trait.TAKES_MAX in pool.traits:
                yield Advice(
                    "pool-after-norm",
                    "note",
                    text,
                    "67 s became 62 s, and 94.1 % became 94.0 % (mean of 50 runs)",
                    PAGE,
                )
            elif Trait.BATCH_STATISTICS in norm.traits:
                factor = question.window(pool) ** 0.5
                yield Advice(
                    "pool-after-norm",
                    "note",
                    text + " In training the two differ by one factor for each channel and batch.",
                    f"a factor of at most {factor:.3g} (uncorrelated inputs), which the norm's scale can learn",
                    "computed for this project",
                )


def nearly_commutes(question: Question) -> Iterator[Advice]:
    """A max-pool next to an activation that almost never decreases."""
    ops = question.ops
    for index, op in enumerate(ops):
        for other in question.met_by(index, here=True):
            pair = {o.role: o for o in (op, other)}
            activation, pool = pair.get(Role.ACTIVATION), pair.get(Role.POOL)
            if not activation or not pool or Trait.TAKES_MAX not in pool.traits:
                continue
            if activation.name in NEARLY_MONOTONE:
                share, mean, most = NEARLY_MONOTONE[activation.name]
                first = " Here the pool is first, which is the faster way." if op is pool else " Pool first is faster."
                yield Advice(
                    "activation-nearly-commutes",
                    "note",
                    f"{activation} and {pool} commute but for windows whose largest value is negative, hence they are "
                    f"never taken for one network.{first}",
                    f"{share:.2%} of the outputs differ, by {mean:.2g} in the mean and {most:.3g} at most (2x2 windows "
                    f"of normal values)",
                    "computed for this project",
                )


def pointwise_before_avg_pool(question: Question) -> Iterator[Advice]:
    """A pointwise weight in front of a mean, which at stride 1 may be turned round."""
    for index, op in question.of_role(Role.WEIGHT):
        for pool in question.met_by(index):
            if (
                Trait.POINTWISE in op.traits
                and Trait.TAKES_MEAN in pool.traits
                and Trait.KEEPS_CONSTANTS in pool.traits
            ):
                yield Advice(
                    "pointwise-before-avg-pool",
                    "note",
                    f"Wherever {op} has stride 1, {pool} may stand before it with the same result, and costs less. "
                    f"The two count as two networks, for with another stride they are.",
                    f"the weight works on 1/{question.window(pool)} of the values",
                    "computed for this project",
                )


def small_batches(question: Question) -> Iterator[Advice]:
    """A norm that takes its statistics of a batch of few samples."""
    size = question.batch_size
    for _, norm in question.of_role(Role.NORM):
        if size is not None and size < 16 and Trait.BATCH_STATISTICS in norm.traits:
            spread = (
                f"a relative standard deviation of {(2 / (size - 1)) ** 0.5:.2f}" if size > 1 else "no meaning at all"
            )
            yield Advice(
                "small-batches",
                "warning",
                f"{norm} takes its statistics of {size} samples, which are too few to be those of the data. Take "
                f"group_norm, or larger batches.",
                f"the variance of a normal feature has {spread}; at 2 samples a device ResNet-50 had an error 10.6 "
                f"points higher than with group norm",
                "Wu & He 2018, Group normalization, arXiv:1803.08494",
            )


def ends_only(question: Question) -> Iterator[Advice]:
    """Ops in front of the only weight and no shortcut: in a stack, only its ends differ from the weight-first order."""
    ops = question.spec.ops
    weights = [index for index, op in enumerate(ops) if op.role is Role.WEIGHT]
    if not question.stacked or len(weights) > 1 or weights[0] == 0 or any(op.role is Role.MERGE for op in ops):
        return
    turned = canonical(_rotated(ops, weights[0]))
    yield Advice(
        "only-the-ends-differ",
        "note",
        f"Without a shortcut (add), a stack of these blocks is a stack of '{turned}' but for its first and last ops.",
        "all junctions inside the stack are alike; around a shortcut, pre-activation took the error of ResNet-110 on "
        "CIFAR-10 from 6.61 to 6.37 %",
        "He et al. 2016, Identity mappings in deep residual networks, arXiv:1603.05027",
    )


def _rotated(ops: tuple[OpSpec, ...], weight: int) -> BlockSpec:
    return BlockSpec((*ops[weight:], *ops[:weight]))
