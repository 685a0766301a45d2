"""The networks that a search can train, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordersearch.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from ordersearch.block import BlockFactory

Build = Callable[["Mapping[str, BlockFactory]", tuple[int, ...], int], "nn.Module"]


@dataclass(frozen=True)
class Network:
    """A row of the table of networks.

    Attributes:
        name: What it is called.
        summary: What it is, in one line.
        roles: The roles of the blocks that it is made of; at least one of them is searched, the others keep the
            network's own default.
        dims: The numbers of spatial dimensions of its inputs; 0 is a table.
        build: ``build(blocks, input_shape, n_outputs)`` makes the module; ``input_shape`` is that of one sample.
    """

    name: str
    summary: str
    roles: tuple[str, ...]
    dims: tuple[int, ...]
    build: Build


NETWORKS: Registry[Network] = Registry(
    "network",
    "ordersearch.networks",
    {"cnn": "ordersearch.networks.cnn:CNN", "mlp": "ordersearch.networks.mlp:MLP"},
)


def find_network(name: str) -> Network:
    """The network of this name.

    Raises:
        UnknownNameError: No network has it.
        PluginError: It comes from a plugin that cannot be imported.
    """
    return NETWORKS[name]


def network_names() -> tuple[str, ...]:
    """The names of all networks, plugins' included."""
    return NETWORKS.names()


def default_network(dims: int) -> str:
    """The network that suits inputs of so many spatial dimensions: ``mlp`` for tables, ``cnn`` for the rest."""
    return "cnn" if dims else "mlp"
