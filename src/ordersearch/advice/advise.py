"""All that is known about an order, most pressing first."""

from __future__ import annotations

from ordersearch.advice import about_dropouts, about_places
from ordersearch.advice.question import Advice, Question
from ordersearch.spec import BlockSpec

CHECKS = (
    about_dropouts.norm_after_dropout,
    about_dropouts.dropout_before_max_pool,
    about_dropouts.dropout_before_activation,
    about_dropouts.alpha_dropout_without_selu,
    about_places.bias_before_norm,
    about_places.small_batches,
    about_dropouts.dropout_before_next_norm,
    about_dropouts.dropout_before_avg_pool,
    about_places.pool_after_activation,
    about_places.pool_after_norm,
    about_places.nearly_commutes,
    about_places.pointwise_before_avg_pool,
    about_places.ends_only,
)


def advise(spec: BlockSpec, *, stacked: bool = True, batch_size: int | None = None, dims: int = 2) -> list[Advice]:
    """What is known to go wrong with the block, and what is good to know; warnings first.

    Two orders of one class get the same advice, save where it is about the way in which the order is written.

    Args:
        spec: The block.
        stacked: Whether a block like this one follows it, which sees its dropout.
        batch_size: Samples in a batch on one device, where that is known.
        dims: Number of spatial dimensions, 1 to 3.

    Example:
        >>> for advice in advise(BlockSpec.parse("conv > spatial_dropout(p=0.1) > batch_norm > relu"), stacked=False):
        ...     print(advice.code, advice.figure, sep=": ")  # doctest: +ELLIPSIS
        norm-after-dropout: Delta = 0.900 for values of mean 0 and 0.860 for those behind a ReLU: in evaluation ...
    """
    question = Question(spec, stacked, batch_size, dims)
    found = dict.fromkeys(advice for check in CHECKS for advice in check(question))
    return sorted(found, key=lambda advice: advice.severity != "warning")
