"""Networks: where blocks sit."""

from ordersearch.networks.build import build_network, check_network, load_blocks
from ordersearch.networks.registry import Network, default_network, find_network, network_names

__all__ = [
    "Network",
    "build_network",
    "check_network",
    "default_network",
    "find_network",
    "load_blocks",
    "network_names",
]
