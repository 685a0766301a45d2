"""Reading a search-space file: every value checked, every error with the file and the path in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ordersearch.documents import read_yaml
from ordersearch.errors import OrdersearchError, SpaceError, unknown_name
from ordersearch.ops import Role
from ordersearch.space.role_space import NONE, PARTS, PLACEMENTS, Choice, ListedRole, PermutedRole, RoleSpace
from ordersearch.spec import BlockSpec
from ordersearch.spec.notation import read_ops

VERSION = 1
MAX_CHOICES = 10_000
MAX_POINTS = 200_000
TOP_KEYS = ("version", "description", "roles", "nuisance", "references")
ROLE_KEYS = ("orders", "order", "norm_placement", "weight", "norm", "activation", "pool", "dropout", "dropout_rate")
REFERENCE_KEYS = ("name", "source", "claim")


class Place:
    """A place in a file, which every error about it begins with."""

    def __init__(self, path: Path, *keys: str | int) -> None:
        self.path, self.keys = path, keys

    def at(self, *keys: str | int) -> Place:
        """A place further inside."""
        return Place(self.path, *self.keys, *keys)

    def __str__(self) -> str:
        keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys)
        return f"{self.path}: {keys.removeprefix('.')}" if keys else str(self.path)

    def error(self, got: object, holds: str) -> SpaceError:
        """The error that says what was got here and what holds."""
        return SpaceError(f"{self}: got {got!r:.200}, but {holds}.")


def read_space_file(path: Path) -> dict[str, Any]:
    """The checked content of a search-space file: ``roles``, ``nuisance``, ``references``, ``description``.

    Raises:
        SpaceError: The file cannot be read, or breaks the schema.
    """
    place, content = Place(path), read_yaml(path, SpaceError)
    content = _mapping(content, place, TOP_KEYS)
    version = content.get("version", VERSION)
    if version != VERSION:
        raise place.at("version").error(version, f"this version of ordersearch reads version {VERSION}")
    roles = {
        str(name): _role(str(name), value, place.at("roles", str(name)))
        for name, value in _mapping(content.get("roles"), place.at("roles")).items()
    }
    nuisance = {
        str(name): _numbers(
            values, place.at("nuisance", str(name)), "a learning rate is greater than 0", lambda v: v > 0
        )
        for name, values in _mapping(content.get("nuisance") or {"lr": [0.003]}, place.at("nuisance"), ("lr",)).items()
    }
    return {
        "description": str(content.get("description", "")).strip(),
        "roles": roles,
        "nuisance": nuisance,
        "references": _references(content.get("references") or [], place.at("references"), tuple(roles)),
    }


def _mapping(value: Any, place: Place, known: Iterable[str] | None = None) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value:
        raise place.error(value, "a mapping stands here")
    for key in value:
        if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_][\w-]{0,60}", key):
            raise place.error(key, "a key is a plain name")
        if known is not None and key not in known:
            raise SpaceError(str(unknown_name("key", key, known, where=str(place))))
    return value


def _list(value: Any, place: Place) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise place.error(value, "a list of at least one choice stands here")
    if len(value) > MAX_CHOICES:
        raise place.error(len(value), f"a parameter has at most {MAX_CHOICES} choices")
    seen: set[str] = set()
    for number, item in enumerate(value):
        if repr(item) in seen:
            raise place.at(number).error(item, "every choice stands once")
        seen.add(repr(item))
    return value


def _numbers(value: Any, place: Place, holds: str, accepts: Any) -> tuple[float, ...]:
    for number, item in enumerate(_list(value, place)):
        if isinstance(item, bool) or not isinstance(item, int | float) or not accepts(item) or item > 1e6:
            raise place.at(number).error(item, holds)
        if any(item == other for other in value[:number]):
            raise place.at(number).error(item, "every choice stands once")
    return tuple(float(item) for item in value)


def _role(name: str, value: Any, place: Place) -> RoleSpace:
    if name in REFERENCE_KEYS:
        raise place.error(name, f"a role has another name than the keys of a reference: {', '.join(REFERENCE_KEYS)}")
    content = _mapping(value, place, ROLE_KEYS)
    rates: dict[str, tuple[Choice, ...]] = {}
    if "dropout_rate" in content:
        where = place.at("dropout_rate")
        rates["dropout_rate"] = _numbers(content["dropout_rate"], where, "a rate lies in [0, 1)", lambda v: 0 <= v < 1)
    if "orders" in content:
        if extra := set(content) - {"orders", "dropout_rate"}:
            raise place.at(min(extra)).error(
                content[min(extra)], "a list of whole orders leaves nothing else to choose"
            )
        role: RoleSpace = ListedRole(name, {"order": _orders(content["orders"], place.at("orders")), **rates})
    else:
        role = PermutedRole(name, {**_parts(content, place), **rates})
    n_points = math.prod(map(len, role.choices.values()))
    if n_points > MAX_POINTS:
        raise place.error(n_points, f"the choices of a role span at most {MAX_POINTS} points; list fewer")
    try:
        role.specs  # noqa: B018 - every block of the space is built once, so that a file that loads is valid
    except OrdersearchError as cause:
        raise SpaceError(f"{place}: {cause}") from cause
    return role


def _orders(value: Any, place: Place) -> tuple[str, ...]:
    for number, order in enumerate(_list(value, place)):
        try:
            BlockSpec.parse(order)
        except OrdersearchError as cause:
            raise SpaceError(f"{place.at(number)}: {cause}") from cause
    return tuple(value)


def _parts(content: Mapping[str, Any], place: Place) -> dict[str, tuple[Choice, ...]]:
    orders = _list(content.get("order"), place.at("order"))
    parts = sorted(str(orders[0]).split(" > "))
    is_order = "weight" in parts and set(parts) <= set(PARTS) and len(set(parts)) == len(parts)
    for number, order in enumerate(orders):
        if not (is_order and isinstance(order, str) and sorted(order.split(" > ")) == parts):
            holds = (
                f"an order names the parts of the first one, weight among them, each once, out of {', '.join(PARTS)}, "
                "with ' > ' between"
            )
            raise place.at("order", number).error(order, holds)
    placements = _list(content.get("norm_placement", [NONE]), place.at("norm_placement"))
    possible = [p for p in PLACEMENTS if p.removeprefix("after_") in {NONE, "first", *parts}]
    for number, placement in enumerate(placements):
        if placement not in possible:
            raise place.at("norm_placement", number).error(placement, f"a placement is one of {', '.join(possible)}")
    choices: dict[str, tuple[Choice, ...]] = {"order": tuple(orders), "norm_placement": tuple(placements)}
    for part in ("weight", "norm", "activation", "pool", "dropout"):
        if part in content:
            choices[part] = _ops(content[part], Role(part), place.at(part))
        elif part in parts or (part == "norm" and placements != [NONE]):
            raise place.at(part).error(None, f"the order has a {part}, so its choices stand here")
        if part in content and part not in (*parts, "norm"):
            raise place.at(part).error(content[part], f"the order has no {part}, so nothing stands here")
    if "dropout_rate" in content and "dropout" not in parts:
        raise place.at("dropout_rate").error(
            content["dropout_rate"], "the order has no dropout, so nothing stands here"
        )
    if "dropout" in parts and "dropout_rate" not in content and any(c != NONE for c in choices["dropout"]):
        raise place.at("dropout_rate").error(None, "the order has a dropout, so its rates stand here")
    return choices


def _ops(value: Any, role: Role, place: Place) -> tuple[str, ...]:
    for number, item in enumerate(_list(value, place)):
        where = place.at(number)
        if not isinstance(item, str):
            raise where.error(item, f"a choice is an op written as text (or {NONE!r})")
        if item == NONE and role not in (Role.WEIGHT, Role.NORM):
            continue
        try:
            ops = read_ops(item)
        except OrdersearchError as cause:
            raise SpaceError(f"{where}: {cause}") from cause
        if len(ops) != 1 or ops[0].role is not role:
            raise where.error(item, f"a choice here is one {role} op")
    return tuple(value)


def _references(value: Any, place: Place, roles: tuple[str, ...]) -> list[dict[str, str]]:
    references = []
    for number, item in enumerate(_list(value, place) if value else []):
        where = place.at(number)
        reference = _mapping(item, where, (*REFERENCE_KEYS, *roles))
        for key in ("name", "source", *roles):
            if not isinstance(reference.get(key), str):
                raise where.at(key).error(reference.get(key), "text stands here")
        references.append({str(k): str(v) for k, v in reference.items()})
    return references
