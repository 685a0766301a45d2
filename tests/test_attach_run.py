"""An existing study that goes on with our space attached, and the runs of an objective of one's own."""

from __future__ import annotations

import re
import statistics
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import PartialFixedSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ordersearch.attach import attach_space, backfill, begin_run, check_sampler, ranked
from ordersearch.attach.own_setting import OwnSetting
from ordersearch.errors import StudyMismatchError, TrainingSettingError
from ordersearch.identities import canonical, cheapest, cost
from ordersearch.results import Attribute, State, distinct_runs, read_runs, setting_digest
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from tests.own_studies import OLD_ORDER, STORAGES, dense, going_on, old_study, own_part, storage_of

parse = BlockSpec.parse


def order_value(spec: BlockSpec) -> float:
    """What an order is worth here: none without norm, and best with the norm behind the weight and no dropout."""
    roles = [op.role.value for op in spec]
    return 0.5 * ("norm" not in roles) + 0.3 * (roles[:2] != ["weight", "norm"]) + 0.2 * ("dropout" in roles)


def objective_on(space: SearchSpace, **options: Any) -> Callable[[optuna.Trial], float]:
    """The old objective with an order of the space in it."""

    def objective(trial: optuna.Trial) -> float:
        value = own_part(trial)
        run = begin_run(trial, space, **options)
        return value + order_value(run.blocks["dense"]) + 0.01 * run.seed

    return objective


PLAIN = parse("linear > relu > dropout(p=0.1)")


def plain_objective(trial: optuna.Trial) -> float:
    """The objective before the space came, whose order was plain."""
    return own_part(trial) + order_value(PLAIN)


