"""Searches: what is trained, how often, and that it can be stopped and gone on with."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from torch import nn

from ordersearch.errors import MissingMetricError, NetworkError, StorageError, StudyMismatchError
from ordersearch.networks import Network, build_network, find_network
from ordersearch.objective import Setting, Trainer
from ordersearch.objective import trainer as trainer_module
from ordersearch.results import Attribute, Run, State, distinct_runs
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study import Observer, Progress, SearchResult
from ordersearch.study.opening import end_abandoned, worker_name
from ordersearch.study.outputs import verdict
from ordersearch.study.storage import open_storage
from ordersearch.training.settings import TrainingSettings
from tests.searches import SMALL_SPACE, small_search, small_space


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return small_space(tmp_path)


def found(result: SearchResult) -> dict[tuple[str, int, int], float | None]:
    return {(run.setting, run.seed, run.split): run.value for run in distinct_runs(result.runs)}


def test_every_setting_is_trained_once_before_any_gets_a_second_seed(space: SearchSpace) -> None:
    search = small_search(space)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    assert (space.n_specs, space.n_classes, space.n_settings) == (4, 2, 4)
    assert len({run.setting for run in result.runs}) == 4
    assert {run.seed for run in result.runs} == {0}


def test_a_space_ends_when_every_setting_has_had_its_seeds(space: SearchSpace) -> None:
    search = small_search(space, max_seeds=2)
    study = search.open_study(InMemoryStorage())
    result = search.run(study, n_trials=100)
    assert result.ended == "exhausted"
    assert len(result.runs) == space.n_settings * 2, "two seeds each, and too few settings to probe"
    assert max(Counter((run.setting, run.seed, run.state) for run in result.runs).values()) == 1
    assert len(search.run(study, n_trials=100).runs) == len(result.runs), "nothing is left to train"


def test_what_is_trained_is_the_cheapest_member_and_the_class_is_kept_by_name(space: SearchSpace) -> None:
    search = small_search(space)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    assert {run.blocks["conv"] for run in result.runs} == {
        "conv > max_pool > relu",
        "conv > batch_norm > max_pool > relu",
    }
    assert len({run.order for run in result.runs}) == 2


def test_a_sampler_that_proposes_known_networks_is_asked_again(tmp_path: Path) -> None:
    space = SearchSpace.load("dense")
    search = small_search(space, max_seeds=1, training=TrainingSettings(max_epochs=1, batch_size=64))
    result = search.run(search.open_study(InMemoryStorage()), n_trials=40)
    assert max(Counter(run.setting for run in result.runs).values()) == 1
    assert sum(run.n_reused for run in result.runs) > 0


def test_references_are_trained_first_and_keep_their_names(space: SearchSpace) -> None:
    search = small_search(space)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=2)
    assert [run.reference for run in result.runs] == ["convention", ""]
    assert result.runs[0].order == "conv > batch_norm > relu > max_pool"


def test_the_same_search_gives_the_same_values_twice(space: SearchSpace) -> None:
    search = small_search(space)
    first, second = (search.run(search.open_study(InMemoryStorage()), n_trials=6) for _ in range(2))
    assert [(run.setting, run.value) for run in first.runs] == [(run.setting, run.value) for run in second.runs]


def test_a_run_repeated_alone_gives_the_value_that_it_had_in_a_study(space: SearchSpace) -> None:
    search = small_search(space)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=6)
    complete = distinct_runs(result.runs)
    assert len({run.seed for run in complete}) > 1
    for run in (complete[0], complete[-1]):
        blocks = {role: BlockSpec.parse(text) for role, text in run.canonical.items()}
        trainer = Trainer(search.dataset, search.network, search.training)
        alone, _ = trainer.run(
            Setting.of(blocks, {"lr": run.learning_rate}, trainer.network), seed=run.seed, split=run.split
        )
        assert alone.metrics["val/loss"] == run.value


def test_a_study_on_disk_goes_on_where_it_was(space: SearchSpace, tmp_path: Path) -> None:
    search, location = small_search(space), str(tmp_path / "study.journal")
    first = search.run(search.open_study(open_storage(location)), n_trials=2)
    both = search.run(search.open_study(open_storage(location)), n_trials=4)
    assert len(both.runs) == 4
    assert both.runs[:2] == first.runs
    in_one = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    shared = found(both).keys() & found(in_one).keys()
    assert len(shared) >= 3
    assert all(found(both)[key] == found(in_one)[key] for key in shared)


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"seed": 3}, r"another seed \(seed 0, now 3\)"),
        ({"training": TrainingSettings(max_epochs=3, batch_size=32)}, r"another max_epochs \(max_epochs 2, now 3\)"),
    ],
    ids=["seed", "epochs"],
)
def test_a_study_made_with_something_else_is_not_gone_on_with(
    space: SearchSpace, changes: dict[str, Any], differing: str
) -> None:
    storage = InMemoryStorage()
    small_search(space).open_study(storage)
    with pytest.raises(StudyMismatchError, match=f"Study 'small' exists, but was made with {differing}"):
        small_search(space, **changes).open_study(storage)


def test_a_changed_space_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    small_search(small_space(tmp_path)).open_study(storage)
    changed = small_space(tmp_path, SMALL_SPACE.replace("[0.003, 0.01]", "[0.003, 0.02]"))
    with pytest.raises(StudyMismatchError, match=r"another space fingerprint"):
        small_search(changed).open_study(storage)


def test_a_study_that_ordersearch_did_not_make_is_left_alone(space: SearchSpace) -> None:
    storage = InMemoryStorage()
    optuna.create_study(study_name="small", storage=storage).add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StudyMismatchError, match=r"Study 'small' exists, but ordersearch did not make it"):
        small_search(space).open_study(storage)


def test_references_that_an_interrupt_kept_out_of_the_queue_are_queued_on_the_next_opening(space: SearchSpace) -> None:
    search, storage = small_search(space), InMemoryStorage()
    study = search.open_study(storage)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    again = search.open_study(storage)
    assert [trial.user_attrs.get(Attribute.REFERENCE) for trial in again.trials] == ["convention", "convention"]
    assert again.trials[1].state is optuna.trial.TrialState.WAITING
    assert len(search.open_study(storage).trials) == 2


def test_a_run_that_another_worker_has_is_not_trained_twice(space: SearchSpace) -> None:
    search = small_search(space, max_seeds=1)
    study = search.open_study(InMemoryStorage())
    study.enqueue_trial(study.trials[0].system_attrs["fixed_params"])
    result = search.run(study, n_trials=2)
    assert [run.state for run in result.runs] == [State.COMPLETE, State.DUPLICATE, State.COMPLETE]
    assert result.runs[1].reason == "another worker has this run, or had it"


def test_a_study_of_the_other_direction_is_left_alone(space: SearchSpace) -> None:
    storage = InMemoryStorage()
    optuna.create_study(study_name="small", storage=storage, direction="maximize")
    with pytest.raises(StudyMismatchError, match=r"Study 'small' exists, but ordersearch did not make it"):
        small_search(space).open_study(storage)


def test_a_failing_storage_ends_a_search_with_a_sentence(space: SearchSpace) -> None:
    class Full(InMemoryStorage):
        def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
            if trial_id > 1 and key == Attribute.SECONDS:
                raise OSError(28, "No space left on device")
            super().set_trial_user_attr(trial_id, key, value)

    told, search = Told(), small_search(space)
    with pytest.raises(StorageError, match=r"storage failed \(OSError: .*No space left on device\).*is kept"):
        search.run(search.open_study(Full()), n_trials=4, observers=[told])
    assert told.events[-1] == "closed"


class InterruptAfter(Observer):
    """Presses Ctrl-C in the middle of a trial."""

    def __init__(self, trial: int) -> None:
        self.trial = trial

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        if trial == self.trial:
            raise KeyboardInterrupt


def test_an_interrupted_search_keeps_its_runs_and_trains_the_interrupted_one_again(space: SearchSpace) -> None:
    search, storage = small_search(space), InMemoryStorage()
    stopped = search.run(search.open_study(storage), n_trials=4, observers=[InterruptAfter(1)])
    assert stopped.ended == "interrupted"
    assert [run.state for run in stopped.runs] == [State.COMPLETE, State.INTERRUPTED]
    gone_on = search.run(search.open_study(storage), n_trials=4)
    assert gone_on.ended == "trials"
    again = next(run for run in gone_on.runs[2:] if run.setting == stopped.runs[1].setting)
    assert (again.seed, again.state in (State.COMPLETE, State.PRUNED)) == (stopped.runs[1].seed, True)
    assert len({run.setting for run in gone_on.runs}) == 4


def test_what_an_interrupt_cut_off_is_ended_once_this_process_is_idle(space: SearchSpace) -> None:
    study = small_search(space).open_study(InMemoryStorage())
    for worker in (worker_name(), "elsewhere:1"):
        study.ask().set_user_attr(Attribute.WORKER, worker)
    end_abandoned(study)
    assert [trial.state for trial in study.trials[:2]] == [TrialState.RUNNING] * 2
    end_abandoned(study, is_idle=True)
    assert [trial.state for trial in study.trials[:2]] == [TrialState.FAIL, TrialState.RUNNING]


def test_a_trial_that_was_cut_off_before_it_said_whose_it_is_is_nobodys(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_search(space).open_study(InMemoryStorage())
    reference = study.ask()
    end_abandoned(study)
    assert study.trials[reference.number].state is TrialState.RUNNING
    monkeypatch.setattr("ordersearch.study.opening.NAMELESS_SECONDS", 0.0)
    end_abandoned(study)
    assert study.trials[reference.number].state is TrialState.FAIL
    n_waiting = [trial.state for trial in study.trials].count(TrialState.WAITING)
    again = small_search(space).open_study(study._storage)
    assert [trial.state for trial in again.trials].count(TrialState.WAITING) == n_waiting + 1


def crashing(*_: Any, **__: Any) -> nn.Module:
    raise RuntimeError("no such layer")


def test_a_crash_is_a_result_and_is_tried_once_more(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "build_network", crashing)
    search = small_search(space)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    assert result.ended == "exhausted"
    assert result.counts() == {State.CRASHED: 8}, "four settings, each tried twice"
    assert result.runs[0].reason == "RuntimeError: no such layer"
    assert verdict(search, result) == "No trial was completed (8 crashed), so no order can be told from another."


def test_running_out_of_memory_is_a_state_of_its_own(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any, **__: Any) -> nn.Module:
        torch.empty(2**60)
        raise AssertionError

    monkeypatch.setattr(trainer_module, "build_network", greedy)
    search = small_search(space)
    assert search.run(search.open_study(InMemoryStorage()), n_trials=1).runs[0].state is State.OUT_OF_MEMORY


def test_what_does_not_fit_and_what_diverges_are_told_apart_and_not_repeated(tmp_path: Path) -> None:
    text = """
