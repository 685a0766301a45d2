from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ordersearch.data.tensors import TensorSplit
from ordersearch.errors import MissingMetricError
from ordersearch.training.fit import FitResult, fit
from ordersearch.training.pruning import PruningCallback
from ordersearch.training.settings import TrainingSettings

# The user's own trainers here are Lightning as it is, whose warnings are not ours.
lightning_warns = pytest.mark.filterwarnings("ignore:.*(LeafSpec|num_workers|does not have many workers)")


class UserModule(pl.LightningModule):
    """What somebody else wrote: automatic optimisation, batches from loaders, its own metric."""

    def __init__(self, values: list[float] | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.values = iter(values or [])

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        return self.layer(batch[0]).square().mean()  # type: ignore[no-any-return]

    def validation_step(self, batch: list[Tensor], _index: int) -> None:
        self.log("score", next(self.values, 1.0))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def user_trainer(tmp_path: Path, callbacks: Any, **settings: Any) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=callbacks,
        **settings,
    )


def loader(n_batches: int = 1) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(torch.ones(2 * n_batches, 2)), batch_size=2)


def fitted(max_epochs: int = 5, **functions: Any) -> FitResult:
    x, y = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
    data = TensorSplit(x, y, x, y, x, y, "classification")
    return fit(nn.Linear(4, 2), data, settings=TrainingSettings(max_epochs), learning_rate=0.01, seed=0, **functions)


def test_every_epoch_is_reported_as_the_history_has_it() -> None:
    reported: list[tuple[float, int]] = []
    result = fitted(report=lambda value, step: reported.append((value, step)))
    assert reported == [(epoch["val/loss"], step) for step, epoch in enumerate(result.history)]
    assert len(reported) == 5


def test_a_pruned_fit_stops_after_the_epoch_and_says_so() -> None:
    steps: list[int] = []
    result = fitted(report=lambda _value, step: steps.append(step), should_prune=lambda: len(steps) == 2)
    assert (result.pruned, result.n_epochs, steps) == (True, 2, [0, 1])
    assert len(result.history) == 2


def test_a_fit_can_be_pruned_without_reports() -> None:
    assert fitted(should_prune=lambda: True).n_epochs == 1


def test_what_should_prune_raises_comes_out() -> None:
    def should_prune() -> bool:
        raise LookupError("the storage is gone")

    with pytest.raises(LookupError, match="the storage is gone"):
        fitted(should_prune=should_prune)


@lightning_warns
@pytest.mark.parametrize("as_list", [True, False])
def test_it_prunes_in_a_users_own_trainer(tmp_path: Path, as_list: bool) -> None:
    reported: list[tuple[float, int]] = []
    pruning = PruningCallback(lambda *told: reported.append(told), lambda: len(reported) == 2, "score")
    trainer = user_trainer(tmp_path, [pruning] if as_list else pruning)
    # The sanity check takes the first value, and is no validation to report.
    trainer.fit(UserModule([0.0, 3.0, 2.0, 1.0]), loader(), loader())
    assert reported == [(3.0, 0), (2.0, 1)]
    assert pruning.pruned
    assert trainer.current_epoch == 2
    assert not trainer.interrupted


@lightning_warns
def test_validations_within_an_epoch_have_steps_of_their_own(tmp_path: Path) -> None:
    steps: list[int] = []
    pruning = PruningCallback(lambda _value, step: steps.append(step), lambda: False, "score")
    user_trainer(tmp_path, [pruning], val_check_interval=0.5, num_sanity_val_steps=0).fit(
        UserModule(), loader(4), loader()
    )
    assert steps == list(range(8))
    assert not pruning.pruned


@lightning_warns
def test_values_that_are_not_finite_are_not_reported(tmp_path: Path) -> None:
    reported: list[tuple[float, int]] = []
    pruning = PruningCallback(lambda *told: reported.append(told), lambda: False, "score")
    module = UserModule([1.0, math.nan, math.inf, 2.0])
    user_trainer(tmp_path, [pruning], num_sanity_val_steps=0).fit(module, loader(), loader())
    assert reported == [(1.0, 0), (2.0, 3)]


@lightning_warns
def test_a_metric_that_is_not_logged_is_named_with_the_nearest(tmp_path: Path) -> None:
    pruning = PruningCallback(lambda _value, _step: None, lambda: False, "scores")
    message = r"^The metric 'scores' was not logged, so nothing can be compared. Did you mean 'score'\? Logged: score.$"
    with pytest.raises(MissingMetricError, match=message):
        user_trainer(tmp_path, [pruning]).fit(UserModule(), loader(), loader())


def test_it_is_a_callback_of_the_installed_lightning() -> None:
    pruning = PruningCallback(lambda _value, _step: None, lambda: False)
    assert isinstance(pruning, PruningCallback)
    assert isinstance(pruning, pl.Callback)
    assert type(pruning) is type(PruningCallback(lambda _value, _step: None, lambda: False))


def test_it_is_a_callback_of_the_other_lightning_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherCallback:
        """Stands in for ``lightning.pytorch.Callback``, which need not be installed here."""

        def a_hook_of_its_own(self) -> str:
            return "called"

    other = type("module", (), {"Callback": OtherCallback})
    monkeypatch.setitem(sys.modules, "lightning.pytorch", other)
    pruning: Any = PruningCallback(lambda _value, _step: None, lambda: False)
    assert isinstance(pruning, pl.Callback)
    assert isinstance(pruning, OtherCallback)
    assert pruning.a_hook_of_its_own() == "called"
