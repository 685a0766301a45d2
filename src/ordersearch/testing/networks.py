"""What has to hold of a network, so that orders in it are compared fairly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ordersearch.errors import ShapeError
from ordersearch.networks import Network, build_network, find_network, suited_network
from ordersearch.networks.blocks import CONV, Blocks
from ordersearch.ops import Role
from ordersearch.spec import BlockSpec
from ordersearch.testing.check import Check, require
from ordersearch.testing.generators import untouched
from ordersearch.testing.layers import PLACES

SHAPES: Mapping[int, tuple[tuple[int, ...], ...]] = {
    0: ((13,),),
    1: ((2, 40), (2, 256)),
    2: ((3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 224, 224)),
    3: ((1, 8, 8, 8), (1, 16, 16, 16), (1, 32, 32, 32)),
}
"""Shapes of samples, of which the first is taken that the network's own blocks fit."""

ON_MAPS = (
    "conv > batch_norm > relu > max_pool > dropout(p=0.1)",
    "conv > relu > spatial_dropout(p=0.2)",
    "batch_norm > dropout(p=0.1) > conv > tanh",
)
ON_FEATURES = ("linear > batch_norm > relu > dropout(p=0.1)", "linear > tanh", "batch_norm > linear > relu")
RESIDUAL = (
    "conv > batch_norm > relu > conv > batch_norm > add > relu",
    "batch_norm > relu > conv > batch_norm > relu > dropout(p=0.1) > conv > add",
)
N_OUTPUTS = 5
Specs = dict[str, BlockSpec]


def network_checks(name: str, **options: int) -> list[Check]:
    """The checks of a network, for every number of dimensions that it takes.

    It is built with several orders of every role, gives one row of outputs a sample, starts from weights that depend on
    the seed and the layer's name alone, leaves the global generators as they are, takes two steps of training that
    reach every weight, and can be saved and loaded.

    Args:
        name: Of a built-in network, or of one that an installed package adds.
        options: Options of the network other than their defaults, such as a smaller ``width``.

    Raises:
        UnknownNameError: No network has this name.
        PluginError: It comes from a plugin that cannot be imported or is no network.
        NetworkError: It has no such option.

    Example:
        >>> [check.name for check in network_checks("mlp")]
        ['row', 'builds', 'weights', 'trains', 'evaluation', 'options']
    """
    network = find_network(name).with_options(**options)
    checks: dict[str, Callable[[Network], object]] = {
        "row": _row,
        "builds": _builds,
        "weights": _weights,
        "trains": _trains,
        "evaluation": _evaluation,
    }
    if _sizes(network):
        checks["options"] = _options
    return [Check(name, what, partial(check, network)) for what, check in checks.items()]


def _row(network: Network) -> None:
    one_line = bool(network.summary.strip()) and "\n" not in network.summary
    require(one_line, f"{network.name}: its summary is not one line")
    for role, orders in _orders(network, network.dims[-1]).items():
        require(bool(orders), f"{network.name}: no order is known for its role {role!r}")


def _orders(network: Network, dims: int) -> dict[str, tuple[Specs, ...]]:
    """Several orders of each role, with the other roles left as they are."""
    roles = network.roles or (CONV if dims else "dense",)
    blocks = Blocks(network, {}, dims)
    return {role: tuple({role: BlockSpec.parse(text)} for text in _texts(blocks[role].spec)) for role in roles}


def _texts(own: BlockSpec) -> tuple[str, ...]:
    if not own.on_maps:
        return ON_FEATURES
    return RESIDUAL if any(op.role is Role.MERGE for op in own) else ON_MAPS


def _places(network: Network) -> Iterator[tuple[int, tuple[int, ...], str]]:
    """The dimensions, the shape of a sample, and how the two are told."""
    for dims in network.dims:
        shape = _shape(network, dims)
        yield dims, shape, f"{network.name} on samples of shape {shape}"


@lru_cache(maxsize=64)
def _shape(network: Network, dims: int) -> tuple[int, ...]:
    told = ""
    for shape in SHAPES[dims]:
        try:
            build_network(network, {}, shape, N_OUTPUTS)
        except ShapeError as error:
            told = str(error)
        else:
            return shape
    shapes = ", ".join(map(str, SHAPES[dims]))
    raise AssertionError(f"{network.name} takes {PLACES[dims]}, but fits none of the shapes {shapes}: {told}")


def _built(
    network: Network, specs: Specs, shape: tuple[int, ...], n_outputs: int = N_OUTPUTS, seed: int = 0
) -> nn.Module:
    suited = suited_network(network, {role: [spec] for role, spec in specs.items()})
    return build_network(suited, specs, shape, n_outputs, seed=seed)


