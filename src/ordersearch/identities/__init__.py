"""When two orders are one network, and which of them costs least.

Two orders are equivalent when one becomes the other by swapping neighbours that commute exactly: with the masks of the
dropouts shared, the same outputs and gradients in training and the same outputs in evaluation.
"""

from ordersearch.identities.classes import (
    MAX_MEMBERS,
    bias_is_redundant,
    canonical,
    direct_successors,
    each_member,
    equivalent,
    members,
)
from ordersearch.identities.costs import cheapest, cost
from ordersearch.identities.rules import blocking_reason, commute, swap_reason
from ordersearch.identities.steps import Step, why

__all__ = [
    "MAX_MEMBERS",
    "Step",
    "bias_is_redundant",
    "blocking_reason",
    "canonical",
    "cheapest",
    "commute",
    "cost",
    "direct_successors",
    "each_member",
    "equivalent",
    "members",
    "swap_reason",
    "why",
]
