from __future__ import annotations

import pytest
import torch
from sklearn.metrics import log_loss, r2_score
from torch import Tensor, nn

from ordersearch.data.tensors import Task, TensorSplit
from ordersearch.training import evaluation
from ordersearch.training.settings import TrainingSettings


def evaluate(
    model: nn.Module, x: Tensor, y: Tensor, *, task: Task, settings: TrainingSettings | None = None
) -> dict[str, float]:
    """The scores on these samples as a test part, which training does not see."""
    data = TensorSplit(x[:2], y[:2], x[:1], y[:1], x, y, task)
    return evaluation.evaluate(model, data, part="test", settings=settings)


DOUBLE = TrainingSettings(precision="64")


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_classification_gives_cross_entropy_and_accuracy() -> None:
    logits, y = drawn(40, 3), torch.arange(40) % 3
    scores = evaluate(nn.Identity(), logits, y, task="classification", settings=DOUBLE)
    assert scores == {
        "loss": pytest.approx(log_loss(y, logits.softmax(1))),
        "accuracy": pytest.approx((logits.argmax(1) == y).double().mean().item()),
    }


def test_regression_gives_squared_error_and_r2_as_scikit_learn_does() -> None:
    y = drawn(40, 3)
    guess = y + 0.3 * drawn(3, 40).T
    y[:, 2] = 1.5
    scores = evaluate(nn.Identity(), guess, y, task="regression", settings=DOUBLE)
    assert scores == {
        "loss": pytest.approx(((guess - y) ** 2).mean().item()),
        "r2": pytest.approx(r2_score(y.numpy(), guess.numpy())),
    }


def test_r2_of_a_constant_target_that_is_met_is_1() -> None:
    y = torch.ones(6, 1)
    assert evaluate(nn.Identity(), y, y, task="regression") == {"loss": 0.0, "r2": 1.0}


def test_multilabel_counts_every_label() -> None:
    logits = torch.tensor([[2.0, -1.0], [-3.0, 4.0]])
    scores = evaluate(nn.Identity(), logits, torch.tensor([[1.0, 0.0], [1.0, 1.0]]), task="multilabel")
    assert scores["accuracy"] == 0.75
    assert scores["loss"] == pytest.approx(0.8767, abs=1e-4)


def test_chunks_do_not_change_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = drawn(50, 4), torch.arange(50) % 4
    whole = evaluate(nn.Identity(), x, y, task="classification", settings=DOUBLE)
    monkeypatch.setitem(evaluation._AT_ONCE, "cpu", (7, 7))
    assert evaluate(nn.Identity(), x, y, task="classification", settings=DOUBLE) == pytest.approx(whole)


def test_the_model_is_evaluated_without_noise_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).double()
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x, y = drawn(20, 4), torch.arange(20) % 4
    first = evaluate(model, x, y, task="classification", settings=DOUBLE)
    assert first == evaluate(model, x, y, task="classification", settings=DOUBLE)
    assert [layer.training for layer in model] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