@pytest.mark.filterwarnings("ignore:.*group.*:optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("way", ["in place", "backfilled"])
def test_a_study_of_30_trials_goes_on_and_both_are_modelled(way: str, tmp_path: Path) -> None:
    storage, space = storage_of("sqlite" if way == "in place" else "memory", tmp_path), dense()
    old = old_study(30, storage=storage, objective=plain_objective)
    best_before = old.best_value
    if way == "in place":
        study = going_on(old, TPESampler(multivariate=True, group=True, seed=3))
        attach_space(study, space)
    else:
        study = optuna.create_study(study_name="new", storage=storage, sampler=TPESampler(seed=3))
        backfill(old, study, space, PLAIN)
        assert check_sampler(study, space) == []
    study.optimize(objective_on(space), n_trials=25)
    # The study is the old one, and more.
    assert len(study.trials) == 30 + 25
    assert study.best_value < best_before
    # The sampler models both.
    modelled = study.sampler.infer_relative_search_space(study, study.trials[-1])
    ours = [name for name, distribution in space.distributions().items() if not distribution.single()]
    assert {"lr", "width", *ours} == set(modelled)
    # Old trials count: the first new ones look for the learning rate where the old were good, not from 1e-4 to 1.
    first = study.trials[30:40]
    assert statistics.median(trial.params["lr"] for trial in first) == pytest.approx(0.01, rel=2)
    assert Counter(trial.params["width"] for trial in first)[64] >= 7
    # And it learns of the orders: those of chance are worth 0.45 in the mean.
    last = [order_value(space.decode(trial.params)["dense"]) for trial in study.trials[-15:]]
    assert statistics.mean(last) < 0.3


# What a trial is told to train


def asked(study: optuna.Study, space: SearchSpace, blocks: str, **params: Any) -> optuna.Trial:
    """A trial that is asked for blocks and parameters, with these answers."""
    study.enqueue_trial({**space.encode({"dense": parse(blocks)}), **params})
    trial = study.ask()
    if "width" in params:
        trial.suggest_categorical("width", [16, 64])
    return trial


def test_the_cheapest_order_of_the_class_is_trained_and_kept_with_the_class() -> None:
    space, study = SearchSpace.load("conv"), optuna.create_study()
    spec = parse("conv > relu > dropout(p=0.1) > max_pool > batch_norm")
    study.enqueue_trial({**space.encode({"conv": spec}), "lr": 0.03})
    run = begin_run(study.ask(), space)
    assert run.blocks == {"conv": cheapest(spec)}
    assert cost(run.blocks["conv"]) < cost(spec)
    assert (run.nuisance, run.seed) == ({"lr": 0.03}, 0)
    (kept,) = read_runs(study)
    assert kept.state is State.RUNNING
    assert (kept.blocks, kept.canonical) == ({"conv": str(cheapest(spec))}, {"conv": str(canonical(spec))})
    assert (kept.learning_rate, kept.seed) == (0.03, 0)


def test_a_setting_that_was_trained_gets_its_next_seed_and_then_no_more() -> None:
    space, study = dense(), optuna.create_study()
    # Dropout and ReLU commute, so that these are one network.
    orders = ["linear > relu > dropout(p=0.3)", "linear > dropout(p=0.3) > relu"] * 2
    seeds = []
    for number, order in enumerate(orders[:3]):
        trial = asked(study, space, order, lr=0.01)
        seeds.append(begin_run(trial, space, max_seeds=3).seed)
        study.tell(trial, 0.5 + number)
    assert seeds == [0, 1, 2]
    trial = asked(study, space, orders[3], lr=0.01)
    with pytest.raises(optuna.TrialPruned, match=r"all 3 seeds of this setting have been trained"):
        begin_run(trial, space, max_seeds=3)
    study.tell(trial, state=TrialState.PRUNED)
    other = asked(study, space, orders[3], lr=0.03)
    assert begin_run(other, space, max_seeds=3).seed == 0
    runs = read_runs(study)
    assert len({run.setting for run in runs[:3]}) == 1
    assert runs[3].setting == ""
    assert study.trials[3].user_attrs[Attribute.STATE] == State.DUPLICATE
    assert [(run.seed, run.value) for run in distinct_runs(runs)] == [(0, 0.5), (1, 1.5), (2, 2.5)]


@pytest.mark.parametrize(
    ("state", "seed"), [(None, 1), (TrialState.COMPLETE, 1), (TrialState.PRUNED, 1), (TrialState.FAIL, 0)]
)
def test_a_run_under_way_counts_and_one_that_failed_does_not(state: TrialState | None, seed: int) -> None:
    space, study = dense(), optuna.create_study()
    first = asked(study, space, "linear > relu", lr=0.01)
    begin_run(first, space)
    if state is not None:
        study.tell(first, 0.5 if state is TrialState.COMPLETE else None, state=state)
    assert begin_run(asked(study, space, "linear > relu", lr=0.01), space).seed == seed


@pytest.mark.filterwarnings("ignore:PartialFixedSampler:optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", STORAGES)
def test_workers_share_the_seeds_of_a_setting(kind: str, tmp_path: Path) -> None:
    space = dense()
    always = PartialFixedSampler({**space.encode({"dense": OLD_ORDER}), "lr": 0.01}, RandomSampler(seed=0))
    study = optuna.create_study(storage=storage_of(kind, tmp_path), sampler=always)
    together = threading.Barrier(3)

    def objective(trial: optuna.Trial) -> float:
        together.wait(timeout=60)
        seed = begin_run(trial, space, max_seeds=6).seed
        together.wait(timeout=60)  # nobody has ended before all have begun
        return float(seed)

    study.optimize(objective, n_trials=6, n_jobs=3)
    assert sorted(run.seed for run in read_runs(study)) == list(range(6))


# The objective's own parameters


def test_parameters_of_the_objectives_own_belong_to_the_setting() -> None:
    space, study = dense(), optuna.create_study()
    runs = []
    for width in (16, 64, 16):
        trial = asked(study, space, "linear > relu", width=width, lr=0.01)
        runs.append(begin_run(trial, space))
        study.tell(trial, 1.0)
    assert [run.seed for run in runs] == [0, 0, 1]
    assert [trial.user_attrs[Attribute.OWN] for trial in study.trials] == [{"width": w} for w in (16, 64, 16)]


def test_a_learning_rate_of_the_objectives_own_takes_the_place_of_the_spaces() -> None:
    space, study = dense(), optuna.create_study(sampler=RandomSampler(seed=0))
    trial = study.ask()
    rate = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    size = trial.suggest_int("batch_size", 8, 64)
    run = begin_run(trial, space)
    assert run.nuisance == {"lr": rate, "batch_size": size}
    (kept,) = read_runs(study)
    assert (kept.learning_rate, kept.batch_size) == (rate, size)
    assert set(trial.params) == {"lr", "batch_size", *space.distributions()}


def test_what_belongs_to_a_setting_can_be_said() -> None:
    space, study = dense(), optuna.create_study(sampler=RandomSampler(seed=0))
    seeds = []
    for rate in (0.0101, 0.0099):
        study.enqueue_trial({"rate": rate, **space.encode({"dense": OLD_ORDER})})
        trial = study.ask()
        rounded = round(trial.suggest_float("rate", 1e-3, 1.0), 2)
        run = begin_run(trial, space, own={"lr": rounded})
        assert run.nuisance == {"lr": 0.01}
        seeds.append(run.seed)
        study.tell(trial, 1.0)
    assert seeds == [0, 1]


def test_another_learning_rate_of_the_study_must_be_asked_for_before() -> None:
    space, study = dense(), old_study(2)
    with pytest.raises(
        StudyMismatchError, match=r"'mine' has a parameter 'lr' of its own \(Float.*Ask the trial for it"
    ):
        begin_run(study.ask(), space)


def test_a_parameter_that_is_asked_for_too_late_is_told_of() -> None:
    space, study = dense(), optuna.create_study(sampler=RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        begin_run(trial, space)
        return float(trial.suggest_categorical("width", [16, 64]))

    with pytest.raises(StudyMismatchError, match=r"Trial 0 of study .* was asked for 'width' after begin_run, so that"):
        study.optimize(objective, n_trials=2)


def test_blocks_of_a_second_space_are_asked_for_before() -> None:
    space, study = dense(), optuna.create_study(sampler=RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        tail = space.suggest(trial, prefix="tail.")["dense"]
        return float(len(tail) + len(begin_run(trial, space, prefix="head.").blocks["dense"]))

    study.optimize(objective, n_trials=3)
    assert all(trial.user_attrs[Attribute.OWN]["tail.dense.order"] for trial in study.trials)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"own": {"rate": np.float32(0.5)}}, r"^own\['rate'\]: got .*0\.5.*, but what belongs to a setting is kept as"),
        ({"own": {"sizes": {1, 2}}}, r"^own\['sizes'\]: got \{1, 2\}, but"),
        ({"max_seeds": 0}, r"^max_seeds: got 0, but a setting is trained with 1 seed at least\."),
    ],
)
def test_what_cannot_be_kept_or_trained_is_told_before_anything_is_written(options: Any, told: str) -> None:
    study = optuna.create_study()
    with pytest.raises(TrainingSettingError, match=told):
        begin_run(study.ask(), dense(), **options)
    assert (study.user_attrs, study.trials[0].params) == ({}, {})


