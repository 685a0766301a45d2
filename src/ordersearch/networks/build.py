"""Building a network with blocks in it, initialised by seed and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ordersearch.block import Block, BlockFactory
from ordersearch.errors import NetworkError
from ordersearch.export import read_blocks
from ordersearch.networks.blocks import Blocks
from ordersearch.networks.network import KINDS, Network
from ordersearch.networks.probe import probe
from ordersearch.networks.registry import find_network
from ordersearch.seeds import derived_seed
from ordersearch.spec import BlockSpec


def build_network(
    network: str | Network,
    specs: Mapping[str, BlockSpec],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    seed: int = 0,
) -> nn.Module:
    """The network with these blocks, its initial weights set by ``seed`` and each layer's name.

    Two orders get the same initial weights for the layers that they share, wherever these stand in the block. The
    global generator is left as it was.

    Args:
        network: A network, or the name of one.
        specs: The searched block of each role; the network's other roles keep its own block or the default.
        input_shape: Shape of one sample: ``(features,)`` or ``(channels, *sizes)``.
        n_outputs: Classes, or targets of a regression.
        seed: Of the initial weights.

    Raises:
        NetworkError: The network is not made of such blocks, or not for such data, or is a user's and fails.
        ShapeError: A block does not fit what reaches it.
    """
    row = find_network(network) if isinstance(network, str) else network
    dims = len(input_shape) - 1
    check_network(row, specs, dims)
    blocks = Blocks(row, specs, dims)
    options = {name: value for name, value in row.options.items() if value is not None}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "network"))
        with _memory_told(row):
            module = row.build(blocks, input_shape, n_outputs, **options)
        _initialise_blocks(module, blocks.made, seed)
    probe(module, row, blocks.made, input_shape, n_outputs)
    blocks.require_use()
    return module


@contextmanager
def _memory_told(network: Network) -> Iterator[None]:
    """Say of a network that does not fit into memory that it does not, and what would."""
    try:
        yield
    except (MemoryError, RuntimeError) as cause:
        if isinstance(cause, RuntimeError) and "allocate memory" not in str(cause):
            raise
        chosen = ", ".join(f"{name} {value}" for name, value in network.described().items() if name != "name")
        raise NetworkError(
            f"Network {network.name!r} ({chosen}) does not fit into memory: {str(cause).splitlines()[0]:.200}. Take a "
            "smaller width or depth."
        ) from cause


def check_network(network: Network, roles: Iterable[str], dims: int) -> None:
    """Raise a NetworkError unless the network is made of blocks of these roles and for inputs of these dimensions."""
    if network.roles and not set(roles) <= set(network.roles):
        raise NetworkError(
            f"Network {network.name!r} is made of {', '.join(network.roles)} blocks, but the search space has the "
            f"roles {', '.join(roles)}. Choose another --space or --network."
        )
    if dims not in network.dims:
        raise NetworkError(
            f"Network {network.name!r} takes {', '.join(KINDS[d] for d in network.dims)}, but the data are "
            f"{KINDS[dims]}. Choose another --network, or read the data otherwise with --input."
        )


def _initialise_blocks(module: nn.Module, made: Iterable[Block], seed: int) -> None:
    """PyTorch's default initialisation, drawn for each layer from a generator keyed by its name."""
    blocks = {*made, *(block for block in module.modules() if isinstance(block, Block))}
    # A user's network may take a block apart and keep its layers only.
    layers = {layer for block in blocks for layer in block.modules()}
    for name, layer in module.named_modules():
        if layer in layers and hasattr(layer, "reset_parameters"):
            _seed_generators(layer, derived_seed(seed, "weights", name))
            layer.reset_parameters()


def _seed_generators(layer: nn.Module, seed: int) -> None:
    """Seed the generator that a layer's initial weights are drawn from."""
    if all(parameter.device.type == "cpu" for parameter in layer.parameters()):
        # On a machine without a GPU, torch.manual_seed notes for each call where it came from: 0.2 ms and more.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def load_blocks(path: str | Path, *, rank: int = 1) -> dict[str, BlockFactory]:
    """The factories of a blocks file's winner (``rank=2``: of the next best), one a role.

    Args:
        path: A ``blocks.yaml``.
        rank: Which of the blocks in it, best first from 1.

    Raises:
        BlocksFileError: The file cannot be read, breaks the schema, or has no block of this rank.

    Example:
        Make a layer of your own network of the winner::

            conv = load_blocks("runs/digits-conv/blocks.yaml")["conv"]
            layer = conv(3, 64)
    """
    file = read_blocks(Path(path))
    return {role: BlockFactory(spec, file.dims) for role, spec in file.blocks(rank).items()}