def _samples(shape: tuple[int, ...], n: int = 8) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))


def _builds(network: Network) -> None:
    for dims, shape, at in _places(network):
        for n_outputs in (1, N_OUTPUTS):
            _require_outputs(_built(network, {}, shape, n_outputs), shape, n_outputs, at)
        for orders in _orders(network, dims).values():
            for specs in orders:
                blocks = "; ".join(f"{role}: {spec}" for role, spec in specs.items())
                _require_outputs(_built(network, specs, shape), shape, N_OUTPUTS, f"{at}, {blocks}")


def _require_outputs(module: nn.Module, shape: tuple[int, ...], n_outputs: int, at: str) -> None:
    y = module(_samples(shape))
    require(tuple(y.shape) == (8, n_outputs), f"{at}: it gives {tuple(y.shape)} for 8 samples and {n_outputs} outputs")
    require(bool(y.isfinite().all()), f"{at}: it gives values that are not finite")


def _weights(network: Network) -> None:
    for dims, shape, at in _places(network):
        with untouched(f"Building {network.name}"):
            first = _built(network, {}, shape, seed=3).state_dict()
        _require_shared(first, _built(network, {}, shape, seed=3).state_dict(), f"{at}, built twice with one seed")
        other = _built(network, {}, shape, seed=4).state_dict()
        changed = [name for name, value in first.items() if not torch.equal(value, other[name])]
        require(bool(changed), f"{at}: with another seed it starts from the same weights")
        for role, orders in _orders(network, dims).items():
            # With the stem, which some orders need and then all have.
            suited = suited_network(network, {role: [specs[role] for specs in orders]})
            one, *others = (build_network(suited, specs, shape, N_OUTPUTS).state_dict() for specs in orders)
            for state in others:
                _require_shared(one, state, f"{at}, two orders of {role}")


def _require_shared(one: Mapping[str, Tensor], other: Mapping[str, Tensor], at: str) -> None:
    shared = [name for name in one if name in other and one[name].shape == other[name].shape]
    unlike = [name for name in shared if not torch.equal(one[name], other[name])]
    require(
        not unlike,
        f"{at}: {', '.join(unlike[:3])} start unlike. Weights are drawn when a layer is made: make the same layers in "
        "the same order whatever the blocks are, and draw nothing else",
    )


def _trains(network: Network) -> None:
    for _, shape, at in _places(network):
        module = _built(network, {}, shape)
        optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
        x, y = _samples(shape), torch.arange(8) % N_OUTPUTS
        for _step in range(2):
            optimizer.zero_grad()
            loss: Any = cross_entropy(module(x), y)
            require(bool(loss.isfinite()), f"{at}: the loss is not finite")
            loss.backward()
            optimizer.step()
        missed = [name for name, parameter in module.named_parameters() if parameter.grad is None]
        require(not missed, f"{at}: no gradient reaches {', '.join(missed[:3])}, so nothing is learnt there")


def _evaluation(network: Network) -> None:
    """What is trained can be saved and loaded, and then treats each sample on its own."""
    for _, shape, at in _places(network):
        module, x = _built(network, {}, shape), _samples(shape)
        module(x)
        loaded = _built(network, {}, shape, seed=1)
        loaded.load_state_dict(module.state_dict())
        with torch.no_grad():
            one, again, other = module.eval()(x), module(x), loaded.eval()(x)
            alone = torch.cat([module(sample[None]) for sample in x])
        require(
            bool(torch.equal(one, again)), f"{at}: in evaluation the same samples give other values the second time"
        )
        require(bool(torch.equal(one, other)), f"{at}: with the state_dict loaded it gives other values")
        close = torch.allclose(one, alone, rtol=1e-3, atol=1e-4)
        require(close, f"{at}: in evaluation the values of a sample depend on the others of its batch")


def _sizes(network: Network) -> list[str]:
    return [name for name, value in network.options.items() if value is None or type(value) is int]


def _options(network: Network) -> None:
    for dims, shape, at in list(_places(network))[:1]:
        for name in _sizes(network):
            value = network.options[name]
            larger = 2 * value if value else 2
            one, other = (_built(each, {}, shape) for each in (network, network.with_options(**{name: larger})))
            same = [p.shape for p in one.parameters()] == [p.shape for p in other.parameters()]
            require(not same, f"{at} ({PLACES[dims]}): {name}={larger} builds the same network as {name}={value}")
