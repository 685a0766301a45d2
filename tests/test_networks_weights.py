"""What default options have always built: the golden file was written before networks had options."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import torch
from torch import nn

from ordersearch.networks import build_network
from ordersearch.spec import BlockSpec

CONVS = (
    "conv > batch_norm > relu > max_pool > dropout",
    "conv > relu > max_pool > dropout(p=0.1) > batch_norm",
    "batch_norm > conv > max_pool > relu > spatial_dropout(p=0.3)",
    "conv > spatial_dropout(p=0.1) > batch_norm > relu > max_pool",
    "conv > max_pool > batch_norm > relu",
    "conv > relu > max_pool",
)
DENSES = (
    "linear > batch_norm > relu > dropout",
    "batch_norm > dropout > linear > relu",
    "linear > relu > dropout(p=0.1) > batch_norm",
    "linear > relu",
)
IMAGE = (1, 8, 8)
CASES: list[tuple[str, dict[str, str], tuple[int, ...]]] = [
    *(("cnn", {"conv": text}, shape) for text in CONVS for shape in (IMAGE, (3, 32, 32), (2, 40))),
    *(("cnn", {"dense": text}, IMAGE) for text in DENSES),
    *(("cnn", {"conv": conv, "dense": dense}, IMAGE) for conv, dense in zip(CONVS, DENSES, strict=False)),
    *(("mlp", {"dense": text}, shape) for text in DENSES for shape in ((13,), IMAGE)),
    ("cnn", {"conv": CONVS[0]}, (1, 12, 12, 12)),
]


def test_default_options_build_the_same_layers_names_and_weights_as_ever(golden: Callable[[str, str], None]) -> None:
    golden("networks.txt", "".join(f"{_case(*case)} | {_summary(_built(*case))}\n" for case in CASES))


def _case(network: str, blocks: Mapping[str, str], shape: tuple[int, ...]) -> str:
    return f"{network} | {shape} | {'; '.join(f'{role}: {text}' for role, text in blocks.items())}"


def _built(network: str, blocks: Mapping[str, str], shape: tuple[int, ...]) -> nn.Module:
    return build_network(network, {r: BlockSpec.parse(t) for r, t in blocks.items()}, shape, 10, seed=3)


def _summary(module: nn.Module) -> str:
    """The names and kinds of the layers as a digest, and a sum that no two weights can change places in."""
    layers = [f"{name}: {type(layer).__name__}" for name, layer in module.named_modules() if not list(layer.children())]
    shapes = [f"{name}: {tuple(value.shape)}" for name, value in module.state_dict().items()]
    digest = hashlib.sha256("\n".join([*layers, *shapes]).encode()).hexdigest()[:12]
    values = torch.cat([value.double().flatten() for value in module.state_dict().values()])
    checksum = (values * torch.arange(1, len(values) + 1).double().sin()).sum().item()
    return f"{digest} | {len(values)} values | {checksum:.3f}"
