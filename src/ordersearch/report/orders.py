"""Orders explained: what they equal, what they cost, what is known to go wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from ordersearch.advice import advise, well_known
from ordersearch.errors import NotEquivalentError
from ordersearch.identities import blocking_reason, canonical, cheapest, cost, each_member, swap_reason, why
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

N_MEMBERS = 200
N_PRINTED = 24


def explanation(spec: BlockSpec, *, batch_size: int | None = None, dims: int = 2) -> dict[str, Any]:
    """All that can be said of an order without training it, as plain values for JSON."""
    best = cheapest(spec)
    members = sorted(map(str, islice(each_member(spec), N_MEMBERS + 1)))
    return {
        "order": str(spec),
        "digest": spec.digest,
        "canonical": str(canonical(spec)),
        "members": members[:N_MEMBERS],
        "has_more_members": len(members) > N_MEMBERS,
        "cheapest": str(best),
        "cost": cost(spec, dims=dims),
        "cheapest_cost": cost(best, dims=dims),
        "neighbours": [
            {
                "first": str(a),
                "second": str(b),
                "may_be_swapped": swap_reason(a, b) is not None,
                "reason": swap_reason(a, b) or blocking_reason(a, b),
            }
            for a, b in zip(spec.ops, spec.ops[1:], strict=False)
        ],
        "well_known": [known._asdict() for known in well_known(spec)],
        "advice": [asdict(advice) for advice in advise(spec, batch_size=batch_size, dims=dims)],
    }


def explanation_lines(told: dict[str, Any]) -> Iterator[str]:
    """An explanation as lines for people."""
    yield from _drawing(told)
    yield ""
    members = told["members"]
    more = " or more" if told["has_more_members"] else ""
    yield f"Class: {told['canonical']}" if len(members) > 1 else "Class: this order alone is this network."
    if len(members) > 1:
        yield f"  {len(members)}{more} orders are this network, in training and in evaluation:"
        yield from (f"    {member}" for member in members[:N_PRINTED])
        if len(members) > N_PRINTED:
            yield f"    and {len(members) - N_PRINTED}{more} others (--json lists {N_MEMBERS})"
    yield _saving(told)
    for known in told["well_known"]:
        yield f"Known as: {known['name']} ({known['source']})"
    for advice in told["advice"]:
        yield ""
        yield f"{advice['severity'].capitalize()}: {advice['text']}"
        yield f"  {advice['figure']}"
        yield f"  Source: {advice['source']}"


def _drawing(told: dict[str, Any]) -> Iterator[str]:
    neighbours = told["neighbours"]
    yield "  input"
    yield "    │"
    for pair in neighbours:
        yield f"  {pair['first']}"
        yield f"    {'⇅  may be swapped' if pair['may_be_swapped'] else '│  fixed'}: {pair['reason']}"
    yield f"  {neighbours[-1]['second'] if neighbours else told['order']}"
    yield "    │"
    yield "  output"


def _saving(told: dict[str, Any]) -> str:
    if told["cheapest"] == told["order"]:
        return "Cheapest: this order is."
    saved = 1 - told["cheapest_cost"] / told["cost"]
    less = f", which touches {saved:.0%} fewer values" if saved > 0.0005 else ", at the same cost"
    return f"Cheapest: {told['cheapest']}{less}."


def comparison(one: BlockSpec, other: BlockSpec) -> dict[str, Any]:
    """Why two orders are one network, step by step, or what stands in the way, as plain values for JSON."""
    told = {"order": str(one), "other": str(other)}
    try:
        steps = [{"order": str(step.after), "reason": step.reason} for step in why(one, other)]
    except NotEquivalentError as difference:
        return {**told, "is_one_network": False, "reason": str(difference), "steps": []}
    return {**told, "is_one_network": True, "reason": "", "steps": steps}


def comparison_lines(told: dict[str, Any]) -> Iterator[str]:
    """A comparison as lines for people."""
    if not told["is_one_network"]:
        yield told["reason"]
        return
    yield f"One network: {told['order']} is {told['other']}."
    for number, step in enumerate(told["steps"], 1):
        yield f"  {number}. {step['order']}"
        yield f"     {step['reason']}"


def class_counts(space: SearchSpace) -> dict[str, Any]:
    """The orders and distinct networks of a space, and each class with its members, as plain values for JSON."""
    roles = {}
    for role, specs in space.blocks().items():
        orders = space.orders(role)
        roles[role] = {
            "n_orders": sum(map(len, orders.values())),
            "n_networks": len(orders),
            "n_orders_with_rates": len(specs),
            "n_networks_with_rates": len(space.classes(role)),
            "classes": [
                {"canonical": str(name), "cheapest": str(cheapest(name)), "members": [str(m) for m in members]}
                for name, members in orders.items()
            ],
        }
    return {
        "space": space.name,
        "n_orders": space.n_specs,
        "n_networks": space.n_classes,
        "n_settings": space.n_settings,
        "saved_fraction": 1 - space.n_classes / space.n_specs,
        "roles": roles,
    }


def class_lines(counted: dict[str, Any]) -> Iterator[str]:
    """The classes of a space as lines for people."""
    for role, found in counted["roles"].items():
        yield (
            f"{role}: {found['n_orders']} orders are {found['n_networks']} distinct networks; with their rates "
            f"{found['n_orders_with_rates']} are {found['n_networks_with_rates']}."
        )
        for number, network in enumerate(found["classes"], 1):
            yield f"{number:>4}. {network['canonical']}"
            yield from (
                f"        {'trained as' if member == network['cheapest'] else 'same      '}  {member}"
                for member in network["members"]
                if len(network["members"]) > 1
            )
    yield (
        f"Space {counted['space']}: {counted['n_orders']} orders (rates counted) are {counted['n_networks']} distinct "
        f"networks, so {counted['saved_fraction']:.0%} of the trainings of an exhaustive search are saved."
    )
