"""The verdict's sentences, branch by branch: what they claim is what the runs show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.objective import Setting
from ordersearch.results import Run, State
from ordersearch.spec import BlockSpec
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import AS_WRITTEN, TUNED, Finalist
from ordersearch.study.verdict import Verdict, verdict_of
from tests.searches import small_search, small_space

YOURS = "conv > batch_norm > max_pool > relu > dropout(p=0.2)"
A = "conv > max_pool > relu"
B = "conv > relu > batch_norm > max_pool"
C = "conv > max_pool > tanh"
ORDERS = (YOURS, A, B, C)
NAN = float("nan")

Runs = Sequence[float] | NDArray[np.float64]


@pytest.fixture(scope="module")
def confirmation(tmp_path_factory: pytest.TempPathFactory) -> Confirmation:
    search = small_search(small_space(tmp_path_factory.mktemp("space")))
    settings = [Setting.of({"conv": BlockSpec.parse(order)}, {"lr": 0.01}, search.network) for order in ORDERS]
    finalists = tuple(Finalist(setting, is_baseline=n == 0) for n, setting in enumerate(settings))
    return Confirmation(search, finalists, max_pairs=15)


def told(confirmation: Confirmation, *values: Runs) -> Verdict:
    """The verdict on these values: the baseline's, then the others', a value a pair; NaN for a run that diverged."""
    confirmation = replace(confirmation, finalists=confirmation.finalists[: len(values)])
    runs = [
        Run(
            trial,
            State.DIVERGED if np.isnan(value) else State.COMPLETE,
            setting=finalist.setting.digest,
            canonical=finalist.setting.canonical,
            seed=confirmation.seed(pair),
            split=confirmation.seed(pair),
            value=None if np.isnan(value) else float(value),
        )
        for trial, (finalist, own) in enumerate(zip(confirmation.finalists, values, strict=True))
        for pair, value in enumerate(own)
    ]
    return verdict_of(confirmation, runs)


def about(mean: float, n: int = 15, *, noise: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    """Values of exactly this mean that differ from pair to pair."""
    drawn = np.random.default_rng(seed).normal(0, noise, n)
    values: NDArray[np.float64] = mean + drawn - drawn.mean()
    return values


def text_of(found: Verdict) -> str:
    """The text with intervals left out, which other tests are about."""
    return re.sub(r"\+?-?[\d.e-]+ \(95 % interval \S+ to [^)]+\)", "D", found.text)


# Failures


def test_one_order_alone(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0))
    assert found.text == f"Only '{YOURS}' is left, so there is nothing to compare it with."
    assert found.recommended is None


def test_too_few_pairs(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0, 3), about(1.0, 3))
    assert found.text == "Too few pairs for a verdict: the first look is after 6. The same command goes on."


def test_a_challenger_that_failed(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), [*about(0.0, 7), NAN])
    assert found.text == (
        f"'{A}' failed to train in some pair and is out. Only '{YOURS}' is left, so there is nothing to compare it "
        "with."
    )


def test_a_baseline_that_failed(confirmation: Confirmation) -> None:
    failed = f"Your order '{YOURS}' failed to train in some pair, so nothing can be compared with it."
    alone = told(confirmation, [1.0, NAN], about(1.0))
    assert alone.text == f"{failed} Only '{A}' is left, so there is nothing to compare it with."
    beaten = told(confirmation, [1.0, NAN], about(0.0), about(1.0, seed=1))
    assert beaten.text == (
        f"{failed} Of the others, '{A}' has the best val/loss, 0. No other is among the possible best.".replace(
            "val/loss, 0.", f"val/loss, {beaten.standings[0].mean:.4g}."
        )
    )
    assert beaten.recommended is not None
    equal = told(confirmation, [1.0, NAN], about(1.0), about(0.99, seed=1), about(1.0, seed=2))
    assert equal.text == (
        f"{failed} Of the others, '{B}' has the best val/loss, 0.99. 3 of the 3 orders may be the best. '{A}' is the "
        "cheapest of those with a fair chance."
    )


def test_all_that_failed(confirmation: Confirmation) -> None:
    found = told(confirmation, [NAN], [NAN], [NAN])
    assert found.text.endswith("with it. No order trained in every pair, so there is no verdict.")


# The baseline has the best mean


def test_a_baseline_that_beats_one(confirmation: Confirmation) -> None:
    found = told(confirmation, about(0.0), about(1.0, seed=1))
    assert text_of(found) == (
        f"Keep your order '{YOURS}': it was shown to be better than the other. The closest, '{A}', differs in val/loss "
        "by D over 6 pairs."
    )
    assert found.recommended is not None
    assert found.recommended.is_baseline


def test_a_baseline_that_beats_all(confirmation: Confirmation) -> None:
    found = told(confirmation, about(0.0), about(1.0, seed=1), about(0.9, seed=2), about(1.0, seed=3))
    assert text_of(found).startswith(
        f"Keep your order '{YOURS}': it was shown to be better than all 3 others. The closest"
    )
    assert f"The closest, '{B}'" in found.text


def test_a_baseline_that_nothing_was_shown_to_beat(confirmation: Confirmation) -> None:
    found = told(confirmation, about(0.98), about(1.0, seed=1))
    assert text_of(found).startswith(
        f"Keep your order '{YOURS}': nothing was shown to be better. The closest, '{A}', differs in val/loss by D over "
        f"15 pairs. '{A}' costs less and could not be told from it. If that is the true difference, about "
    )
    assert found.text.endswith(": a new test, on fresh pairs.")
    assert found.recommended is not None
    assert found.recommended.is_baseline


def test_a_baseline_that_is_best_so_far_is_no_advice(confirmation: Confirmation) -> None:
    found = told(confirmation, about(0.98, 6), about(1.0, 6, seed=1))
    assert text_of(found) == (
        f"So far, your order '{YOURS}' has the best val/loss, 0.98; nothing was shown to be better. The closest, "
        f"'{A}', differs in val/loss by D over 6 pairs. That is after 6 of at most 15 pairs; the same command goes on."
    )


# Another has the best mean


def test_one_that_is_better(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), about(0.0, seed=1))
    assert text_of(found).startswith(f"'{A}' is better than your order '{YOURS}': val/loss ")
    assert text_of(found).endswith(", difference D over 6 pairs.")


def test_one_that_is_better_than_all(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), about(0.0, seed=1), about(1.0, seed=2), about(1.0, seed=3))
    assert text_of(found).endswith("difference D over 6 pairs. No other is among the possible best.")


def test_one_that_is_better_among_others_that_may_be_the_best(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), about(0.01, seed=1), about(0.0, seed=2), about(1.0, seed=3))
    assert text_of(found).startswith(f"'{B}' is better than your order '{YOURS}'")
    assert text_of(found).endswith(
        f"2 of the 4 orders may be the best. '{A}' was shown to be better than yours, too, and costs less."
    )
    assert found.recommended is not None
    assert found.recommended.trained == A


def test_both_means_are_over_the_pairs_of_the_difference(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), about(0.0, seed=1), about(0.02, seed=2))
    comparison = next(c for c in found.decision.comparisons if c.order == found.decision.best)
    assert comparison.n_pairs == 6
    assert comparison.means[0] - comparison.means[1] == pytest.approx(comparison.difference)
    assert f"val/loss {comparison.means[0]:.4g} against {comparison.means[1]:.4g}" in found.text


def test_what_is_believed_leads_where_the_best_mean_is_not_told_from_the_baseline(confirmation: Confirmation) -> None:
    noisy = about(0.4, noise=2.0, seed=1)
    found = told(confirmation, about(1.0), noisy, about(0.5, noise=0.05, seed=2))
    assert text_of(found).startswith(f"'{B}' is better than your order '{YOURS}'")
    assert f"'{A}' has the best mean, 0.4, but was not told from your order: the difference is " in found.text
    assert found.decision.looked[found.decision.comparisons[0].versus] == 15
    assert found.recommended is not None
    assert found.recommended.trained == B


def test_two_that_cannot_be_told_apart(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), about(0.97, seed=1))
    start, _, advice = text_of(found).partition(" If that is the true difference, about ")
    assert start == (
        f"Cannot tell '{A}' from your order '{YOURS}' with 15 pairs: the difference in val/loss is D. So keep yours. "
        f"'{A}' costs less and could not be told from it."
    )
    n = int(advice.split()[0])
    assert n > 15
    assert advice == f"{n} pairs would tell; ask for them with --confirm {n}: a new test, on fresh pairs."


def test_two_that_would_take_too_many_pairs(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0), about(0.999, seed=1))
    assert found.text.endswith("If that is the true difference, more than 500 pairs would be needed to tell.")


def test_two_that_cannot_be_told_apart_so_far(confirmation: Confirmation) -> None:
    found = told(confirmation, about(1.0, 6), about(0.97, 6, seed=1))
    assert text_of(found) == (
        f"Cannot tell '{A}' from your order '{YOURS}' with 6 pairs: the difference in val/loss is D. That is after 6 "
        "of at most 15 pairs; the same command goes on."
    )


def test_an_anytime_test_is_gone_on_with(confirmation: Confirmation) -> None:
    found = told(replace(confirmation, anytime=True), about(1.0), about(0.97, seed=1))
    assert found.text.endswith("More pairs may tell: --confirm 30 goes on with this test.")


def test_equal_values_are_told_as_such(confirmation: Confirmation) -> None:
    found = told(confirmation, [1.0] * 15, [1.0] * 15, [1.0] * 15, [1.0] * 15)
    assert found.recommended is not None
    assert found.recommended.is_baseline


# Scope


def test_the_scope_says_where_the_rates_come_from(confirmation: Confirmation) -> None:
    assert verdict_of(confirmation, []).scope == (
        "digits, over retraining and resplitting; network cnn, 2 epochs, batches of 32. Each order at the learning "
        "rate and dropout rate that were best in the search; all else is held fixed."
    )
    first, *others = confirmation.finalists
    tuned = replace(confirmation, finalists=(replace(first, rates=TUNED), *others))
    assert "Each other order at the learning rate and dropout rate" in verdict_of(tuned, []).scope
    assert "yours as written, at a learning rate of 0.01, the best of one run each;" in verdict_of(tuned, []).scope
    written = replace(confirmation, finalists=(replace(first, rates=AS_WRITTEN), *others))
    assert "yours as written, at a learning rate of 0.01, not tuned;" in verdict_of(written, []).scope
    batches = [replace(f, setting=replace(f.setting, batch_size=16)) for f in confirmation.finalists]
    scope = verdict_of(replace(confirmation, finalists=tuple(batches)), []).scope
    assert "2 epochs. Each order at the learning rate, batch size and dropout rate that were best" in scope
