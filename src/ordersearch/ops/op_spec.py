"""OpSpec: one op with its parameters, valid once it exists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType

from ordersearch.errors import SpecError, UnknownNameError, nearest, unknown_name
from ordersearch.ops.kinds import OpKind, Role, Trait, Value
from ordersearch.ops.plugins import row_fault
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.registry import Registry


def fold(name: str) -> str:
    """A name without what does not count in it: a module's prefix, case, ``_``, ``-`` and blanks.

    Example:
        >>> fold("nn.MaxPool2d")
        'maxpool2d'
    """
    return re.sub(r"[\s_\-]", "", name.rpartition(".")[2].lower())


@lru_cache(maxsize=1)
def _builtin_aliases() -> dict[str, str]:
    folded = {fold(name): name for name in BUILTIN_OPS}
    for kind in BUILTIN_OPS.values():
        folded.update(dict.fromkeys(kind.aliases, kind.name))
    return folded


def _builtin_named(name: str) -> str | None:
    """The built-in op of this name or alias, if there is one."""
    aliases = _builtin_aliases()
    return next((aliases[folded] for folded in _folds(name) if folded in aliases), None)


def _folds(name: str) -> tuple[str, str]:
    """A name folded, and without its dimension: nn.Dropout2d is not first of all an nn.Dropout."""
    return fold(name), re.sub(r"[123]d$", "", fold(name))


OPS: Registry[OpKind] = Registry("op", "ordersearch.ops", BUILTIN_OPS, builtin_of=_builtin_named, fault=row_fault)


def op_names() -> tuple[str, ...]:
    """The names of all ops, plugins' included."""
    return OPS.names()


def op_package(name: str) -> str:
    """The package, with its version, that an op of this name comes from; "" for a built-in."""
    return "" if name in BUILTIN_OPS else OPS.package(name)


@lru_cache(maxsize=1024)
def op_kind(name: str) -> OpKind:
    """The row of the op table of this name or alias.

    Raises:
        UnknownNameError: No op has it; the message gives the nearest names.
        PluginError: It comes from a plugin that cannot be imported or is no op, or from two.

    Example:
        >>> op_kind("BatchNormalization").name
        'batch_norm'
    """
    if name in BUILTIN_OPS:
        return BUILTIN_OPS[name]
    builtin = _builtin_named(name)
    return BUILTIN_OPS[builtin] if builtin else OPS[_plugin_named(name)]


def _plugin_named(name: str) -> str:
    """The plugin's op of this name, or of a name that differs in what does not count."""
    names = OPS.plugin_names()
    if name in names:
        return name
    alike = [known for known in names if fold(known) in _folds(name)]
    if not alike:
        raise _unknown_op(name)
    if len(alike) > 1:
        raise UnknownNameError(f"{name!r} may be any of the ops {', '.join(alike)}, of plugins. Write which.")
    return alike[0]


def _unknown_op(name: str) -> Exception:
    aliases = _builtin_aliases()
    close = [aliases[match] for match in nearest(fold(name), aliases)]
    return unknown_name("op", name, op_names(), close=close)


class OpSpec:
    """One op with its parameters: immutable, hashable, valid once it exists.

    Args:
        name: Name or alias of a row of the op table.
        params: Its parameters by name or alias; those left out take their defaults.

    Raises:
        UnknownNameError: No op has this name.
        SpecError: A parameter is not known or outside its bounds.

    Example:
        >>> str(OpSpec("dropout", p=0.1)), OpSpec("conv")["kernel"]
        ('dropout(p=0.1)', 3)
    """

    __slots__ = ("__dict__", "_text", "kind", "params")

    kind: OpKind
    params: Mapping[str, Value]
    _text: str

    def __init__(self, name: str, /, **params: Value) -> None:
        kind = op_kind(name)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "params", MappingProxyType(_checked(kind, params)))
        object.__setattr__(self, "_text", self._write())

    @property
    def name(self) -> str:
        """The op's name in the notation."""
        return self.kind.name

    @property
    def role(self) -> Role:
        """What the op does in a block."""
        return self.kind.role

    @cached_property
    def traits(self) -> frozenset[Trait]:
        """The algebraic properties that hold with these parameters."""
        return self.kind.traits_with(self.params)

    @cached_property
    def is_identity(self) -> bool:
        """Whether the op does nothing with these parameters, as a dropout at rate 0."""
        return self.kind.is_identity is not None and self.kind.is_identity(self.params)

    def replace(self, **params: Value) -> OpSpec:
        """The same op with other parameters."""
        named = {param.name if (param := self.kind.param(name)) else name: value for name, value in params.items()}
        return OpSpec(self.name, **{**self.params, **named})

    def __getitem__(self, param: str) -> Value:
        return self.params[param]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"An OpSpec is immutable; take {self.name}.replace({name}=...).")

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, OpSpec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self.name, dict(self.params)))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"OpSpec({self._text!r})"

    def _write(self) -> str:
        written = [
            f"{param.name}={_write_value(self.params[param.name])}"
            for param in self.kind.params
            if self.params[param.name] != param.default
        ]
        return f"{self.name}({', '.join(written)})" if written else self.name


def _restore(name: str, params: dict[str, Value]) -> OpSpec:
    return OpSpec(name, **params)


def _write_value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _checked(kind: OpKind, given: Mapping[str, Value]) -> dict[str, Value]:
    params: dict[str, Value] = {param.name: param.default for param in kind.params}
    seen: set[str] = set()
    for name, value in given.items():
        param = kind.param(name)
        if param is None:
            known = ", ".join(params) or "none"
            raise SpecError(f"Op {kind.name!r} has no parameter {name!r}. It has: {known}.")
        if not param.accepts(value):
            raise SpecError(f"{kind.name}({param.name}=...): got {value!r}, but {param.holds}.")
        if param.name in seen:
            raise SpecError(f"{kind.name} is given {param.name!r} twice.")
        seen.add(param.name)
        # 1 and 1.0 (and 0 and -0.0) are one value of a float parameter, and must be written and digested alike.
        params[param.name] = float(value) + 0.0 if isinstance(param.default, float) else value  # type: ignore[arg-type]
    return params
