"""Studies as a search leaves them in its storage, made without training, for tests of what is told of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from ordersearch.objective import Setting
from ordersearch.results import Attribute, State
from ordersearch.spec import BlockSpec
from ordersearch.study import Search
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import Finalist

HOSTILE = "<script>alert(1)</script> \"'`|&<b>*x*</b> \N{GRINNING FACE} " + "long" * 50
BEGAN = datetime(2026, 11, 21, 12, 0, 0)
ORDERS = (
    "conv > batch_norm > relu > max_pool",
    "conv > relu > batch_norm > max_pool",
    "conv > max_pool > relu",
)


def trial_of(
    setting: Setting, number: int, value: float | None, *, state: State = State.COMPLETE, seed: int = 0, **kept: Any
) -> FrozenTrial:
    """A trial that ended, with the attributes of its run.

    Args:
        setting: What was trained.
        number: Decides when it ran.
        value: Of val/loss; None where there is none.
        state: How it ended.
        seed: Of the run.
        **kept: Further attributes, by their name in ``Attribute``.
    """
    by_state = {State.COMPLETE: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED, State.WAITING: TrialState.WAITING}
    ended = by_state.get(state, TrialState.FAIL)
    split = kept.pop("SPLIT", 0)
    attributes: dict[str, Any] = {
        **setting.attributes(),
        Attribute.SEED: seed,
        Attribute.SPLIT: split,
        Attribute.SECONDS: 0.5,
        Attribute.EPOCHS: 3,
        Attribute.PARAMETERS: 1234,
        **({Attribute.STATE: state.value} if ended is TrialState.FAIL else {}),
        **{Attribute[name]: own for name, own in kept.items()},
    }
    if value is not None:
        attributes |= {Attribute.METRIC + "val/loss": value, Attribute.METRIC + "val/accuracy": 1 - value / 4}
    trial = create_trial(
        state=ended,
        value=value if ended is TrialState.COMPLETE else None,
        user_attrs={str(name): own for name, own in attributes.items()},
        intermediate_values={} if value is None else {epoch: value + 1 / (epoch + 1) for epoch in range(3)},
    )
    trial.datetime_start = BEGAN + timedelta(seconds=number)
    trial.datetime_complete = BEGAN + timedelta(seconds=number + 1)
    return trial


def setting_of(search: Search, order: str, learning_rate: float = 0.01, role: str = "conv") -> Setting:
    """A setting of one order."""
    return Setting.of({role: BlockSpec.parse(order)}, {"lr": learning_rate}, search.network)


def kept_search(search: Search, storage: BaseStorage, trials: Mapping[str, float]) -> optuna.Study:
    """A study of the search, with a complete trial of each order."""
    study = search.open_study(storage)
    study.add_trials([trial_of(setting_of(search, order), n, value) for n, (order, value) in enumerate(trials.items())])
    return study


def many_trials(search: Search, n: int) -> Iterator[FrozenTrial]:
    """Trials of all states, over orders that differ in their dropout rate."""
    draw = random.Random(0)
    states = [State.COMPLETE] * 6 + [State.PRUNED] * 3 + [State.CRASHED]
    for number in range(n):
        order = f"{draw.choice(ORDERS)} > dropout(p={draw.randint(1, 60) / 100})"
        setting = setting_of(search, order, draw.choice((0.003, 0.01)))
        state, value = draw.choice(states), draw.uniform(0.1, 2)
        is_crash, seed = state is State.CRASHED, draw.randint(0, 2)
        reason = f"ValueError: {number % 7}" if is_crash else ""
        yield trial_of(setting, number, None if is_crash else value, state=state, seed=seed, REASON=reason)


def kept_confirmation(
    search: Search, storage: BaseStorage, orders: Mapping[str, list[float]], name: str = ""
) -> Confirmation:
    """A confirmation of these orders with their values on the pairs; the first is the baseline.

    Args:
        search: Whose.
        storage: Where its study is kept.
        orders: Each order's value on each pair.
        name: Of the reference that the baseline is.
    """
    finalists = tuple(
        Finalist(setting_of(search, order), name * (place == 0), place == 0) for place, order in enumerate(orders)
    )
    n_pairs = max(map(len, orders.values()))
    confirmation, study = Confirmation(search, finalists, max_pairs=max(n_pairs, 5)).opened(storage)
    number = 0
    for finalist, values in zip(finalists, orders.values(), strict=True):
        for pair, value in enumerate(values):
            seed = confirmation.seed(pair)
            losses = [value + 1 / epoch for epoch in (1, 2, 4)]
            made = trial_of(finalist.setting, number, value, seed=seed, SPLIT=seed, VALIDATION_LOSSES=losses)
            study.add_trial(made)
            number += 1
    return confirmation
