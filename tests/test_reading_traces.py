"""Reading leaves the module and the generators of random numbers as they were."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ordersearch.errors import ReadingError
from ordersearch.reading import from_module
from tests.reading_parts import Net, batch

X = batch(2)


def state_of(module: nn.Module) -> dict[str, Any]:
    """Everything of a module and of the generators that reading could change."""
    return {
        "values": {key: value.clone() for key, value in module.state_dict().items()},
        "identities": [id(tensor) for tensor in (*module.parameters(), *module.buffers())],
        "gradients": [(p.requires_grad, p.grad) for p in module.parameters()],
        "modes": [layer.training for layer in module.modules()],
        "hooks": [(dict(layer._forward_hooks), dict(layer._forward_pre_hooks)) for layer in module.modules()],
        "generator": torch.get_rng_state(),
        "others": (random.getstate(), str(np.random.get_state())),
    }


def assert_same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one.pop("values"), other.pop("values"), rtol=0, atol=0)
    assert torch.equal(one.pop("generator"), other.pop("generator"))
    assert one == other


def _drawing(own: Any, x: Tensor) -> Tensor:
    np.random.rand(), random.random(), torch.rand(1)
    return F.relu(own.norm(own.conv(x)), inplace=True)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(
    ("module", "fails"),
    [
        (Net(lambda own, x: own.act(own.norm(own.conv(x))), norm=nn.BatchNorm2d(4), act=nn.ReLU(inplace=True)), False),
        (Net(_drawing, norm=nn.BatchNorm2d(4)), True),
        (Net(lambda own, x: own.norm(own.conv(x)).no_such_method(), norm=nn.BatchNorm2d(4)), True),
        (Net(lambda own, x: own.norm(own.conv(x)).softmax(1), norm=nn.BatchNorm2d(4)), True),
    ],
    ids=["read", "drawing", "failing", "refused"],
)
def test_reading_changes_nothing(module: Any, fails: bool, training: bool) -> None:
    module.train(training)
    module.norm.eval()
    module.conv.weight.requires_grad_(False)
    module.conv.bias.grad = torch.ones(4)
    module.conv.register_forward_hook(lambda *_: None)
    x = X.clone()
    before = state_of(module)
    if fails:
        with pytest.raises(ReadingError, match=r"^Net: "):
            from_module(module, x)
    else:
        assert str(from_module(module, x)) == "conv(bias=true) > batch_norm > relu"
    assert_same(before, state_of(module))
    assert torch.equal(x, X)


def test_a_module_that_holds_itself_in_a_lambda_is_given_back_as_it_was() -> None:
    count = nn.Buffer(torch.zeros(1))
    module: Any = Net(lambda own, x: (module.count.add_(1), own.conv(x))[1], count=count)
    before = state_of(module)
    with pytest.raises(
        ReadingError, match=r"^Net: a copy of it changes the module that it is a copy of: something in it"
    ):
        from_module(module, X)
    assert_same(before, state_of(module))
