"""Successive halving: who is promoted, from runs alone."""

from __future__ import annotations

import math
import random

import pytest

from ordersearch.results import Run, State
from ordersearch.study.halving import FEWEST_PROBED, Halving, is_probing, mean_share

HALVING = Halving("val/loss", minimise=True, seed=0, max_seeds=3, probe_epochs=2)


def probe(digest: str, value: float, *, seed: int = 0, n_epochs: int = 2, trial: int = 1) -> Run:
    metrics = {"val/loss": value, "val/accuracy": 1 - value}
    return Run(trial, State.PRUNED, {}, {}, digest, 0.01, seed=seed, metrics=metrics, n_epochs=n_epochs)


def whole(digest: str, value: float, *, seed: int = 0) -> Run:
    metrics = {"val/loss": value, "val/accuracy": 1 - value}
    return Run(99, State.COMPLETE, {}, {}, digest, 0.01, seed=seed, value=value, metrics=metrics)


def by_setting(*runs: Run) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.setting, []).append(run)
    return found


PROBES = [probe(name, n / 10) for n, name in enumerate("abcdefgh", 1)]


def test_nothing_is_promoted_before_eight_were_probed() -> None:
    assert HALVING.promoted(by_setting(*PROBES[: FEWEST_PROBED - 1])) is None
    assert HALVING.promoted({}) is None


def test_a_quarter_of_the_probed_is_trained_whole_by_turns_the_best_and_the_first_tried() -> None:
    runs = [*PROBES, probe("slow", 0.95, trial=0)]
    assert HALVING.promoted(by_setting(*runs)) == "a", "the best probe"
    runs.append(whole("a", 0.05))
    assert HALVING.promoted(by_setting(*runs)) == "slow", "the first that was tried, whatever its probe showed"
    runs.append(whole("slow", 0.04))
    assert HALVING.promoted(by_setting(*runs)) is None, "two of nine"
    runs += [probe(name, 0.99) for name in "uvw"]
    assert HALVING.promoted(by_setting(*runs)) == "b"


def test_the_best_quarter_of_those_trained_whole_gets_further_seeds_first() -> None:
    done = [whole(name, value) for name, value in (("a", 0.05), ("b", 0.04), ("x", 0.06), ("y", 0.07))]
    assert HALVING.promoted(by_setting(*PROBES, *done)) == "b"
    assert HALVING.promoted(by_setting(*PROBES, *done, whole("b", 0.9, seed=1))) == "b", "its first seed promoted it"
    seeds = [whole("b", 0.9, seed=1), whole("b", 0.9, seed=2)]
    assert HALVING.promoted(by_setting(*PROBES, *done, *seeds)) is None


def test_accuracies_are_maximised() -> None:
    halving = Halving("val/accuracy", minimise=False, seed=0, max_seeds=3, probe_epochs=2)
    assert halving.promoted(by_setting(*PROBES)) == "a"


def test_what_is_under_way_or_has_diverged_is_passed_over() -> None:
    running = Run(9, State.RUNNING, setting="a")
    diverged = Run(9, State.DIVERGED, setting="b")
    assert HALVING.promoted(by_setting(*PROBES, running)) == "b"
    assert HALVING.promoted(by_setting(*PROBES, running, diverged)) == "c"


def test_probes_that_are_not_finite_are_no_evidence() -> None:
    assert HALVING.promoted(by_setting(*PROBES[:7], probe("z", math.nan))) is None


def test_another_seed_than_the_first_promotes_nothing() -> None:
    assert HALVING.promoted(by_setting(*(probe(name, 0.1, seed=1) for name in "abcdefgh"))) is None


def test_without_new_settings_the_better_half_comes_first_then_the_probed_then_the_rest() -> None:
    runs = [*PROBES[:3], *(whole(name, value) for name, value in (("p", 0.4), ("q", 0.2), ("r", 0.3), ("s", 0.5)))]
    asked = []
    for _ in range(20):
        digest = HALVING.best_left(by_setting(*runs))
        if digest is None:
            break
        asked.append(digest)
        n_seeds = sum(run.setting == digest and run.state is State.COMPLETE for run in runs)
        runs.append(whole(digest, 0.45, seed=n_seeds))
    assert asked[:4] == ["q", "q", "r", "r"], "the better half of four"
    assert asked.index("a") < asked.index("s")
    assert len(asked) == 7 * 3 - 4, "every setting has had its three seeds"


def test_the_order_of_rows_never_matters() -> None:
    done = [whole(name, value) for name, value in (("a", 0.05), ("x", 0.3), ("y", 0.4), ("z", 0.06))]
    runs = [*PROBES, *done, whole("a", 0.2, seed=1), whole("a", 0.2, seed=2), probe("slow", 0.95, trial=0)]
    for seed in range(10):
        random.Random(seed).shuffle(runs)
        assert HALVING.promoted(by_setting(*runs)) == "slow"
        assert HALVING.best_left(by_setting(*runs)) == "z"


@pytest.mark.parametrize(
    ("max_epochs", "n_trials", "n_settings", "expected"),
    [
        (16, 60, 100, True),
        (16, None, 8, True),
        (2, 60, 100, True),
        (1, 60, 100, False),
        (16, 23, 100, False),
        (16, 24, 100, True),
        (16, 299, 100, True),
        (16, 300, 100, False),
        (16, 60, 7, False),
    ],
)
def test_settings_are_probed_where_not_all_can_be_trained_with_every_seed(
    max_epochs: int, n_trials: int | None, n_settings: int, expected: bool
) -> None:
    assert is_probing(max_epochs, n_trials, n_settings, 3) is expected


def test_what_was_pruned_at_another_epoch_is_no_probe() -> None:
    old = probe("z", 0.01, n_epochs=10)
    assert HALVING.promoted(by_setting(*PROBES, old)) == "a"


def test_a_mean_trial_takes_less_the_more_there_is_to_probe() -> None:
    shares = [mean_share(16, 60, n_settings, 3) for n_settings in (5, 21, 40, 1000)]
    assert shares == sorted(shares, reverse=True)
    assert 1 / 8 < shares[-1] < shares[1] < shares[0] == 1
