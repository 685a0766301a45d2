"""Layouts that break are not used."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from ordersearch.training.layout import put_channels_last

NARROW = """
import torch
from ordersearch.data import load_dataset
from ordersearch.data.split import split_tensors
from ordersearch.networks import build_network, find_network
from ordersearch.training.fit import fit
from ordersearch.training.settings import TrainingSettings

torch.set_num_threads(1)
data = split_tensors(load_dataset("digits"), split=0)
model = build_network(find_network("resnet").with_options(width=4), {}, (1, 8, 8), 10)
print(fit(model, data, settings=TrainingSettings(max_epochs=2), learning_rate=0.01, seed=0).n_epochs)
"""


@pytest.mark.slow
def test_a_narrow_residual_network_survives_its_training() -> None:
    # In a process of its own: without the guard it is aborted by the memory that it overwrote.
    ended = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "2\n"), ended.stderr


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "guarded"), [(4, 1, 2, True), (8, 1, 2, False), (4, 3, 2, False), (4, 1, 1, False)]
)
def test_only_strided_points_of_few_channels_get_their_inputs_channels_first(
    channels: int, kernel: int, stride: int, guarded: bool
) -> None:
    conv = nn.Conv2d(channels, 4, kernel, stride=stride)
    for _ in range(2):
        put_channels_last(conv)
    assert len(conv._forward_pre_hooks) == guarded
    seen: list[bool] = []
    conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    x = torch.randn(2, channels, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(conv(x.contiguous(memory_format=torch.channels_last)), conv(x))
    assert seen == [guarded, True]


NORM_FIRST = """
import torch
from torch import nn
from ordersearch.training.layout import put_channels_last

torch.set_num_threads(1)
model = nn.Sequential(nn.GroupNorm(1, 3), nn.Conv2d(3, 4, 3))
put_channels_last(model)
for _ in range(20):
    model(torch.randn(64, 3, 8, 8).contiguous(memory_format=torch.channels_last)).sum().backward()
print("survived")
"""


def test_a_group_norm_in_front_of_every_weight_survives_its_training() -> None:
    # In a process of its own: without the guard it ends with a segmentation fault.
    ended = subprocess.run([sys.executable, "-c", NORM_FIRST], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "survived\n"), ended.stderr


def test_a_group_norm_behind_a_weight_keeps_its_layout() -> None:
    model = nn.Sequential(nn.GroupNorm(1, 3), nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))
    put_channels_last(model)
    seen: list[bool] = []
    for layer in (model[0], model[2]):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous()))
    x = torch.randn(2, 3, 6, 6).contiguous(memory_format=torch.channels_last)
    model(x)
    with torch.no_grad():
        model(x)
    assert seen == [True, False, False, False]
