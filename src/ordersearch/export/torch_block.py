"""A block as a class of PyTorch source, whose channels, stride, pools and dropouts its user chooses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, product
from textwrap import wrap

from ordersearch.calls import LayerCall, Segment, plan_block
from ordersearch.errors import SpecError
from ordersearch.export.names import in_docstring
from ordersearch.export.source_lines import STEP, WIDTH, SourceCall, registered
from ordersearch.export.torch_layers import Variable, channel_variables, imported_module, layer_source
from ordersearch.ops import Role, Value
from ordersearch.spec import BlockSpec

STRIDE, POOL, DROPOUT = "stride", "pool", "dropout"
LEFT_OUT = {POOL: Role.POOL, DROPOUT: Role.DROPOUT}
"""The options that leave ops of a role out of a block."""

SIZES = {0: "", 1: ", length", 2: ", height, width", 3: ", depth, height, width"}
OPTIONS_TOLD = {
    STRIDE: "Of the first convolution.",
    POOL: "False leaves the pooling out of this block.",
    DROPOUT: "False leaves the dropout out of this block.",
}


@dataclass(frozen=True)
class BlockClass:
    r"""The class of a block in source.

    Attributes:
        name: What it is called.
        spec: The block.
        dims: Dimensions of its maps.

    Example:
        >>> made = BlockClass("DenseBlock", BlockSpec.parse("linear > relu > dropout(p=0.1)"), 0)
        >>> print(*made.source().splitlines()[11:], sep="\n")
            def __init__(
                self, in_features: int, out_features: int, *, dropout: bool = True
            ) -> None:
                super().__init__()
                self.linear = nn.Linear(in_features, out_features)
                self.relu = nn.ReLU()
                if dropout:
                    self.dropout = nn.Dropout(p=0.1)
    """

    name: str
    spec: BlockSpec
    dims: int

    @cached_property
    def options(self) -> tuple[str, ...]:
        """The keyword options that the block has a use for, of ``stride``, ``pool`` and ``dropout``."""
        there = [option for option, role in LEFT_OUT.items() if any(op.role is role for op in self.spec)]
        return (*([STRIDE] if self._can_stride() else []), *there)

    @cached_property
    def plan(self) -> tuple[Segment, ...]:
        """Its layers, with all options and open channels."""
        return self._planned({})

    def layers(self, in_channels: int, out_channels: int, options: Mapping[str, int]) -> tuple[Segment, ...]:
        """Its layers at a place in a network.

        Args:
            in_channels: What comes in.
            out_channels: What goes out.
            options: Of those that are named here, their values; the others are 1 and true.
        """
        left_out = [role for option, role in LEFT_OUT.items() if not options.get(option, True)]
        stride = options.get(STRIDE, 1)
        return plan_block(self.spec.without(*left_out), in_channels, out_channels, dims=self.dims, stride=stride)

    @property
    def modules(self) -> set[str]:
        """The modules besides torch that its layers come from."""
        return {module for layer in self._every_layer() if (module := imported_module(layer.target))}

    @property
    def is_residual(self) -> bool:
        """Whether it has a shortcut."""
        return any(segment.shortcut is not None for segment in self.plan)

    @property
    def has_groups(self) -> bool:
        """Whether it norms groups of channels, whose number depends on the channels."""
        return any("largest_divisor(" in str(layer_source(layer)) for layer in self._every_layer())

    def source(self) -> str:
        """The class."""
        ins, outs = channel_variables(self.spec)
        flags = [f"{option}: int = 1" if option == STRIDE else f"{option}: bool = True" for option in self.options]
        arguments = ["self", f"{ins!r}: int", f"{outs!r}: int", *(["*", *flags] if flags else [])]
        lines = [
            f"class {self.name}(nn.Sequential):",
            *(f"{' ' * STEP}{line}".rstrip() for line in self._documentation(repr(ins), repr(outs))),
            "",
            *SourceCall("def __init__", arguments, " -> None").lines(STEP, ":"),
            f"{' ' * 2 * STEP}super().__init__()",
            *(f"{' ' * 2 * STEP}{line}" for line in self._body()),
        ]
        return "\n".join([*lines, ""])

    def _can_stride(self) -> bool:
        try:
            self.layers(*channel_variables(self.spec), {STRIDE: 2})
        except SpecError:
            return False
        return True

    def _planned(self, options: Mapping[str, int]) -> tuple[Segment, ...]:
        stride = {STRIDE: Variable(2, STRIDE)} if STRIDE in self.options else {}
        return self.layers(*channel_variables(self.spec), {**options, **stride})

    def _every_layer(self) -> Iterator[LayerCall]:
        for segment in self.plan:
            yield from segment.layers
            yield from segment.shortcut or ()

    def _documentation(self, ins: str, outs: str) -> Iterator[str]:
        counted = ins.removeprefix("in_")
        sizes = SIZES[self.dims] if self.spec.on_maps else ""
        notation = in_docstring(f"The block ``{self.spec}``.")
        yield from wrap(f'"""{notation}', WIDTH - STEP, break_long_words=False, break_on_hyphens=False)
        yield from ("", f"``(n, {ins}{sizes})`` to ``(n, {outs}{', ...' if sizes else ''})``.", "", "Args:")
        told = {ins: f"{counted.capitalize()} that come in.", outs: f"{counted.capitalize()} that go out."}
        yield from (f"    {name}: {text}" for name, text in told.items())
        yield from (f"    {name}: {OPTIONS_TOLD[name]}" for name in self.options)
        yield '"""'

    def _body(self) -> Iterator[str]:
        n_residuals = 0
        for segment in self.plan:
            if segment.shortcut is None:
                yield from self._assigned("self", segment.layers)
                continue
            n_residuals += 1
            for owner, layers in (("branch", segment.layers), ("shortcut", segment.shortcut)):
                yield f"{owner} = nn.Sequential()"
                yield from self._assigned(owner, layers)
            yield f"self.residual{f'_{n_residuals}' if n_residuals > 1 else ''} = Residual(branch, shortcut)"

    def _assigned(self, owner: str, layers: Iterable[LayerCall]) -> Iterator[str]:
        for condition, same in groupby(layers, self._condition):
            indent = STEP if condition else 0
            if condition:
                yield f"if {condition}:"
            for layer in same:
                optional = self._optional_arguments.get(layer.name, {})
                if optional:
                    needed = " and ".join(dict.fromkeys(" or ".join(optional.values()).split(" or ")))
                    yield f"{' ' * indent}# Without {needed}, the next norm would cancel a bias."
                # Broken as what stands in a method is, two steps further in.
                lines = registered(owner, layer.name, layer_source(layer, **optional)).lines(indent + 2 * STEP)
                yield from (line[2 * STEP :] for line in lines)

    def _condition(self, layer: LayerCall) -> str:
        if layer.name == "projection":
            ins, outs = channel_variables(self.spec)
            return f"{ins!r} != {outs!r}" + (f" or {STRIDE} != 1" if STRIDE in self.options else "")
        return next((option for option, role in LEFT_OUT.items() if layer.op.role is role), "")

    @cached_property
    def _optional_arguments(self) -> dict[str, dict[str, str]]:
        """By layer, the arguments that depend on what is left out, as source writes them: ``bias=dropout``."""
        asked = [option for option in LEFT_OUT if option in self.options]
        choices = [dict(zip(asked, kept, strict=True)) for kept in product((True, False), repeat=len(asked))]
        found = [(choice, _arguments_by_layer(self._planned(choice))) for choice in choices]
        return {
            name: told
            for name, arguments in found[0][1].items()
            if (told := {key: text for key in arguments if (text := _dependence(name, key, found))})
        }


Found = list[tuple[dict[str, bool], dict[str, Mapping[str, Value]]]]


def _arguments_by_layer(plan: Iterable[Segment]) -> dict[str, Mapping[str, Value]]:
    return {layer.name: layer.arguments for segment in plan for layer in segment.layers}


def _dependence(layer: str, key: str, found: Found) -> str:
    """The options that an argument is true with; empty where it does not depend on them."""
    values = [(choice, layers[layer][key]) for choice, layers in found if layer in layers]
    if all(value == values[0][1] for _, value in values):
        return ""
    needed = [POOL], [DROPOUT], [POOL, DROPOUT]
    return next(
        " or ".join(options)
        for options in needed
        if all(value == any(choice.get(option, False) for option in options) for choice, value in values)
    )
