"""OrderBench: real learning curves of every order, to try search methods on without training anything."""

from ordersearch.benchmarks.problem import ENCODINGS, OrderBench
from ordersearch.benchmarks.table import Training, load, table_path

__all__ = ["ENCODINGS", "OrderBench", "Training", "load", "table_path"]
