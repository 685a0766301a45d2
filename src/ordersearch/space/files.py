"""Reading a search-space file: every value checked, every error with the file and the path in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ordersearch.documents import read_yaml
from ordersearch.errors import OrdersearchError, SpaceError
from ordersearch.ops import Role
from ordersearch.space.dropout_placement import DROPOUT_PLACEMENT, WITH_DROPOUT, check_placed_roles
from ordersearch.space.place import MAX_NUMBER, Place
from ordersearch.space.references import REFERENCE_KEYS, read_references
from ordersearch.space.role_space import NONE, PARTS, PLACEMENTS, Choice, ListedRole, PermutedRole, RoleSpace
from ordersearch.spec import BlockSpec
from ordersearch.spec.notation import read_ops

VERSION = 1
MAX_POINTS = 200_000
TOP_KEYS = ("version", "description", "network", "roles", DROPOUT_PLACEMENT, "nuisance", "references")
ROLE_KEYS = ("orders", "order", "norm_placement", "weight", "norm", "activation", "pool", "dropout", "dropout_rate")


def read_space_file(path: Path) -> dict[str, Any]:
    """The checked content of a search-space file, as the arguments of ``SearchSpace`` besides its name.

    Raises:
        SpaceError: The file cannot be read, or breaks the schema.
    """
    place, content = Place(path), read_yaml(path, SpaceError)
    content = place.mapping(content, TOP_KEYS)
    version = content.get("version", VERSION)
    if version != VERSION:
        raise place.at("version").error(version, f"this version of ordersearch reads version {VERSION}")
    roles = {
        str(name): _role(str(name), value, place.at("roles", str(name)))
        for name, value in place.at("roles").mapping(content.get("roles")).items()
    }
    placements = _placements(content, place.at(DROPOUT_PLACEMENT), roles)
    return {
        "description": str(content.get("description", "")).strip(),
        "roles": roles,
        "dropout_placement": placements,
        "nuisance": _nuisance(content.get("nuisance") or {}, place.at("nuisance")),
        "network": _network(content.get("network"), place.at("network")),
        "references": read_references(content.get("references") or [], place.at("references"), roles, placements),
    }


def _placements(content: Mapping[str, Any], place: Place, roles: Mapping[str, RoleSpace]) -> tuple[str, ...]:
    if DROPOUT_PLACEMENT not in content:
        return ()
    choices = place.choices(content[DROPOUT_PLACEMENT])
    found = tuple(place.at(number).choice(item, WITH_DROPOUT, "a placement") for number, item in enumerate(choices))
    try:
        check_placed_roles(roles)
    except SpaceError as cause:
        raise SpaceError(f"{place.path}: {cause}") from cause
    return found


def _nuisance(value: Any, place: Place) -> dict[str, tuple[float, ...]]:
    content = place.mapping(value, ("lr", "batch_size")) if value else {}
    rate, size = "a learning rate is greater than 0", f"a batch size is a whole number from 2 to {MAX_NUMBER:.0f}"
    found = {"lr": tuple(map(float, place.at("lr").numbers(content.get("lr", [0.003]), rate, lambda v: v > 0)))}
    if "batch_size" in content:
        found["batch_size"] = place.at("batch_size").numbers(
            content["batch_size"], size, lambda v: isinstance(v, int) and v >= 2
        )
    return found


def _network(value: Any, place: Place) -> dict[str, str | int | bool]:
    if value is None:
        return {}
    if isinstance(value, str):
        return {"name": place.filled(value)}
    content = place.mapping(value)
    for key, item in content.items():
        if key != "name" and not isinstance(item, int):
            raise place.at(key).error(item, "an option of a network is a whole number, true or false")
    return {**content, "name": place.at("name").filled(content.get("name"))}


def _role(name: str, value: Any, place: Place) -> RoleSpace:
    if name in REFERENCE_KEYS:
        raise place.error(name, f"a role has another name than the keys of a reference: {', '.join(REFERENCE_KEYS)}")
    content = place.mapping(value, ROLE_KEYS)
    rates: dict[str, tuple[Choice, ...]] = {}
    if "dropout_rate" in content:
        where = place.at("dropout_rate")
        rates["dropout_rate"] = tuple(
            map(float, where.numbers(content["dropout_rate"], "a rate lies in [0, 1)", lambda v: 0 <= v < 1))
        )
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
    for number, order in enumerate(place.choices(value)):
        try:
            BlockSpec.parse(order)
        except OrdersearchError as cause:
            raise SpaceError(f"{place.at(number)}: {cause}") from cause
    return tuple(value)


def _parts(content: Mapping[str, Any], place: Place) -> dict[str, tuple[Choice, ...]]:
    orders = place.at("order").choices(content.get("order"))
    parts = sorted(str(orders[0]).split(" > "))
    is_order = "weight" in parts and set(parts) <= set(PARTS) and len(set(parts)) == len(parts)
    for number, order in enumerate(orders):
        if not (is_order and isinstance(order, str) and sorted(order.split(" > ")) == parts):
            holds = (
                f"an order names the parts of the first one, weight among them, each once, out of {', '.join(PARTS)}, "
                "with ' > ' between"
            )
            raise place.at("order", number).error(order, holds)
    placements = place.at("norm_placement").choices(content.get("norm_placement", [NONE]))
    possible = [p for p in PLACEMENTS if p.removeprefix("after_") in {NONE, "first", *parts}]
    for number, placement in enumerate(placements):
        place.at("norm_placement", number).choice(placement, possible, "a placement")
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
    for number, item in enumerate(place.choices(value)):
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
