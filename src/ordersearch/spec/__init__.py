"""A block as a value: which ops follow which, in one notation."""

from ordersearch.spec.block_spec import BlockSpec

__all__ = ["BlockSpec"]
