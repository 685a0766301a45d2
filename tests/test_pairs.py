"""Every network with every space on every kind of data: it trains, or the reason is told."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ordersearch.data import Dataset, dataset_from_arrays
from ordersearch.errors import NetworkError
from ordersearch.networks import find_network, network_names
from ordersearch.objective import Setting, Trainer
from ordersearch.space import SearchSpace, shipped_spaces
from ordersearch.study import Search
from ordersearch.training.settings import TrainingSettings

SHAPES = {"table": (12,), "signal": (2, 32), "image": (1, 18, 18), "volume": (1, 8, 8, 8)}
KINDS = ("tables", "signals", "images", "volumes")


loaded = cache(SearchSpace.load)


@cache
def tiny(kind: str) -> Dataset:
    """Twenty samples of two classes that a network can tell apart."""
    generator = np.random.default_rng(0)
    y = np.arange(20) % 2
    x = generator.normal(size=(20, *SHAPES[kind])) + y.reshape(-1, *[1] * len(SHAPES[kind]))
    return dataset_from_arrays(x.astype(np.float32), y, name=kind, input=kind)


def searched(network: str, space: str, kind: str) -> Search:
    """The search that the command line would make of these three."""
    space_ = loaded(space)
    row = find_network(network)
    if row.name == space_.network.get("name"):
        row = row.with_options(**{k: v for k, v in space_.network.items() if not isinstance(v, str)})
    if space == "where" and "depth" in row.options:
        row = row.with_options(depth=2)
    smaller = {"width": 4} if "width" in row.options and network != "wide_resnet" else {"width": 1}
    row = row.with_options(**{k: v for k, v in smaller.items() if k in row.options})
    return Search("pair", space_, tiny(kind), row, TrainingSettings(max_epochs=1, batch_size=8))


def makes_sense(network: str, space: str, kind: str) -> bool:
    """Whether the network is made of the space's blocks and takes such data."""
    row, roles = find_network(network), loaded(space).block_roles
    return set(roles) <= set(row.roles) and len(SHAPES[kind]) - 1 in row.dims


PAIRS = [(network, space, kind) for network in network_names() for space in shipped_spaces() for kind in SHAPES]


@pytest.mark.parametrize(("network", "space", "kind"), [pair for pair in PAIRS if makes_sense(*pair)])
def test_what_makes_sense_trains(network: str, space: str, kind: str) -> None:
    search = searched(network, space, kind)
    trainer = Trainer(search.dataset, search.network, search.training)
    reference = search.space.references()[0]
    setting = Setting.of(reference.blocks, search.space.default_nuisance(), search.network)
    result, _ = trainer.run(setting, seed=0, split=0)
    assert result.n_epochs == 1
    assert np.isfinite(result.metrics["val/loss"])


@pytest.mark.parametrize(("network", "space", "kind"), [pair for pair in PAIRS if not makes_sense(*pair)])
def test_what_does_not_is_told_why(network: str, space: str, kind: str) -> None:
    row, roles = find_network(network), loaded(space).block_roles
    dims = len(SHAPES[kind]) - 1
    reason = (
        f"Network '{network}' is made of .* blocks, but the search space has the roles? {', '.join(roles)}"
        if not set(roles) <= set(row.roles)
        else f"Network '{network}' takes .*, but the data are {KINDS[dims]}"
    )
    with pytest.raises(NetworkError, match=reason):
        searched(network, space, kind)


def test_most_pairs_are_told_of_and_many_train() -> None:
    assert len(PAIRS) == len(network_names()) * len(shipped_spaces()) * 4
    assert sum(makes_sense(*pair) for pair in PAIRS) > 100
