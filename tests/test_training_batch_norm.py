from __future__ import annotations

import pytest
from torch import nn

from ordersearch.training.batch_norm import batch_norm_momentum


def test_only_layers_at_the_default_are_changed_and_all_are_given_back() -> None:
    model = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm1d(2, momentum=0.2), nn.BatchNorm3d(2, momentum=None))
    layers = [layer for layer in model if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    with batch_norm_momentum(model, 0.5):
        assert [layer.momentum for layer in layers] == [0.5, 0.2, None]
    assert [layer.momentum for layer in layers] == [0.1, 0.2, None]


def test_momentum_is_given_back_after_an_error() -> None:
    norm = nn.BatchNorm1d(2)
    with pytest.raises(KeyError, match="stop"), batch_norm_momentum(norm, 0.5):
        raise KeyError("stop")
    assert norm.momentum == 0.1