roles:
  conv:
    orders: [conv > max_pool(kernel=5), conv > relu > max_pool]
nuisance:
  lr: [0.003, 1000000.0]
"""
    search = small_search(small_space(tmp_path, text), training=TrainingSettings(max_epochs=5, batch_size=8))
    result = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    states = {(run.blocks["conv"], run.learning_rate): run.state for run in result.runs}
    assert states["conv > max_pool(kernel=5)", 0.003] is State.DOES_NOT_FIT
    assert states["conv > max_pool > relu", 0.003] is State.COMPLETE
    fitting = [run for run in result.runs if run.state is State.DOES_NOT_FIT]
    assert len(fitting) == 2, "once for each learning rate"
    assert "would get 1x1 for a window of 5" in fitting[0].reason


def test_forty_trials_leave_no_model_alive_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    alive: list[weakref.ref[nn.Module]] = []

    def remembered(*args: Any, **kwargs: Any) -> nn.Module:
        model = build_network(*args, **kwargs)
        alive.append(weakref.ref(model))
        return model

    monkeypatch.setattr(trainer_module, "build_network", remembered)
    search = small_search(SearchSpace.load("conv"), training=TrainingSettings(max_epochs=1, batch_size=64))
    search.run(search.open_study(InMemoryStorage()), n_trials=40)
    gc.collect()
    assert len(alive) == 40
    assert [reference for reference in alive if reference() is not None] == []
    assert list(tmp_path.iterdir()) == []


def test_time_up_ends_a_search() -> None:
    search = small_search(SearchSpace.load("conv"))
    assert search.run(search.open_study(InMemoryStorage()), n_trials=None, timeout=0.3).ended == "time"


@pytest.mark.parametrize(("n_expected", "asks_tpe"), [(16, True), (60, False), (500, False)])
def test_the_sampler_proposes_in_the_second_half_of_a_search_that_cannot_try_all(
    monkeypatch: pytest.MonkeyPatch, n_expected: int, asks_tpe: bool
) -> None:
    asked: list[int] = []
    original = optuna.samplers.TPESampler.sample_relative

    def counted(self: Any, study: Any, trial: Any, space: Any) -> Any:
        asked.append(trial.number)
        return original(self, study, trial, space)

    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_relative", counted)
    search = small_search(SearchSpace.load("conv"), training=TrainingSettings(max_epochs=1, batch_size=64))
    search.run(search.open_study(InMemoryStorage()), n_trials=16, n_expected=n_expected)
    assert bool(asked) is asks_tpe


@pytest.mark.parametrize("max_epochs", [1, 2, 3])
@pytest.mark.parametrize("metric", ["val/loss", "val/accuracy"])
def test_a_trial_is_never_pruned_when_there_is_nothing_left_to_save(max_epochs: int, metric: str) -> None:
    training = TrainingSettings(max_epochs=max_epochs, batch_size=32, metric=metric)
    search = small_search(SearchSpace.load("conv"), training=training)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=40)
    pruned = [run.n_epochs for run in result.runs if run.state is State.PRUNED]
    assert all(n_epochs < max_epochs for n_epochs in pruned)
    assert bool(pruned) is (max_epochs > 1)


def test_every_setting_is_probed_and_the_best_quarter_trained_whole() -> None:
    training = TrainingSettings(max_epochs=12, batch_size=64)
    search = small_search(SearchSpace.load("conv"), training=training)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=24, n_expected=200)
    probes = [run for run in result.runs if run.state is State.PRUNED]
    whole = [run for run in result.runs if run.state is State.COMPLETE]
    assert {run.n_epochs for run in probes} == {2}
    assert {run.n_epochs for run in whole} == {12}
    assert len({run.setting for run in probes}) == len(probes)
    assert {run.setting for run in whole} <= {run.setting for run in probes}
    assert 2 <= len({run.setting for run in whole}) <= len(probes) // 2
    assert result.places[0].n_runs == max(place.n_runs for place in result.places)


def test_only_first_seeds_are_pruned() -> None:
    search = small_search(SearchSpace.load("dense"), network=find_network("mlp"), max_seeds=2)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=140)
    assert {run.seed for run in result.runs if run.state is State.PRUNED} == {0}
    assert {run.seed for run in result.runs if run.state is State.COMPLETE} == {0, 1}


class Told(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def search_started(self, search: Any, progress: Progress) -> None:
        self.events.append(("started", progress.n_trained, progress.n_trials))

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        self.events.append(("epoch", trial, epoch))

    def trial_finished(self, run: Run, progress: Progress) -> None:
        self.events.append((run.state, progress.n_trained))

    def closed(self) -> None:
        self.events.append("closed")

    def search_finished(self, result: SearchResult) -> None:
        self.events.append(("finished", result.ended))


def test_observers_are_told_in_order(space: SearchSpace) -> None:
    told, search = Told(), small_search(space)
    search.run(search.open_study(InMemoryStorage()), n_trials=1, observers=[told])
    assert told.events == [
        ("started", 0, 1),
        ("epoch", 0, 0),
        ("epoch", 0, 1),
        (State.COMPLETE, 1),
        "closed",
        ("finished", "trials"),
    ]


def test_the_accuracy_can_decide_and_is_maximised(space: SearchSpace) -> None:
    training = TrainingSettings(max_epochs=2, batch_size=32, metric="val/accuracy")
    search = small_search(space, training=training, max_seeds=1)
    study = search.open_study(InMemoryStorage())
    result = search.run(study, n_trials=3)
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    assert result.places[0].mean == max(run.value for run in result.runs if run.value is not None)
    assert result.runs[0].metrics["val/accuracy"] == result.runs[0].value


def test_a_metric_that_is_not_logged_is_refused_before_anything_is_made(space: SearchSpace) -> None:
    with pytest.raises(MissingMetricError, match=r"The metric 'val/acc' was not logged.*Logged: train/loss, val/acc"):
        small_search(space, training=TrainingSettings(metric="val/acc"))


def test_a_network_without_the_roles_of_the_space_is_refused(space: SearchSpace) -> None:
    with pytest.raises(NetworkError, match=r"Network 'mlp' is made of dense blocks"):
        small_search(space, network=find_network("mlp"))


def test_the_storage_keeps_what_a_dashboard_shows(space: SearchSpace) -> None:
    search = small_search(space)
    study = search.open_study(InMemoryStorage())
    search.run(study, n_trials=1)
    (trial,) = study.trials
    assert study.metric_names == ["val/loss"]
    assert trial.user_attrs[Attribute.PARAMETERS] > 0
    assert 0 <= trial.user_attrs[Attribute.METRIC + "val/accuracy"] <= 1
    assert list(trial.intermediate_values) == [0, 1]
    assert trial.intermediate_values[1] == trial.value


def test_a_users_own_network_can_be_searched(space: SearchSpace) -> None:
    def build(blocks: Any, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        return nn.Sequential(blocks["conv"](input_shape[0], 4), nn.Flatten(), nn.Linear(64, n_outputs))

    search = small_search(space, network=Network("own", "", ("conv",), (2,), build))
    assert search.run(search.open_study(InMemoryStorage()), n_trials=1).runs[0].state is State.COMPLETE
