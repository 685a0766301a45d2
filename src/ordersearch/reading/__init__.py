"""The order of a module that somebody else wrote, read from what it does: ``nn.Module`` to spec."""

from ordersearch.reading.module import from_module

__all__ = ["from_module"]
