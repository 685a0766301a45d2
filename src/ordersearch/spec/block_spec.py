"""BlockSpec: a block's ops in their order, valid once it exists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property

from ordersearch.errors import SpecError
from ordersearch.ops import OpSpec, Role
from ordersearch.spec.notation import read_ops

MAX_OPS = 64


class BlockSpec:
    """A block: ops in the order in which a value passes through them. Immutable, hashable, valid once it exists.

    A spec has no dimension and no channels: those come from the place in the network where the block is built.

    Args:
        ops: The ops, first to last.

    Raises:
        SpecError: The ops do not make a block together.

    Example:
        >>> spec = BlockSpec.parse("nn.Conv2d(3, 64, 3) -> BatchNormalization -> ReLU -> Dropout(0.1)")
        >>> str(spec)
        'conv > batch_norm > relu > dropout(p=0.1)'
        >>> BlockSpec.parse(str(spec)) == spec
        True
    """

    __slots__ = ("__dict__", "ops")

    ops: tuple[OpSpec, ...]

    def __init__(self, ops: Iterable[OpSpec]) -> None:
        object.__setattr__(self, "ops", tuple(ops))
        _check(self.ops)

    @classmethod
    def parse(cls, text: str) -> BlockSpec:
        """The block that a line in the notation, code pasted from PyTorch or Keras, or a printed module describes.

        Code and printed modules are read from the first line to the last. That is the order of the attributes, which
        need not be the one in which they are called: ``reading.from_module`` reads that from the module itself.

        Raises:
            SpecError: The line cannot be read, or a parameter is outside its bounds.
            UnknownNameError: No op has one of the names.
        """
        return cls(read_ops(text))

    @cached_property
    def order(self) -> str:
        """Which ops follow which: kinds named, rates left out."""
        return " > ".join(op.name for op in self.ops)

    @cached_property
    def digest(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the notation; the same on every machine."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:12]

    @property
    def on_maps(self) -> bool:
        """Whether the block works on maps (its weight is a convolution), not on plain features."""
        return any(op.role is Role.WEIGHT and op.kind.on_maps is not None for op in self.ops)

    def without(self, *roles: Role) -> BlockSpec:
        """The same block with every op of these roles left out."""
        kept = tuple(op for op in self.ops if op.role not in roles)
        return self if len(kept) == len(self.ops) else BlockSpec(kept)

    def at_rate(self, rate: float | None = None) -> BlockSpec:
        """The same block with every dropout in it at this rate; None stands for the rate that goes without saying.

        Example:
            >>> str(BlockSpec.parse("linear > relu > dropout(p=0.1)").at_rate())
            'linear > relu > dropout'
        """
        return BlockSpec(_at_rate(op, rate) for op in self.ops)

    def __iter__(self) -> Iterator[OpSpec]:
        return iter(self.ops)

    def __len__(self) -> int:
        return len(self.ops)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("A BlockSpec is immutable; make another one from its ops.")

    def __eq__(self, other: object) -> bool:
        return self.ops == other.ops if isinstance(other, BlockSpec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.ops)

    def __reduce__(self) -> tuple[object, ...]:
        return (BlockSpec, (self.ops,))

    @cached_property
    def _text(self) -> str:
        return " > ".join(map(str, self.ops))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"BlockSpec.parse({self._text!r})"


def _at_rate(op: OpSpec, rate: float | None) -> OpSpec:
    param = op.kind.param("p") if op.role is Role.DROPOUT else None
    return op.replace(p=param.default if rate is None else rate) if param else op


def _check(ops: tuple[OpSpec, ...]) -> None:
    text = " > ".join(map(str, ops))[:300]
    if len(ops) > MAX_OPS:
        raise SpecError(f"Block '{text}...' has {len(ops)} ops, but a block has at most {MAX_OPS}.")
    weights = {op.name: op for op in ops if op.role is Role.WEIGHT}
    if not weights:
        raise SpecError(f"Block {text!r} has no weight, but a block has at least one conv or linear.")
    if len({op.kind.on_maps is None for op in weights.values()}) > 1:
        names = " and ".join(sorted(weights))
        raise SpecError(
            f"Block {text!r} holds {names}, but a block works either on maps or on features: make two blocks."
        )
    on_maps = next(iter(weights.values())).kind.on_maps is not None
    for number, op in enumerate(ops, 1):
        call = op.kind.on_maps if on_maps else op.kind.on_features
        if call is None and op.role is not Role.MERGE:
            fits, lacks = ("features", "maps") if on_maps else ("maps", "features")
            raise SpecError(
                f"Block {text!r}: op {number} ({op.name}) works on {fits} alone, but this block works on {lacks}. "
                f"Leave it out or take another {op.role}."
            )
    _check_adds(ops, text)


def _check_adds(ops: tuple[OpSpec, ...], text: str) -> None:
    has_weight = False
    for number, op in enumerate(ops, 1):
        has_weight = has_weight or op.role is Role.WEIGHT
        if op.role is Role.MERGE:
            if not has_weight:
                raise SpecError(
                    f"Block {text!r}: op {number} ({op.name}) joins the shortcut to a branch without a weight, but a "
                    f"residual branch has at least one."
                )
            has_weight = False
