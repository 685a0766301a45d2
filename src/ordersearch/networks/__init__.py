"""Networks: where blocks sit."""

from ordersearch.networks.build import build_network, check_network, load_blocks
from ordersearch.networks.network import Network, suited_network
from ordersearch.networks.registry import default_network, find_network, network_names

__all__ = [
    "Network",
    "build_network",
    "check_network",
    "default_network",
    "find_network",
    "load_blocks",
    "network_names",
    "suited_network",
]
