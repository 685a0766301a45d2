from __future__ import annotations

import torch

from ordersearch.training.seeds import epoch_order, kept_generators, seed_noise


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
