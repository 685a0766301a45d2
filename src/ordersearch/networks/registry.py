"""The networks that a search can train, by name."""

from __future__ import annotations

from ordersearch.networks.network import Network
from ordersearch.networks.own import own_network
from ordersearch.registry import Registry

_HERE = "ordersearch.networks"

NETWORKS: Registry[Network] = Registry(
    "network",
    "ordersearch.networks",
    {
        "cnn": f"{_HERE}.cnn:CNN",
        "mlp": f"{_HERE}.mlp:MLP",
        "resnet": f"{_HERE}.residual:RESNET",
        "resnet9": f"{_HERE}.residual:RESNET9",
        "wide_resnet": f"{_HERE}.residual:WIDE_RESNET",
        "inception": f"{_HERE}.inception:INCEPTION",
        "mnist_cnn": f"{_HERE}.tutorials:MNIST_CNN",
        "four_conv_cnn": f"{_HERE}.tutorials:FOUR_CONV_CNN",
        "signal_cnn": f"{_HERE}.tutorials:SIGNAL_CNN",
    },
)


def find_network(name: str) -> Network:
    """The network of this name, or the user's own of ``package.module:build``.

    Raises:
        UnknownNameError: No network has it, or the module nothing of this name.
        PluginError: It comes from a plugin that cannot be imported.
        NetworkError: The user's module cannot be imported, or what it names is no such function.
    """
    return own_network(name) if ":" in name else NETWORKS[name]


def network_names() -> tuple[str, ...]:
    """The names of all networks, plugins' included."""
    return NETWORKS.names()


def default_network(dims: int) -> str:
    """The network that suits inputs of so many spatial dimensions: ``mlp`` for tables, ``cnn`` for the rest."""
    return "cnn" if dims else "mlp"
