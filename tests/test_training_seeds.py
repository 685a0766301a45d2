from __future__ import annotations

import torch

from ordersearch.training.seeds import derived_seed, epoch_order, kept_generators, seed_noise


def test_derived_seeds_never_change() -> None:
    # Written down: another value would give every stored run another meaning.
    assert derived_seed(0, "batches", 0) == 8403175524489120606
    assert derived_seed(7, "noise", 3) == 7215121984337366685


def test_derived_seeds_differ_by_seed_purpose_and_epoch() -> None:
    seeds = {derived_seed(s, purpose, e) for s in range(20) for purpose in ("batches", "noise") for e in range(20)}
    assert len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_an_epoch_visits_every_sample_once_in_an_order_of_its_own() -> None:
    first, second = (epoch_order(50, seed=1, epoch=epoch) for epoch in (0, 1))
    assert sorted(first.tolist()) == list(range(50))
    assert not torch.equal(first, second)
    assert torch.equal(first, epoch_order(50, seed=1, epoch=0))


def test_noise_is_the_same_whatever_was_drawn_before() -> None:
    with kept_generators(torch.device("cpu")):
        seed_noise(torch.device("cpu"), seed=3, epoch=1)
        first = torch.rand(4)
        torch.rand(17)
        seed_noise(torch.device("cpu"), seed=3, epoch=1)
        assert torch.equal(first, torch.rand(4))


def test_the_callers_generator_is_given_back() -> None:
    before = torch.get_rng_state()
    with kept_generators(torch.device("cpu")):
        seed_noise(torch.device("cpu"), seed=0, epoch=0)
    assert torch.equal(torch.get_rng_state(), before)
