"""Many trials: create a study or resume it, search, write down what came out."""

from ordersearch.study.observer import Observer, Progress
from ordersearch.study.result import SearchResult
from ordersearch.study.search import Search

__all__ = ["Observer", "Progress", "Search", "SearchResult"]
