"""What a network gets to make its layers with: a factory a role, searched or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ordersearch.block import Block, BlockFactory
from ordersearch.errors import NetworkError, unknown_name
from ordersearch.networks.network import Network
from ordersearch.ops import Role
from ordersearch.spec import BlockSpec

DEFAULT_BLOCKS = {
    "conv": "conv > batch_norm > max_pool > relu",
    "dense": "linear > relu",
    "residual": "conv > batch_norm > relu > conv > batch_norm > add > relu",
}
"""The block of a role that is neither searched nor has one of the network's own; a stage's end takes that of conv."""

CONV, STAGE_END = "conv", "stage_end"


class Blocks(Mapping[str, BlockFactory]):
    """The factory of each role of a network.

    Args:
        network: Where the blocks will sit.
        specs: The blocks that are searched; the others are the network's own, or the default.
        dims: Spatial dimensions of the samples, 0 for a table.

    Example:
        >>> network = Network("mine", "", ("conv", "stage_end"), (2,), build=print)
        >>> blocks = Blocks(network, {"conv": BlockSpec.parse("conv > tanh")}, 2)
        >>> {role: str(factory.spec) for role, factory in blocks.items()}
        {'conv': 'conv > tanh', 'stage_end': 'conv > tanh'}
    """

    def __init__(self, network: Network, specs: Mapping[str, BlockSpec], dims: int) -> None:
        self._network = network
        self._searched = network.settled(specs)
        roles = network.roles or dict.fromkeys((*DEFAULT_BLOCKS, STAGE_END, *specs))
        self._made: dict[str, list[Block]] = {role: [] for role in roles}
        self._factories = {
            role: BlockFactory(self._spec(role), dims or 2, on_block=made.append) for role, made in self._made.items()
        }

    def __getitem__(self, role: str) -> BlockFactory:
        """The factory of this role.

        Raises:
            NetworkError: There is no such role; the message names those that there are.
        """
        if role not in self._factories:
            where = f"Network {self._network.name!r}"
            raise NetworkError(str(unknown_name("role", role, self._factories, where=where)))
        return self._factories[role]

    def __contains__(self, role: object) -> bool:
        return role in self._factories

    def get(self, role: str, default: Any = None) -> Any:
        """The factory of this role, or ``default`` where there is none."""
        return self._factories.get(role, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._factories)

    def __len__(self) -> int:
        return len(self._factories)

    @property
    def made(self) -> list[Block]:
        """Every block that was made so far."""
        return [block for made in self._made.values() for block in made]

    def require_use(self) -> None:
        """Raise a NetworkError unless a layer was made of the block of every searched role."""
        for role in self._searched:
            # Where the search knows no stage ends, they are what its conv order makes.
            users = (CONV, STAGE_END) if role == CONV and STAGE_END not in self._searched else (role,)
            if not any(self._made.get(user) for user in users):
                raise self._unused(role)

    def _unused(self, role: str) -> NetworkError:
        options = ", ".join(f"{key}={value}" for key, value in self._network.options.items() if value is not None)
        choices = "--space, --network or --depth" if "depth" in self._network.options else "--space or --network"
        return NetworkError(
            f"Network {self._network.name!r}{f' ({options})' if options else ''} makes no layer of blocks[{role!r}], "
            f"so every order of that role would be the same network. Use it there, or choose another {choices}."
        )

    def _spec(self, role: str) -> BlockSpec:
        searched, own = self._searched, self._network.blocks
        if role in searched:
            at_ends_only = role == CONV and self._network.stage_end_dropout and STAGE_END not in searched
            return searched[role].without(Role.DROPOUT) if at_ends_only else searched[role]
        if role == STAGE_END and (CONV in searched or role not in own):
            return searched[CONV] if CONV in searched else self._spec(CONV)
        return self._network.settled({role: BlockSpec.parse(own.get(role) or DEFAULT_BLOCKS[role])})[role]
