"""Several seeds of a setting in one trial: in a search, in its confirmation, and one by one where they must be."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from torch import nn

from ordersearch.data import Dataset
from ordersearch.data.tensors import TensorSplit
from ordersearch.errors import DivergedError, StudyMismatchError
from ordersearch.networks import build_network, find_network
from ordersearch.objective import Setting, Trainer
from ordersearch.results import Run, State, count_trained, distinct_runs, next_seed, run_of
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study import Search
from ordersearch.study.baseline import tuned_baseline
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import finalists
from ordersearch.study.halving import Halving
from ordersearch.study.packs import Packs, measured_packs
from ordersearch.study.storage import open_storage
from ordersearch.study.verdict import verdict_of
from ordersearch.training.fit import FitResult
from ordersearch.training.settings import TrainingSettings
from tests.searches import small_digits, small_search, small_space

PACKS = Packs(search=2, confirmation=3)
DROPPING = "conv > batch_norm > relu > max_pool > dropout(p=0.3)"
PLAIN = "conv > batch_norm > relu > max_pool"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> SearchSpace:
    return small_space(tmp_path_factory.mktemp("space"))


@pytest.fixture
def search(space: SearchSpace) -> Search:
    return small_search(space, packs=PACKS, max_seeds=2)


def trainer_of(search: Search, **training: Any) -> Trainer:
    return Trainer(search.dataset, search.network, replace(search.training, **training))


def setting_of(search: Search, order: str) -> Setting:
    return Setting.of({"conv": BlockSpec.parse(order)}, {"lr": 0.01}, search.network)


def test_each_trial_of_a_search_holds_the_seeds_of_its_pack(search: Search) -> None:
    study = search.open_study(InMemoryStorage())
    result = search.run(study, n_trials=100)
    assert result.ended == "exhausted"
    assert Counter(run.trial for run in result.runs) == dict.fromkeys(range(4), 2)
    assert {run.seed for run in result.runs} == {0, 1}
    assert all(run.pack == (0, 1) and run.state is State.COMPLETE for run in result.runs)
    assert count_trained(result.runs) == 4
    for trial in study.trials:
        own = [run for run in result.runs if run.trial == trial.number]
        assert trial.value == pytest.approx(math.fsum(run.value or 0 for run in own) / 2)
        assert run_of(trial).metrics["val/accuracy"] == pytest.approx(
            math.fsum(run.metrics["val/accuracy"] for run in own) / 2
        )
    assert [place.n_runs for place in result.places] == [2, 2], "a class is judged by the mean over its seeds"


def test_a_packed_run_is_the_run_alone_but_for_rounding(search: Search) -> None:
    trainer = trainer_of(search, precision="64")
    setting = setting_of(search, PLAIN)
    pairs = [(5, 5), (6, 9)]
    packed = trainer.run_pack(setting, pairs, is_final=True)
    for (seed, split), outcome in zip(pairs, packed, strict=True):
        alone, scores = trainer.confirm(setting, seed=seed, split=split)
        assert isinstance(outcome.result, FitResult)
        for epoch, own in zip(alone.history, outcome.result.history, strict=True):
            assert {k: v for k, v in own.items() if k != "seconds"} == pytest.approx(
                {k: v for k, v in epoch.items() if k != "seconds"}, rel=1e-8
            )
        assert outcome.scores == pytest.approx(scores, rel=1e-8)
        assert {"test/loss", "repaired/loss"} <= outcome.scores.keys()


def test_a_packed_run_depends_on_its_pack_alone(search: Search) -> None:
    trainer, setting = trainer_of(search), setting_of(search, DROPPING)
    first = values(trainer.run_pack(setting, [(5, 5), (6, 6)]))
    trainer.run_pack(setting_of(search, PLAIN), [(0, 0), (1, 0)])
    assert values(trainer.run_pack(setting, [(5, 5), (6, 6)])) == first
    assert values(trainer_of(search).run_pack(setting, [(5, 5), (6, 6)])) == first


def test_a_packed_run_is_the_same_when_its_data_are_streamed(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    setting, pairs = setting_of(search, DROPPING), [(5, 5), (6, 6)]
    held = values(trainer_of(search).run_pack(setting, pairs))
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "1K")
    trainer = trainer_of(search)
    assert values(trainer.run_pack(setting, pairs)) == held
    assert not isinstance(trainer.data(5), TensorSplit)


def values(outcomes: Any) -> list[float]:
    return [outcome.result.metrics["val/loss"] for outcome in outcomes]


def test_a_pack_is_probed_whole_and_its_mean_reported(search: Search) -> None:
    told: list[tuple[float, int]] = []
    outcomes = trainer_of(search).run_pack(
        setting_of(search, PLAIN),
        [(0, 0), (1, 0)],
        report=lambda value, epoch: told.append((value, epoch)),
        stop_after=1,
    )
    results = [outcome.result for outcome in outcomes if isinstance(outcome.result, FitResult)]
    assert [(result.pruned, result.n_epochs) for result in results] == [(True, 1)] * 2
    assert told == [(math.fsum(values(outcomes)) / 2, 0)]


class Bottleneck(nn.Module):
    """A layer of one's own that no batched model can hold: what it does depends on the values."""

    def forward(self, x: Any) -> Any:
        return x if x.mean() > 0 else -x


