"""Following the values of a run through its layers and functional calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ordersearch.reading.functions import constructor_arguments
from ordersearch.reading.layers import Layer
from ordersearch.reading.recording import Recording, Step, Values, tensors_in
from ordersearch.reading.rows import Rows, constructor_parameters

# What gives the same values again, as long as their type stays the same.
_SAME_VALUES = frozenset(("contiguous", "clone", "to", "float", "double", "half", "bfloat16", "type_as"))
# What tells of a tensor without looking at its values.
_ABOUT = frozenset(
    (
        *("__get__", "__len__", "__hash__", "__repr__", "__format__", "size", "dim", "ndimension", "numel", "nelement"),
        *("stride", "element_size", "is_contiguous", "is_floating_point", "is_complex", "get_device"),
    )
)


@dataclass(frozen=True)
class _Entered:
    """A layer that runs; one that is a step has the number and shape of what came in."""

    layer: nn.Module
    number: int | None = None
    shape: tuple[int, ...] = ()


class _FunctionCall:
    """A functional call with tensors that come from the input."""

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], values: Values):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.name: str = function.__name__
        self.tensors = [tensor for tensor in tensors_in((args, kwargs)) if tensor in values]
        self.inputs = tuple(number for tensor in self.tensors if (number := values.number(tensor)) is not None)
        self.shapes = [tuple(tensor.shape) for tensor in self.tensors]

    @cached_property
    def is_add(self) -> bool:
        """Whether it adds two values of one shape."""
        is_sum = self.name in ("add", "add_") and len(self.inputs) == 2 and self.kwargs.get("alpha", 1) == 1
        return is_sum and self.shapes[0] == self.shapes[1]

    def gives_the_same(self, made: Sequence[Tensor]) -> bool:
        """Whether it gave its input's values again."""
        if self.name not in _SAME_VALUES or len(made) != 1:
            return False
        return (tuple(made[0].shape), made[0].dtype) == (self.shapes[0], self.tensors[0].dtype)


class Recorder(TorchFunctionMode):
    """Follows the values of one run of a module.

    Layers of the op table count as one step, whatever they call; everything else is seen by its functional calls.

    Args:
        module: What will run.
        rows: The op table by its layers.
    """

    def __init__(self, module: nn.Module, rows: Rows) -> None:
        super().__init__()
        self.recording = Recording()
        self._rows = rows
        self._paths = {layer: path for path, layer in module.named_modules()}
        self._values = Values()
        self._entered: list[_Entered] = []

    @contextmanager
    def following(self, x: Tensor) -> Iterator[None]:
        """Records what happens to ``x`` in here."""
        self._values.add(x)
        hooks: list[Any] = []
        for layer in self._paths:
            hooks.append(layer.register_forward_pre_hook(self._enter, prepend=True, with_kwargs=True))
            hooks.append(layer.register_forward_hook(self._leave))
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()
            if self._entered:
                self.recording.innermost = self._layer_name(self._entered[-1].layer)

    def finish(self, result: Any) -> None:
        """Keeps which value the module gave."""
        self._refuse_unseen_change([result])
        self.recording.output = self._values.number(result)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Makes the call, and keeps it where it stands outside of the layers that are steps themselves."""
        kwargs = kwargs or {}
        if self._is_inside_a_step():
            return func(*args, **kwargs)
        call = _FunctionCall(func, args, kwargs, self._values)
        unseen = [tensor for tensor in call.tensors if self._values.is_changed(tensor)]
        result = func(*args, **kwargs)
        made = list(tensors_in(result))
        if call.tensors and (made or call.name not in _ABOUT):
            self._refuse_unseen_change(unseen)
            self._keep_call(call, made)
        return result

    def _keep_call(self, call: _FunctionCall, made: Sequence[Tensor]) -> None:
        changed = [tensor for tensor in call.tensors if self._values.is_changed(tensor)]
        where = f"{call.name} in {self._here()}"
        if not made and not changed and call.name != "__setitem__":
            self.recording.refuse(f"{where} looks at the values, on which the order may depend.")
        if call.gives_the_same(made):
            self._values.keep(made[0], call.inputs[0])
            return
        new = [tensor for tensor in made if tensor not in self._values]
        for tensor in {id(tensor): tensor for tensor in (*new, *changed)}.values():
            is_alone = len(made) == len(call.inputs) == 1 and made[0] is tensor
            layer = self._called(call, where, tensor) if is_alone else None
            step = Step(where, call.name, call.inputs, layer, call.is_add)
            self.recording.steps[self._values.add(tensor)] = step

    def _called(self, call: _FunctionCall, where: str, result: Tensor) -> Layer | None:
        rows = self._rows.of_function(call.name)
        told = constructor_arguments(call.function, call.args, call.kwargs) if rows else None
        if told is None:
            return None
        arguments, state, is_training = told
        return Layer(
            where,
            call.name,
            rows,
            arguments,
            state,
            is_function=True,
            is_training=is_training,
            in_shape=call.shapes[0],
            out_shape=tuple(result.shape),
        )

    def _enter(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        entered = _Entered(layer)
        is_alone = len(args) == 1 and not kwargs and isinstance(args[0], Tensor) and args[0] in self._values
        if is_alone and not self._is_inside_a_step() and self._rows.of_layer(layer):
            self._refuse_unseen_change([args[0]])
            entered = _Entered(layer, self._values.number(args[0]), tuple(args[0].shape))
        self._entered.append(entered)

    def _leave(self, layer: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        entered = self._entered.pop()
        # What raised an error that the module caught was entered and not left.
        while entered.layer is not layer:
            entered = self._entered.pop()
        if entered.number is not None and isinstance(result, Tensor):
            where, name = self._layer_name(layer), type(layer).__name__
            step = Step(where, name, (entered.number,), self._layer(entered, where, result))
            self.recording.steps[self._values.add(result)] = step

    def _layer(self, entered: _Entered, where: str, result: Tensor) -> Layer:
        layer = entered.layer
        cls: type = type(layer)
        return Layer(
            where,
            cls.__name__,
            self._rows.of_layer(layer),
            {name: getattr(layer, name) for name in constructor_parameters(cls) if hasattr(layer, name)},
            {**dict(layer.named_parameters()), **dict(layer.named_buffers())},
            is_training=layer.training,
            in_shape=entered.shape,
            out_shape=tuple(result.shape),
        )

    def _is_inside_a_step(self) -> bool:
        return any(entered.number is not None for entered in self._entered)

    def _refuse_unseen_change(self, tensors: Sequence[Tensor]) -> None:
        if any(self._values.is_changed(tensor) for tensor in tensors):
            self.recording.refuse(f"a value is changed in place in {self._here()} by something that is not seen.")

    def _here(self) -> str:
        layer = self._entered[-1].layer if self._entered else None
        return self._layer_name(layer) if layer and self._paths[layer] else "its own forward"

    def _layer_name(self, layer: nn.Module) -> str:
        path = self._paths[layer]
        return f"layer {path!r} ({type(layer).__name__})" if path else "it"
