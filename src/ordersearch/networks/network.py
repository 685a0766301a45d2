"""What a network is to a search: its roles, its options, and the blocks and constants of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ordersearch.errors import NetworkError
from ordersearch.ops import OpSpec, Role, Value
from ordersearch.spec import BlockSpec

if TYPE_CHECKING:
    from torch import nn

Option = int | bool | None
KINDS = {0: "tables", 1: "signals", 2: "images", 3: "volumes"}
"""What samples of so many spatial dimensions are called."""


@dataclass(frozen=True)
class Network:
    """A row of the table of networks, or a user's own.

    Attributes:
        name: What it is called.
        summary: What it is, in one line.
        roles: The roles of the blocks that it is made of; at least one of them is searched, the others keep the
            network's own block or the default. Empty for a user's own, which takes any role.
        dims: The numbers of spatial dimensions of its inputs; 0 is a table.
        build: ``build(blocks, input_shape, n_outputs, **options)`` makes the module; ``input_shape`` is that of one
            sample.
        options: What ``build`` takes beyond that, with its values: ``width``, ``depth``, ``stem``. None is not passed.
        blocks: The network's own block of a role that is not searched, in the notation.
        constants: Parameters, by op, that a block takes where it leaves the op at its default: a tutorial's padding,
            say.
        stage_end_dropout: Whether a single searched ``conv`` order drops out at the ends of stages only.
    """

    name: str
    summary: str
    roles: tuple[str, ...]
    dims: tuple[int, ...]
    build: Callable[..., nn.Module]
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    blocks: Mapping[str, str] = field(default_factory=dict, hash=False)
    constants: Mapping[str, Mapping[str, Value]] = field(default_factory=dict, hash=False)
    stage_end_dropout: bool = False

    def with_options(self, **options: Option) -> Network:
        """The same network with other options; None leaves one as it is.

        Raises:
            NetworkError: The network does not take an option, or not this value of it.

        Example:
            >>> network = Network("mine", "", ("conv",), (2,), build=print, options={"width": 16})
            >>> network.with_options(width=32).options["width"]
            32
        """
        given = {name: value for name, value in options.items() if value is not None}
        for name, value in given.items():
            self._check_option(name, value)
        return replace(self, options={**self.options, **given}) if given else self

    def _check_option(self, name: str, value: object) -> None:
        if name not in self.options:
            # A stem is not asked for: it follows from the orders.
            known = ", ".join(option for option, kept in self.options.items() if not isinstance(kept, bool))
            holds = f"It has: {known}." if known else "Its size is fixed."
            raise NetworkError(f"Network {self.name!r} has no option {name!r}. {holds}")
        if isinstance(self.options[name], bool):
            if not isinstance(value, bool):
                raise NetworkError(f"Network {self.name!r}, {name}: got {value!r}, but it is true or false.")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise NetworkError(f"Network {self.name!r}, {name}: got {value!r}, but it is an integer of at least 1.")

    def settled(self, blocks: Mapping[str, BlockSpec]) -> dict[str, BlockSpec]:
        """The blocks as this network takes them: with its constants where they leave an op at its defaults.

        Settling twice changes nothing more.

        Example:
            >>> network = Network("mine", "", ("conv",), (2,), build=print, constants={"conv": {"padding": 0}})
            >>> blocks = {"conv": BlockSpec.parse("conv > relu > conv(padding=1) > relu")}
            >>> print(network.settled(blocks)["conv"])
            conv(padding=0) > relu > conv(padding=1) > relu
        """
        return {role: BlockSpec(map(self._settled_op, spec)) for role, spec in blocks.items()}

    def _settled_op(self, op: OpSpec) -> OpSpec:
        left = {
            name: value
            for name, value in self.constants.get(op.name, {}).items()
            if (param := op.kind.param(name)) and op[param.name] == param.default
        }
        return op.replace(**left) if left else op

    def described(self) -> dict[str, str | int | bool]:
        """The name and the options, which tell one network of a study from another."""
        return {"name": self.name, **{name: value for name, value in self.options.items() if value is not None}}


def suited_network(network: Network, space_blocks: Mapping[str, Iterable[BlockSpec]]) -> Network:
    """The network with its fixed stem and tail where some order of a search needs them, for all orders alike.

    An order needs them that puts an activation, a pool or the dropout of whole values before its first weight: on the
    samples themselves it would throw away what nothing has looked at yet, and nothing would stand between its last
    weight and the head (He et al. 2016, arXiv:1603.05027, section 4.1, name the same exceptions). A dropout before a
    linear layer needs none: dropping features of a table is common (Srivastava et al. 2014, JMLR 15).

    Args:
        network: As chosen.
        space_blocks: The orders of each role of the search.

    Example:
        >>> network = Network("mine", "", ("conv",), (2,), build=print, options={"stem": False})
        >>> suited_network(network, {"conv": [BlockSpec.parse("relu > batch_norm > conv")]}).options
        {'stem': True}
    """
    if "stem" not in network.options or not any(needs_stem(spec) for specs in space_blocks.values() for spec in specs):
        return network
    return network.with_options(stem=True)


def needs_stem(spec: BlockSpec) -> bool:
    """Whether the order has something before its first weight that samples should not meet first.

    Example:
        >>> [needs_stem(BlockSpec.parse(text)) for text in ("relu > conv", "batch_norm > conv", "dropout > linear")]
        [True, False, False]
    """
    unfit = {Role.ACTIVATION, Role.POOL, *([Role.DROPOUT] if spec.on_maps else [])}
    first = next(place for place, op in enumerate(spec) if op.role is Role.WEIGHT)
    return any(op.role in unfit for op in spec.ops[:first])
