"""What a row of the op table says: parameters, traits, and the constructor call as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

Value = int | float | bool | str | None
"""What a parameter of an op can be; ``None`` means that it follows from another parameter."""


class Role(StrEnum):
    """What an op does in a block; search spaces and identities speak of roles, not of single ops."""

    WEIGHT = "weight"
    NORM = "norm"
    ACTIVATION = "activation"
    POOL = "pool"
    DROPOUT = "dropout"
    MERGE = "merge"


class Trait(StrEnum):
    """An algebraic property of an op; whether two neighbours may be swapped follows from these alone.

    Of activations: ``MONOTONE``, non-decreasing element by element; ``HOMOGENEOUS``, f(ax) = a f(x) for every a >= 0;
    ``LINEAR``, additive, too. Of dropouts: ``SCALING``, multiplies by random factors that do not look at the values;
    ``AFFINE``, multiplies and adds; ``INCREASING``, never turns the order of two values round, whatever the draw (so no
    factor is negative); ``PER_CHANNEL``, one draw for a whole map. Of activations and the dropouts that are made for
    them: ``SELF_NORMALISING``. Of pools: ``TAKES_MAX``, ``TAKES_MEAN``, and ``KEEPS_CONSTANTS``, a constant map stays
    that constant up to its edge, which counted zero padding breaks. Of norms: ``CENTRES_CHANNELS``, subtracts each
    channel's own mean; ``BATCH_STATISTICS``, normalises by the batch in training and by running statistics in
    evaluation. Of weights: ``POINTWISE``, sees one position at a time.
    """

    MONOTONE = "monotone"
    HOMOGENEOUS = "homogeneous"
    LINEAR = "linear"
    SCALING = "scaling"
    INCREASING = "increasing"
    AFFINE = "affine"
    PER_CHANNEL = "per_channel"
    TAKES_MAX = "takes_max"
    TAKES_MEAN = "takes_mean"
    KEEPS_CONSTANTS = "keeps_constants"
    CENTRES_CHANNELS = "centres_channels"
    BATCH_STATISTICS = "batch_statistics"
    SELF_NORMALISING = "self_normalising"
    POINTWISE = "pointwise"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of an op.

    Args:
        name: As written in the notation.
        default: What it is when not written.
        holds: The condition on it, in words, for errors: "a rate lies in [0, 1)".
        accepts: Whether a number, truth value or word meets the condition.
        aliases: Other names that people paste, such as ``kernel_size``.
    """

    name: str
    default: Value
    holds: str
    accepts: Callable[[Value], bool]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A constructor call as data, which ``block`` makes and ``export`` prints.

    Args:
        target: The constructor, with ``{dims}`` for 1, 2 or 3: ``"torch.nn.Conv{dims}d"``.
        arguments: Keyword to value. ``"$name"`` stands for a parameter of the op, or for what the place in the
            network gives: ``$in_channels``, ``$out_channels``, ``$channels``, ``$stride``, ``$bias``, ``$padding``,
            ``$n_groups``.
    """

    target: str
    arguments: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KerasCall:
    """A call of Keras as data, which ``export`` prints.

    Args:
        target: A class, whose instance takes the values, or a function that takes them first, with ``{dims}`` for 1, 2
            or 3: ``"keras.layers.Conv{dims}D"``, ``"keras.activations.gelu"``.
        arguments: Keyword to value, or to the call that makes it. ``"$name"`` stands for an argument of PyTorch's call
            in Keras' terms, or for what Keras alone asks for: ``$out_channels``, ``$fan_in``, ``$n_groups``,
            ``$inner_axes`` (all but the samples), ``$one_per_channel`` (the shape of a mask). ``**name`` is written as
            the call of a function that returns arguments.
        implied: Keras' defaults, which are not written; without those that are easily mistaken for PyTorch's.
    """

    target: str
    arguments: Mapping[str, Value | KerasCall] = field(default_factory=dict)
    implied: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KerasOp:
    """An op in Keras' terms.

    Args:
        on_maps: Its call on maps, channels last, or None where Keras has none.
        on_features: Its call on plain features, or None.
        terms: From the arguments of PyTorch's call to those that Keras takes in another sense: a momentum is the
            complement of PyTorch's.
        pads_lowest: Whether PyTorch's layer pads with minus infinity, not with 0.
        refusal: From the arguments of PyTorch's call to the reason why Keras cannot do that; empty where it can.
    """

    on_maps: KerasCall | None = None
    on_features: KerasCall | None = None
    terms: Callable[[Mapping[str, Value]], Mapping[str, Value]] = field(default=lambda arguments: {})
    pads_lowest: bool = False
    refusal: Callable[[Mapping[str, Value]], str] = field(default=lambda arguments: "")


@dataclass(frozen=True, slots=True)
class OpKind:
    """A row of the op table.

    Args:
        name: As PyTorch's users name it, without the dimension: ``batch_norm``.
        role: What it does in a block.
        summary: What it computes, in one line.
        on_maps: Its constructor on maps (signals, images, volumes), or None where it has none there.
        on_features: Its constructor on plain features (behind ``linear``), or None.
        params: Its parameters in the order in which they are written.
        traits: Its algebraic properties.
        conditions: For a trait that depends on the parameters: when it holds.
        at_zero: What an activation makes of 0, hence what a dropout in front of it leaves behind.
        is_identity: Whether the op with these parameters does nothing at all (a dropout at rate 0).
        spelling: The one way to write parameters of which several say the same (a stride that equals the kernel): from
            the parameters to those that change.
        aliases: Other names that people paste; case, ``_``, ``-``, blanks, a module's prefix and a dimension's suffix
            do not count.
        torch_positional: The names of PyTorch's positional arguments; ``_`` for one that a spec does not hold.
        keras_positional: The same for Keras.
        keras: The op in Keras' terms, or None where it cannot be exported there.
    """

    name: str
    role: Role
    summary: str
    on_maps: Call | None = None
    on_features: Call | None = None
    params: tuple[Param, ...] = ()
    traits: frozenset[Trait] = frozenset()
    conditions: Mapping[Trait, Callable[[Mapping[str, Value]], bool]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    at_zero: float = 0.0
    is_identity: Callable[[Mapping[str, Value]], bool] | None = None
    spelling: Callable[[Mapping[str, Value]], Mapping[str, Value]] | None = None
    aliases: tuple[str, ...] = ()
    torch_positional: tuple[str, ...] = ()
    keras_positional: tuple[str, ...] = ()
    keras: KerasOp | None = None

    def param(self, name: str) -> Param | None:
        """The parameter of this name or alias, or None."""
        return next((p for p in self.params if name == p.name or name in p.aliases), None)

    def traits_with(self, params: Mapping[str, Value]) -> frozenset[Trait]:
        """The traits that hold with these parameters."""
        return frozenset(t for t in self.traits if t not in self.conditions or self.conditions[t](params))
