"""Which settings of a space can be trained at all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ordersearch.errors import OrdersearchError, ShapeError, SpecError
from ordersearch.networks import Network, build_network
from ordersearch.objective import Setting, Trainer
from ordersearch.space import SearchSpace


def require_an_order_that_fits(trainer: Trainer, space: SearchSpace) -> None:
    """Raise the first order's ShapeError if none of the space's orders, or of its first 200, fits the data."""
    first: OrdersearchError | None = None
    dataset = trainer.dataset
    for setting in islice(settings_to_try(space, trainer.network), 200):
        try:
            build_network(trainer.network, setting.blocks, dataset.input_shape, dataset.n_outputs)
        except (ShapeError, SpecError) as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def settings_to_try(space: SearchSpace, network: Network) -> Iterator[Setting]:
    """The settings of a space, those of its references first."""
    for reference in space.references():
        yield Setting.of(reference.blocks, space.default_nuisance(), network)
    for params in space.settings():
        nuisance = {name: float(params[name]) for name in space.nuisance}
        yield Setting.of(space.decode(params), nuisance, network)
