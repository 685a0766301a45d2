"""The networks that a search can train, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ordersearch.networks.blocks import DEFAULT_BLOCKS, STAGE_END
from ordersearch.networks.network import KINDS, Network
from ordersearch.networks.own import OwnBuild, own_network
from ordersearch.ops import OpSpec
from ordersearch.registry import Registry
from ordersearch.spec import BlockSpec

_HERE = "ordersearch.networks"


def row_fault(name: str, row: Any) -> str:
    """Why what a plugin gives as the network of this name is none, as the end of a sentence; "" if nothing is wrong.

    Example:
        >>> row_fault("mine", print)
        'it is of type builtin_function_or_method, where a network is an ordersearch.networks.Network'
    """
    if not isinstance(row, Network):
        return f"it is of type {type(row).__name__}, where a network is an ordersearch.networks.Network"
    return next(_row_faults(name, row), "")


def _row_faults(name: str, row: Network) -> Iterator[str]:
    if row.name != name:
        yield f"its row is named {row.name!r}: both have one name"
    if not row.dims or not set(row.dims) <= set(KINDS):
        yield f"its dims are {row.dims!r}, where they are some of {', '.join(map(str, KINDS))}"
    if not callable(row.build):
        yield f"its build is of type {type(row.build).__name__}, which cannot be called"
    for role in row.roles:
        if role not in (*DEFAULT_BLOCKS, STAGE_END, *row.blocks):
            yield f"its role {role!r} has no block where it is not searched: add one to blocks"
    for role, text in row.blocks.items():
        if row.roles and role not in row.roles:
            yield f"its blocks have one for {role!r}, which is none of its roles"
        BlockSpec.parse(text)
    for op, params in row.constants.items():
        OpSpec(op, **params)


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
    fault=row_fault,
)


def find_network(name: str) -> Network:
    """The network of this name, or the user's own of ``package.module:build``.

    Raises:
        UnknownNameError: No network has it, or the module nothing of this name.
        PluginError: It comes from a plugin that cannot be imported or is no network, or from two.
        NetworkError: The user's module cannot be imported, or what it names is no such function.
    """
    if ":" in name:
        return own_network(name)
    network = NETWORKS[name]
    if name in NETWORKS.builtin_names():
        return network
    # What goes wrong in a plugin's code is told as it is of a user's own, and whose it is.
    return replace(network, build=OwnBuild(name, network.build, NETWORKS.package(name)))


def network_names() -> tuple[str, ...]:
    """The names of all networks, plugins' included."""
    return NETWORKS.names()


def default_network(dims: int) -> str:
    """The network that suits inputs of so many spatial dimensions: ``mlp`` for tables, ``cnn`` for the rest."""
    return "cnn" if dims else "mlp"