def test_a_trial_in_no_study_is_told_what_gives_its_blocks() -> None:
    space, study = dense(), optuna.create_study(sampler=RandomSampler(seed=0))
    study.optimize(lambda trial: begin_run(trial, space).seed, n_trials=1)
    for trial in (optuna.trial.FixedTrial(study.best_params), study.best_trial):
        with pytest.raises(StudyMismatchError, match=rf"got a {type(trial).__name__}, .* space\.suggest\(trial\)"):
            begin_run(trial, space)  # type: ignore[arg-type]
        assert space.suggest(trial) == space.decode(study.best_params)


def test_a_changed_space_stops_the_first_trial() -> None:
    study = optuna.create_study()
    attach_space(study, dense())
    with pytest.raises(StudyMismatchError, match=r"has another space by the prefix '' than 'conv': 'dense'\. Attach"):
        begin_run(study.ask(), SearchSpace.load("conv"))


def test_a_trial_that_is_tried_once_more_keeps_its_seed() -> None:
    space, study = dense(), optuna.create_study()
    first = asked(study, space, "linear > relu", lr=0.01)
    begin_run(first, space)
    study.tell(first, state=TrialState.FAIL)
    study.enqueue_trial(first.params, user_attrs=study.trials[0].user_attrs)
    assert begin_run(study.ask(), space).seed == 0


def test_ask_and_tell_with_all_distributions_is_one_way_to_ask() -> None:
    space, study = dense(), optuna.create_study(sampler=RandomSampler(seed=0))
    trial = study.ask({**space.distributions("b."), **space.nuisance_distributions("b.")})
    run = begin_run(trial, space, prefix="b.")
    assert canonical(run.blocks["dense"]) == canonical(space.decode(trial.params, "b.")["dense"])
    assert run.nuisance == {"lr": trial.params["b.lr"]}


