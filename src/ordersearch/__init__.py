"""ordersearch: the best order of conv, norm, activation, dropout and pooling for your data, and how sure that is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ordersearch.block import Block, BlockFactory, build_block
    from ordersearch.data import Dataset, load_dataset
    from ordersearch.errors import OrdersearchError
    from ordersearch.identities import canonical, cheapest, equivalent, members, why
    from ordersearch.networks import build_network, load_blocks
    from ordersearch.ops import OpSpec
    from ordersearch.space import SearchSpace
    from ordersearch.spec import BlockSpec
    from ordersearch.study import Search, SearchResult
    from ordersearch.training import PruningCallback

__version__ = "0.1.0"

_HOMES = {
    "Block": "block",
    "BlockFactory": "block",
    "BlockSpec": "spec",
    "Dataset": "data",
    "OpSpec": "ops",
    "OrdersearchError": "errors",
    "PruningCallback": "training",
    "Search": "study",
    "SearchResult": "study",
    "SearchSpace": "space",
    "build_block": "block",
    "build_network": "networks",
    "canonical": "identities",
    "cheapest": "identities",
    "equivalent": "identities",
    "load_blocks": "networks",
    "load_dataset": "data",
    "members": "identities",
    "why": "identities",
}

__all__ = [
    "Block",
    "BlockFactory",
    "BlockSpec",
    "Dataset",
    "OpSpec",
    "OrdersearchError",
    "PruningCallback",
    "Search",
    "SearchResult",
    "SearchSpace",
    "build_block",
    "build_network",
    "canonical",
    "cheapest",
    "equivalent",
    "load_blocks",
    "load_dataset",
    "members",
    "why",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch takes seconds, and most of what is here does without it.
    if name not in _HOMES:
        raise AttributeError(f"module 'ordersearch' has no attribute {name!r}")
    value = getattr(import_module(f"ordersearch.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
