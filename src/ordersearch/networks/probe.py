"""One sample through a new network, so that what does not fit is said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ordersearch.block import Block
from ordersearch.errors import NetworkError, OrdersearchError, ShapeError
from ordersearch.networks.network import Network
from ordersearch.networks.own import OwnBuild
from ordersearch.user_code import told


def probe(
    module: nn.Module, network: Network, made: Sequence[Block], input_shape: tuple[int, ...], n_outputs: int
) -> None:
    """Pass one sample through the network.

    Args:
        module: The network as built; it is in training mode afterwards.
        network: What it was built from.
        made: The blocks that were made for it.
        input_shape: That of a sample.
        n_outputs: How many values the task needs for one.

    Raises:
        ShapeError: A block does not fit what reaches it, or the network not the sample.
        NetworkError: It gives something else than the task needs, or its code fails.
    """
    at = _at(network)
    registered = set(module.modules())
    hooks = [
        block.register_forward_pre_hook(_check_sizes if block in registered else _refuse)
        for block in {*made, *(block for block in registered if isinstance(block, Block))}
    ]
    module.eval()
    try:
        with torch.inference_mode():
            output = module(torch.zeros(1, *input_shape))
    except OrdersearchError:
        raise
    except RuntimeError as cause:
        reason = told(cause) if isinstance(network.build, OwnBuild) else str(cause).splitlines()[0]
        raise ShapeError(f"{at} does not fit samples of shape {input_shape}: {reason}.") from cause
    except Exception as cause:
        raise NetworkError(f"{at} fails on a sample of shape {input_shape}: {told(cause)}.") from cause
    finally:
        module.train()
        for hook in hooks:
            hook.remove()
    _check_output(output, at, n_outputs)


def _check_sizes(block: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if isinstance(block, Block) and block.spec.on_maps and inputs:
        block.output_sizes(inputs[0].shape[2:])


def _refuse(block: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
    spec = block.spec if isinstance(block, Block) else block
    raise NetworkError(
        f"Block '{spec}' is used by the network but is no part of it, so its weights would not be trained. Keep it as "
        f"an attribute, in an nn.Sequential or in an nn.ModuleList."
    )


def _at(network: Network) -> str:
    return network.build.at if isinstance(network.build, OwnBuild) else f"Network {network.name!r}"


def _check_output(output: object, at: str, n_outputs: int) -> None:
    if not isinstance(output, Tensor):
        raise NetworkError(f"{at} gives a value of type {type(output).__name__}, but it gives a tensor.")
    if tuple(output.shape) != (1, n_outputs):
        raise NetworkError(f"{at} gives {tuple(output.shape[1:])} values a sample, but the task needs {n_outputs}.")
