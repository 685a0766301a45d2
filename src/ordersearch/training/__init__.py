"""One candidate's training: settings, the Lightning fit, and the callback that prunes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordersearch.training.settings import TrainingSettings

if TYPE_CHECKING:
    from ordersearch.training.pruning import PruningCallback

# The function ``fit`` is not among them: the module of that name would take its place as soon as it is imported.
__all__ = ["PruningCallback", "TrainingSettings"]


def __getattr__(name: str) -> Any:
    # Settings are values; the callback needs Lightning, which takes seconds to import.
    if name == "PruningCallback":
        from ordersearch.training.pruning import PruningCallback

        return PruningCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
