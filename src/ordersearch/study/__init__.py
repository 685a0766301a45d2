"""Many trials: create a study or resume it, search, write down what came out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ordersearch.study.observer import Observer, Progress
    from ordersearch.study.result import SearchResult
    from ordersearch.study.search import Search

_HOMES = {"Observer": "observer", "Progress": "observer", "Search": "search", "SearchResult": "result"}

__all__ = ["Observer", "Progress", "Search", "SearchResult"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: a search takes torch, which takes seconds, and a storage does without it.
    if name not in _HOMES:
        raise AttributeError(f"module 'ordersearch.study' has no attribute {name!r}")
    return getattr(import_module(f"ordersearch.study.{_HOMES[name]}"), name)