def test_several_objectives_have_runs_but_no_ranking() -> None:
    space, study = dense(), optuna.create_study(directions=["minimize", "maximize"])
    study.optimize(lambda trial: (objective_on(space)(trial), 1.0), n_trials=3)
    assert [run.state for run in read_runs(study)] == [State.COMPLETE] * 3
    assert [run.value for run in read_runs(study)] == [None] * 3
    with pytest.raises(StudyMismatchError, match=r"has 2 objectives, but a ranking is by one value"):
        ranked(study)


# The digest, which every worker and every backfill must agree on


def test_a_setting_is_named_the_same_by_a_backfill_and_by_a_run() -> None:
    space, old, new = dense(), old_study(1), optuna.create_study(sampler=RandomSampler(seed=0))
    backfill(old, new, space, OLD_ORDER)
    new.enqueue_trial(new.trials[0].params)
    trial = new.ask()
    own_part(trial)
    assert begin_run(trial, space).seed == 1


def test_the_digest_is_this_for_ever() -> None:
    blocks = {"dense": OLD_ORDER}
    digests = [OwnSetting.of(blocks, own).digest for own in ({"lr": 0.01}, {"lr": 0.01, "width": 64}, {})]
    assert digests == [setting_digest({"dense": OLD_TEXT}, 0.01), "9ce7a54648d2", "2c6bbe0debfc"]


# The ranking


def trained(
    values: dict[str, list[float]], direction: StudyDirection = StudyDirection.MINIMIZE, *, max_seeds: int = 3
) -> optuna.Study:
    """A study in which orders were trained with these values, seed by seed."""
    space, study = dense(), optuna.create_study(direction=direction)
    for order, own in values.items():
        for value in own:
            trial = asked(study, space, order, width=64, lr=0.01)
            begin_run(trial, space, max_seeds=max_seeds)
            study.tell(trial, value)
    return study


def test_classes_are_ranked_with_mean_interval_and_number() -> None:
    values = {"linear > relu": [0.5, 0.6, 0.7], "linear > relu > batch_norm": [0.3, 0.35, 0.4], OLD_TEXT: [0.1]}
    first, second, third = ranked(trained(values))
    # 4.303 is the t of two degrees of freedom; the standard deviations are 0.05 and 0.1.
    assert (first.order, first.n_runs) == ("linear > relu > batch_norm", 3)
    assert first.mean == pytest.approx(0.35)
    assert first.half_width == pytest.approx(4.303 * 0.05 / 3**0.5, rel=1e-3)
    assert str(second) == "0.6 ± 0.25  n=3  linear > relu  (lr 0.01, width 64)"
    assert (third.half_width, third.n_runs, third.blocks) == (None, 1, {"dense": OLD_TEXT})
    assert [place.order for place in ranked(trained(values, StudyDirection.MAXIMIZE))][:2] == [
        second.order,
        first.order,
    ]


def test_many_runs_of_one_order_do_not_place_it_before_a_better_one_with_three() -> None:
    values = {OLD_TEXT: [0.5] * 4 + [0.6], "linear > relu": [0.3, 0.35, 0.4], "linear > relu > batch_norm": [0.1, 0.2]}
    places = ranked(trained(values, max_seeds=5))
    assert [place.n_runs for place in places] == [3, 5, 2]
    assert [place.mean for place in places] == pytest.approx([0.35, 0.52, 0.15])


def test_a_class_stands_at_its_best_setting() -> None:
    study = optuna.create_study()
    for rate, value in ((0.01, 0.5), (0.03, 0.3), (0.003, 0.4)):
        trial = asked(study, dense(), OLD_TEXT, lr=rate)
        begin_run(trial, dense())
        study.tell(trial, value)
    (place,) = ranked(study)
    assert (place.mean, place.params, place.n_settings) == (0.3, {"lr": 0.03}, 3)


OLD_TEXT = str(OLD_ORDER)


def test_trials_of_other_objectives_are_no_part_of_the_ranking() -> None:
    study = old_study(3)
    assert ranked(study) == []


# The documentation


def test_the_programs_of_the_documentation_run_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(__file__).parents[1].joinpath("docs", "existing_studies.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) >= 6
    printed = capsys.readouterr().out
    assert "5 trials copied\n0 trials copied, 5 there already\n" in printed
    assert names["study"].user_attrs.keys() == {"ordersearch:attached:"}
