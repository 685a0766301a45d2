"""The networks that a search can train, by name."""

from __future__ import annotations

from ordersearch.errors import PluginError
from ordersearch.networks.network import KINDS, Network
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


def network_summaries() -> dict[str, str]:
    """One line on each network: what it is, its blocks, its data and its options.

    Example:
        >>> network_summaries()["mlp"].partition(";")[2]
        ' blocks: dense; for tables, signals, images, volumes; options: width=128, depth=2'
    """
    return {name: _summary(name) for name in network_names()}


def _summary(name: str) -> str:
    try:
        network = NETWORKS[name]
    except PluginError as cause:
        # A list that a broken plugin can stop would hide the others.
        return str(cause)
    options = ", ".join(f"{option}={value}" for option, value in network.options.items() if option != "stem")
    parts = [
        network.summary,
        f"blocks: {', '.join(network.roles) or 'any'}",
        f"for {', '.join(KINDS[dims] for dims in network.dims)}",
        *([f"options: {options}"] if options else []),
    ]
    return "; ".join(parts)


def default_network(dims: int) -> str:
    """The network that suits inputs of so many spatial dimensions: ``mlp`` for tables, ``cnn`` for the rest."""
    return "cnn" if dims else "mlp"
