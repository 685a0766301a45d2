"""Source to paste makes the very layers that were trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ordersearch import build_block
from ordersearch.report.torch_source import torch_source
from ordersearch.spec import BlockSpec

SPECS = (
    "conv > batch_norm > max_pool > relu > dropout(p=0.1)",
    "conv(kernel=5, bias=true) > group_norm > leaky_relu(negative_slope=0.2) > avg_pool > spatial_dropout(p=0.3)",
    "batch_norm > relu > conv > batch_norm > relu > conv > add",
    "conv(groups=4) > layer_norm > elu > conv(dilation=2) > prelu",
)


def made_by(source: str, name: str) -> Any:
    """The function of this name that a source defines."""
    names: dict[str, Any] = {}
    exec(source, names)
    return names[name]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", SPECS)
def test_the_source_makes_the_block(text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    pasted = made_by(torch_source({"conv": spec}, dims=dims), "conv_block")(8, 16).eval()
    block = build_block(spec, 8, 16, dims=dims).eval()
    assert [tuple(own.shape) for own in pasted.state_dict().values()] == [
        tuple(own.shape) for own in block.state_dict().values()
    ]
    pasted.load_state_dict(dict(zip(pasted.state_dict(), block.state_dict().values(), strict=True)))
    x = torch.randn(2, 8, *[8] * dims, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pasted(x), block(x))
    # repr tells rates, windows and slopes, too.
    layers = [repr(layer) for layer in block.modules() if not list(layer.children())]
    assert [repr(layer) for layer in pasted.modules() if not list(layer.children())] == layers


def test_every_role_has_a_function_whose_name_python_takes() -> None:
    dense = BlockSpec.parse("linear > relu > dropout(p=0.2)")
    source = torch_source({"dense": dense, "stage end": dense, "1": dense}, dims=0)
    for name in ("dense_block", "stage_end_block", "block_1_block"):
        block = made_by(source, name)(3, 5)
        assert [type(layer).__name__ for layer in block] == ["Linear", "ReLU", "Dropout"]
        assert block[2].p == 0.2