def own_network(blocks: Any, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    return nn.Sequential(
        blocks["conv"](input_shape[0], 4), Bottleneck(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, n_outputs)
    )


def test_what_cannot_be_batched_is_trained_one_by_one_in_the_same_trial(space: SearchSpace) -> None:
    search = small_search(space, packs=PACKS, max_seeds=2, network=find_network(f"{__name__}:own_network"))
    trainer = trainer_of(search)
    result = search.run(search.open_study(InMemoryStorage()), n_trials=2, trainer=trainer)
    assert set(trainer._obstacles.values()) == {
        "Layer '1' (Bottleneck) cannot be batched: its code branches on values."
    }
    for run in result.runs:
        alone, _ = trainer.run(Setting.of_run(run), seed=run.seed, split=run.split)
        assert alone.metrics["val/loss"] == run.value
    told: list[float] = []
    run = result.runs[0]
    trainer.run_pack(Setting.of_run(run), [(0, 0), (1, 0)], report=lambda value, _: told.append(value))
    assert len(told) == 2
    assert told[-1] == pytest.approx(sum(other.value or 0 for other in result.runs if other.trial == run.trial) / 2)


@pytest.fixture
def patched_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(models: Any, splits: Any, **kwargs: Any) -> list[FitResult | DivergedError]:
        from ordersearch.training.packed import fit_packed

        results = fit_packed(models, splits, **kwargs)
        results[1] = DivergedError("Epoch 2 of 2: the training loss is nan.")
        return results

    monkeypatch.setattr("ordersearch.objective.trainer.fit_packed", diverging)


@pytest.mark.usefixtures("patched_divergence")
def test_a_seed_that_diverges_leaves_the_others_and_spoils_the_setting(search: Search) -> None:
    study = search.open_study(InMemoryStorage())
    result = search.run(study, n_trials=2)
    first = [run for run in result.runs if run.trial == 0]
    assert [run.state for run in first] == [State.COMPLETE, State.DIVERGED]
    assert [run.value for run in first] == [study.trials[0].value, None]
    assert first[1].reason.startswith("Epoch 2 of 2")
    assert next_seed(first, 0, 4, pack=2) is None, "no further seeds"
    assert result.places == (), "what did well would flatter it"


@pytest.mark.usefixtures("patched_divergence")
def test_a_pair_that_diverges_counts_as_failed_in_a_confirmation(search: Search) -> None:
    runs, confirmation, _ = confirmed(search, InMemoryStorage())
    first = confirmation.values(runs)[confirmation.baseline.order]
    assert (math.isnan(first[1]), math.isfinite(first[0]), math.isfinite(first[2])) == (True, True, True)
    assert "failed" in verdict_of(confirmation, runs).text


def confirmed(search: Search, storage: Any) -> tuple[tuple[Run, ...], Confirmation, str]:
    plain = replace(search, packs=Packs(1, search.packs.confirmation), max_seeds=1)
    result = plain.run(plain.open_study(InMemoryStorage()), n_trials=4)
    if not result.places:
        raise AssertionError("nothing to confirm")
    baseline, _ = tuned_baseline(
        plain, result, plain.space.references()[0].blocks, trainer_of(plain), InMemoryStorage()
    )
    confirmation, study = Confirmation(plain, finalists(result, baseline), max_pairs=5).opened(storage)
    runs, ended = confirmation.run(study, trainer_of(plain))
    return runs, confirmation, ended


def test_a_confirmation_trains_its_pairs_in_packs(search: Search) -> None:
    runs, confirmation, ended = confirmed(search, InMemoryStorage())
    assert ended == "done"
    by_trial = Counter(run.trial for run in runs)
    assert set(by_trial.values()) == {3}
    assert all(len(run.validation_losses) == 2 and "test/loss" in run.metrics for run in runs)
    assert {len(values) for values in confirmation.values(runs).values()} == {5}, "five are looked at, six are trained"
    assert verdict_of(confirmation, runs).decision.n_pairs == 5
    trainer = trainer_of(search)
    first = [run for run in runs if run.trial == runs[0].trial]
    again = trainer.run_pack(Setting.of_run(first[0]), [(run.seed, run.split) for run in first], is_final=True)
    assert values(again) == [run.value for run in first]


def test_an_interrupted_pack_is_trained_again_as_the_same_pack(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, calls = open_storage(str(tmp_path / "study.journal")), []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return build_network(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr("ordersearch.objective.trainer.build_network", interrupted)
        result = search.run(search.open_study(storage), n_trials=4)
    assert result.ended == "interrupted"
    assert [run.state for run in result.runs if run.trial == 1] == [State.INTERRUPTED] * 2
    again = search.run(search.open_study(open_storage(str(tmp_path / "study.journal"))), n_trials=4)
    whole = search.run(search.open_study(InMemoryStorage()), n_trials=4)
    assert found(again.runs) == found(whole.runs)
    assert all(run.pack == (0, 1) for run in again.runs)


def found(runs: Any) -> dict[tuple[str, int], float | None]:
    return {(run.setting, run.seed): run.value for run in distinct_runs(runs)}


def test_the_packs_are_part_of_a_study(search: Search, space: SearchSpace) -> None:
    storage = InMemoryStorage()
    search.open_study(storage)
    with pytest.raises(StudyMismatchError, match=r"pack of the search 2, now None"):
        replace(search, packs=Packs()).open_study(storage)
    with pytest.raises(StudyMismatchError, match=r"pack of the confirmation 3, now 1"):
        replace(search, packs=Packs(2, 1)).open_study(storage)
    assert search.open_study(storage).trials[0].state is TrialState.WAITING
    assert Packs.from_dict(search.identity()) == PACKS


def test_a_probe_is_judged_by_the_mean_over_its_pack() -> None:
    halving = Halving("val/loss", minimise=True, seed=0, max_seeds=2, probe_epochs=2, pack=2)

    def probes(digest: str, *losses: float) -> list[Run]:
        return [
            Run(1, State.PRUNED, setting=digest, seed=seed, metrics={"val/loss": loss}, n_epochs=2, pack=(0, 1))
            for seed, loss in enumerate(losses)
        ]

    runs = {name: probes(name, 0.5, 0.5) for name in "abcdefg"} | {"lucky": probes("lucky", 0.1, 0.95)}
    runs["best"] = probes("best", 0.4, 0.5)
    assert halving.promoted(runs) == "best"
    del runs["best"]
    assert halving.promoted({**runs, "half": probes("half", 0.1)}) == "a", "one of two seeds is no probe"


def test_next_seed_counts_in_packs() -> None:
    def run(seed: int, state: State = State.COMPLETE) -> Run:
        return Run(0, state, setting="a", seed=seed)

    assert next_seed([], 0, 3, pack=2) == 0
    assert next_seed([run(0)], 0, 3, pack=2) == 0, "a pack is trained whole"
    assert next_seed([run(0), run(1)], 0, 3, pack=2) == 2
    assert next_seed([run(seed) for seed in range(4)], 0, 3, pack=2) is None
    assert next_seed([run(0, State.CRASHED), run(1, State.CRASHED)], 0, 3, pack=2) == 0
    assert next_seed([run(seed, State.CRASHED) for seed in (0, 1)] * 2, 0, 3, pack=2) is None


def tables() -> Dataset:
    from ordersearch.data import load_dataset

    return load_dataset("breast_cancer")


def test_packs_are_measured_on_these_data(monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine takes long over any step.
    monkeypatch.setattr("ordersearch.study.packs.LONG_STEP_SECONDS", math.inf)
    network, space = find_network("mlp"), SearchSpace.load("dense")
    trainer = Trainer(tables(), network, TrainingSettings(max_epochs=2))
    packs, why = measured_packs(trainer, space, split=0, max_seeds=3)
    assert packs in [Packs(1, 1), Packs(1, 3), Packs(3, 3)]
    assert "a seed of 3 trains" in why


def test_packs_are_off_where_nothing_is_gained(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(small_digits(), find_network(f"{__name__}:own_network"), TrainingSettings(max_epochs=2))
    packs, why = measured_packs(trainer, space, split=0, max_seeds=3)
    assert (packs, "branches on values" in why) == (Packs(), True)
    trainer = Trainer(small_digits(), find_network("cnn"), TrainingSettings(max_epochs=2))
    monkeypatch.setenv("ORDERSEARCH_MEMORY", "10K")
    packs, why = measured_packs(trainer, space, split=0, max_seeds=3)
    assert (packs, why) == (Packs(), "the splits of several seeds would not fit into memory together")
