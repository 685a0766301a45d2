"""What was seen of a run: which step made which value of which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ordersearch.reading.layers import Layer


@dataclass(frozen=True)
class Step:
    """One layer, functional call or addition on the way.

    Attributes:
        where: What it is called in errors.
        name: Of the layer's class or of the function.
        inputs: The numbers of the values that came in.
        layer: What it was asked to do; None where that cannot be told.
        is_add: Whether it adds two values of one shape.
    """

    where: str
    name: str
    inputs: tuple[int, ...]
    layer: Layer | None = None
    is_add: bool = False


@dataclass
class Recording:
    """The steps of a run; value 0 is the input.

    Attributes:
        steps: By the number of the value that the step gave.
        output: The number of the value that the module gave; None where it was not seen to come from the input.
        refusal: What was seen that makes the order unknowable; empty where nothing was.
        innermost: The layer in which an error was raised.
    """

    steps: dict[int, Step] = field(default_factory=dict)
    output: int | None = None
    refusal: str = ""
    innermost: str = ""

    def refuse(self, reason: str) -> None:
        """Keep the first reason why the order cannot be known."""
        self.refusal = self.refusal or reason


class Values:
    """The numbers of the values that tensors hold; a tensor that is changed in place holds another value."""

    def __init__(self) -> None:
        # The tensors are kept, too: another one could take the identity of one that is gone.
        self._held: dict[int, tuple[int, int, Tensor]] = {}
        self._n_values = 0

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._held

    def number(self, tensor: Tensor) -> int | None:
        """Of the value that the tensor held last; None where it does not come from the input."""
        return self._held[id(tensor)][0] if tensor in self else None

    def is_changed(self, tensor: Tensor) -> bool:
        """Whether it was changed in place since it got its number."""
        return tensor in self and tensor._version != self._held[id(tensor)][1]

    def add(self, tensor: Tensor) -> int:
        """Gives the tensor the number of a new value."""
        self._n_values += 1
        return self.keep(tensor, self._n_values - 1)

    def keep(self, tensor: Tensor, number: int) -> int:
        """Gives the tensor the number of a value that is known."""
        self._held[id(tensor)] = number, tensor._version, tensor
        return number


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in an argument or a result, those in lists and dicts, too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_in(one)
