"""The one place where Lightning is imported, under whichever of its two names it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytorch_lightning as pl
elif importlib.util.find_spec("pytorch_lightning") is not None:
    pl = importlib.import_module("pytorch_lightning")
else:
    pl = importlib.import_module("lightning.pytorch")

__all__ = ["callback_bases", "pl"]

_NAMES = ("pytorch_lightning", "lightning.pytorch")


def callback_bases() -> tuple[type[Any], ...]:
    """The ``Callback`` classes of every Lightning that this process has imported.

    Both distributions may be installed, each with a ``Callback`` of its own, and the other one's ``Trainer`` knows
    only that one. Whoever has a trainer has imported its package, so nothing is imported here for its sake.
    """
    return tuple(sys.modules[name].Callback for name in _NAMES if hasattr(sys.modules.get(name), "Callback"))
