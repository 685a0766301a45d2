"""What is asked of the advice, and one piece of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ordersearch.identities import canonical, direct_successors
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec

LI = "Li et al. 2019, Understanding the disharmony between dropout and batch normalization, arXiv:1801.05134"
PAGE = "Page 2019, How to train your ResNet 8: bag of tricks"
COMPUTED = "computed for this rate"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that is known about an order.

    Args:
        code: What it is about, for machines: ``norm-after-dropout``.
        severity: ``warning`` where something is lost, ``note`` where it is only good to know.
        text: What happens, and what to do instead.
        figure: How much, at the rates of this very block.
        source: Where that comes from.
    """

    code: str
    severity: Literal["warning", "note"]
    text: str
    figure: str
    source: str


@dataclass(frozen=True)
class Question:
    """A block and what is known of the network around it.

    Args:
        spec: The block as it was written.
        stacked: Whether a block like this one follows it.
        batch_size: Samples in a batch on one device, or None where it is not known.
        dims: Number of spatial dimensions, 1 to 3.
    """

    spec: BlockSpec
    stacked: bool = True
    batch_size: int | None = None
    dims: int = 2

    @cached_property
    def ops(self) -> tuple[OpSpec, ...]:
        """The ops of the block in canonical order, so that every order of a class gets the same advice."""
        return canonical(self.spec).ops

    @cached_property
    def path(self) -> tuple[OpSpec, ...]:
        """What a value passes through: the block, and the next one where there is one."""
        return self.ops * 2 if self.stacked else self.ops

    def met_by(self, index: int, *, here: bool = False) -> list[OpSpec]:
        """The ops that the one at ``index`` meets and cannot be swapped with, here or in the next block, too."""
        end = len(self.ops) if here else index + len(self.ops) + 1
        return [self.path[later] for later in direct_successors(self.path, index) if later < end]

    def of_role(self, role: Role) -> Iterator[tuple[int, OpSpec]]:
        """The places and ops of one role in the block."""
        return ((index, op) for index, op in enumerate(self.ops) if op.role is role)

    def window(self, pool: OpSpec) -> int:
        """How many values a window of the pool has."""
        kernel = pool.params.get("kernel")
        return int(kernel) ** self.dims if isinstance(kernel, int) else 1


def rate(op: OpSpec) -> float:
    """The share of the values that a dropout drops; 0 where its rate is not called ``p``."""
    p = op.params.get("p")
    return p if isinstance(p, float) else 0.0
