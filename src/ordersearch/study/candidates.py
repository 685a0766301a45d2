"""The settings of a space in the order in which they are worth a try before anything is known of the data."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ordersearch.advice import advise
from ordersearch.identities import canonical
from ordersearch.results import class_name, setting_digest
from ordersearch.seeds import derived_seed
from ordersearch.space import SearchSpace
from ordersearch.space.search_space import Blocks


@dataclass(frozen=True)
class Candidate:
    """A setting that can be tried.

    Attributes:
        point: The parameters that stand for it.
        order: Its class.
        plainness: Less is tried first: the warnings that the orders earn, then how many ops they have.
        is_first: Whether it is the class at the middle of its nuisance parameters and at its first rates.
    """

    point: Mapping[str, Any]
    order: str
    plainness: tuple[int, int]
    is_first: bool


def representative(space: SearchSpace, params: Mapping[str, Any]) -> tuple[dict[str, Any], str, Blocks]:
    """The point that stands for the network of some parameters, the digest of the setting, and the canonical blocks."""
    blocks = {role: canonical(spec) for role, spec in space.decode(params).items()}
    rates = {name: params[name] for name in space.nuisance}
    digest = setting_digest({r: str(b) for r, b in blocks.items()}, rates["lr"], rates.get("batch_size"))
    return {**space.encode_class(blocks), **rates}, digest, blocks


def candidates(space: SearchSpace, *, seed: int) -> dict[str, Candidate]:
    """Every setting by its digest: each class once, the plain ones first, then the other rates and nuisance parameters.

    What is known to go wrong with an order (``ordersearch.advice``) puts it behind those of which nothing is; of
    equals, fewer ops come first, and then the seed decides.

    Args:
        space: Whose settings.
        seed: Of the search.
    """
    found: dict[str, Candidate] = {}
    orders: dict[str, tuple[int, int]] = {}
    default = space.default_nuisance()
    seen: set[str] = set()
    for params in space.settings():
        point, digest, blocks = representative(space, params)
        order = class_name(blocks)
        is_first = order not in seen and all(params[name] == value for name, value in default.items())
        if is_first:
            seen.add(order)
        if order not in orders:
            orders[order] = _plainness(blocks)
        found[digest] = Candidate(point, order, orders[order], is_first)
    shuffled = sorted(found)
    random.Random(derived_seed(seed, "candidates")).shuffle(shuffled)
    return {d: found[d] for d in sorted(shuffled, key=lambda d: (not found[d].is_first, found[d].plainness))}


def _plainness(blocks: Blocks) -> tuple[int, int]:
    warnings = sum(advice.severity == "warning" for spec in blocks.values() for advice in advise(spec))
    return warnings, sum(len(spec.ops) for spec in blocks.values())
