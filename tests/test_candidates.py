"""In which order the settings of a space are tried."""

from __future__ import annotations

import random

from ordersearch.advice import advise
from ordersearch.results import class_name
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study.candidates import candidates, representative


def test_every_setting_is_there_once_and_every_class_before_its_other_rates() -> None:
    space = SearchSpace.load("conv")
    found = list(candidates(space, seed=0).values())
    assert len(found) == space.n_settings
    n_classes = len(space.orders())
    firsts, others = found[:n_classes], found[n_classes:]
    assert {candidate.order for candidate in firsts} == {str(order) for order in space.orders()}
    assert all(candidate.is_first for candidate in firsts)
    assert not any(candidate.is_first for candidate in others)
    assert {candidate.point["lr"] for candidate in firsts} == {0.01}


def test_what_is_known_to_go_wrong_comes_behind_what_is_not_and_plain_orders_first() -> None:
    space = SearchSpace.load("conv")
    firsts = [candidate for candidate in candidates(space, seed=0).values() if candidate.is_first]
    warned = [any(a.severity == "warning" for a in advise(BlockSpec.parse(c.order))) for c in firsts]
    assert any(warned)
    assert warned == sorted(warned)
    n_ops = [len(BlockSpec.parse(c.order).ops) for c, is_warned in zip(firsts, warned, strict=True) if not is_warned]
    assert n_ops == sorted(n_ops)


def test_the_seed_decides_between_equals_and_nothing_else() -> None:
    space = SearchSpace.load("conv")
    one, same, other = (list(candidates(space, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert set(one) == set(other)


def test_a_representative_is_the_same_for_every_member_of_a_class() -> None:
    space = SearchSpace.load("conv")
    generator = random.Random(3)
    for members in generator.sample([m for m in space.classes().values() if len(m) > 1], 5):
        found = [representative(space, {**space.encode({"conv": spec}), "lr": 0.03}) for spec in members]
        assert len({(digest, class_name(blocks)) for _, digest, blocks in found}) == 1
        assert all(point == found[0][0] for point, _, _ in found)
