from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ordersearch.errors import UnknownNameError
from ordersearch.training.settings import TrainingSettings


def test_settings_survive_json() -> None:
    settings = TrainingSettings(
        max_epochs=3, metric="val/accuracy", precision="64", channels_last=False, augment="flip"
    )
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_absent_settings_keep_their_defaults() -> None:
    assert TrainingSettings.from_dict({}) == TrainingSettings()


def test_a_setting_of_another_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'max_epoch'. Did you mean 'max_epochs'\?"):
        TrainingSettings.from_dict({"max_epoch": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_epochs": 0}, "max_epochs: got 0, but it is at least 1"),
        ({"batch_size": 1}, "batch_size: got 1, but it is at least 2"),
        ({"weight_decay": -0.1}, "weight_decay: got -0.1, but it is at least 0 and finite"),
        ({"weight_decay": float("nan")}, "weight_decay: got nan"),
        ({"batch_norm_momentum": 0.0}, r"batch_norm_momentum: got 0.0, but it lies in \(0, 1\]"),
        ({"device": "gpu"}, "device: got 'gpu', but it is one of cpu, cuda"),
        ({"augment": "crop,flip"}, "augment: got 'crop,flip', but it is one of '', 'flip', 'crop', 'flip,crop'"),
        ({"precision": "16"}, "precision: got '16', but it is one of 32, 64, bf16"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSettings.from_dict(values)


def test_settings_are_read_without_torch() -> None:
    code = "import sys, ordersearch.training.settings; print({'torch', 'pytorch_lightning'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
