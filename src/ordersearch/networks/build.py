"""Building a network with blocks in it, initialised by seed and name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from ordersearch.block import Block, BlockFactory
from ordersearch.errors import NetworkError, ShapeError
from ordersearch.export import read_blocks
from ordersearch.networks.registry import Network, find_network
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
        specs: The block of each role.
        input_shape: Shape of one sample: ``(features,)`` or ``(channels, *sizes)``.
        n_outputs: Classes, or targets of a regression.
        seed: Of the initial weights.

    Raises:
        NetworkError: The network is not made of such blocks, or not for such data.
        ShapeError: A block does not fit what reaches it.
    """
    row = find_network(network) if isinstance(network, str) else network
    dims = len(input_shape) - 1
    check_network(row, specs, dims)
    factories = {role: BlockFactory(spec, dims or 2) for role, spec in specs.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "network"))
        module = row.build(factories, input_shape, n_outputs)
        _initialise_blocks(module, seed)
    _probe(module, row, input_shape, n_outputs)
    return module


def check_network(network: Network, roles: Mapping[str, object], dims: int) -> None:
    """Raise a NetworkError unless the network is made of blocks of these roles and for inputs of these dimensions."""
    if not set(roles) <= set(network.roles):
        raise NetworkError(
            f"Network {network.name!r} is made of {' and '.join(network.roles)} blocks, but the search space has the "
            f"roles {', '.join(roles)}. Choose another --space or --network."
        )
    if dims not in network.dims:
        kinds = {0: "tables", 1: "signals", 2: "images", 3: "volumes"}
        raise NetworkError(
            f"Network {network.name!r} takes {', '.join(kinds[d] for d in network.dims)}, but the data are "
            f"{kinds[dims]}. Choose another --network, or read the data otherwise with --input."
        )


def _initialise_blocks(module: nn.Module, seed: int) -> None:
    """PyTorch's default initialisation, drawn for each layer from a generator keyed by its name."""
    for block_name, block in module.named_modules():
        if isinstance(block, Block):
            for name, layer in block.named_modules(prefix=block_name):
                if hasattr(layer, "reset_parameters"):
                    torch.manual_seed(derived_seed(seed, "weights", name))
                    layer.reset_parameters()


def _probe(module: nn.Module, network: Network, input_shape: tuple[int, ...], n_outputs: int) -> None:
    """Pass one sample through, so that what does not fit is said before anything is trained."""
    hooks = [
        block.register_forward_pre_hook(lambda b, inputs: b.output_sizes(inputs[0].shape[2:]) and None)
        for block in module.modules()
        if isinstance(block, Block) and block.spec.on_maps
    ]
    module.eval()
    try:
        with torch.inference_mode():
            output = module(torch.zeros(1, *input_shape))
    except RuntimeError as cause:
        raise ShapeError(
            f"Network {network.name!r} does not fit samples of shape {input_shape}: {str(cause).splitlines()[0]}."
        ) from cause
    finally:
        module.train()
        for hook in hooks:
            hook.remove()
    if tuple(output.shape) != (1, n_outputs):
        raise NetworkError(
            f"Network {network.name!r} gives {tuple(output.shape[1:])} values a sample, but the task needs {n_outputs}."
        )


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
