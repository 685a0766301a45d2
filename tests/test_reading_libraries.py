"""Blocks of other libraries, read from what they do."""

from __future__ import annotations

import itertools

import pytest
from torch import nn

from ordersearch.reading import from_module
from tests.library_blocks import need
from tests.reading_parts import IN, OUT, batch

MONAI = {
    "NDA": "conv(bias=true) > batch_norm > dropout(p=0.2) > relu",
    "NAD": "conv(bias=true) > batch_norm > relu > dropout(p=0.2)",
    "ADN": "conv > relu > dropout(p=0.2) > batch_norm",
    "AND": "conv > relu > batch_norm > dropout(p=0.2)",
    "DAN": "conv > dropout(p=0.2) > relu > batch_norm",
    "DNA": "conv > dropout(p=0.2) > batch_norm > relu",
    "N": "conv(bias=true) > batch_norm",
    "": "conv",
}


@pytest.mark.parametrize("ordering", MONAI)
def test_convolutions_of_monai(ordering: str) -> None:
    need("monai.networks.blocks")
    from monai.networks.blocks.convolutions import Convolution

    module = Convolution(2, IN, OUT, adn_ordering=ordering, act="RELU", norm="BATCH", dropout=0.2)
    assert str(from_module(module, batch(2))) == MONAI[ordering]


def test_other_arguments_of_monai() -> None:
    need("monai.networks.blocks")
    from monai.networks.blocks.convolutions import Convolution, ResidualUnit

    module = Convolution(
        *(3, IN, OUT, 2, 5),
        act=("leakyrelu", {"negative_slope": 0.2}),
        norm=("group", {"num_groups": 4}),
        dropout=0.1,
        dropout_dim=3,
        bias=False,
    )
    assert str(from_module(module, batch(3))) == (
        "conv(kernel=5, bias=false) > group_norm(groups=4) > spatial_dropout(p=0.1) > leaky_relu(negative_slope=0.2)"
    )
    block = ResidualUnit(2, 4, 4, act="relu", norm="batch", bias=False)
    order = "conv > batch_norm > relu"
    assert str(from_module(block, batch(2))) == f"{order} > {order} > add"


@pytest.mark.parametrize("order", list(itertools.permutations(("conv", "norm", "act"))), ids=" ".join)
def test_conv_modules_of_mmcv(order: tuple[str, str, str]) -> None:
    need("mmcv.cnn")
    from mmcv.cnn import ConvModule

    module = ConvModule(IN, OUT, 3, padding=1, norm_cfg={"type": "BN"}, act_cfg={"type": "ReLU"}, order=order)
    names = {"conv": "conv", "norm": "batch_norm", "act": "relu"}
    expected = " > ".join(names[part] for part in order)
    # mmcv leaves the bias out wherever there is a norm.
    kept = (
        expected.replace("conv", "conv(bias=false)") if ("conv", "norm") not in itertools.pairwise(order) else expected
    )
    assert str(from_module(module, batch(2))) == kept


def test_blocks_of_fastai() -> None:
    need("fastai.layers")
    from fastai.layers import ConvLayer, LinBnDrop

    read_as = {
        ConvLayer(IN, OUT): "conv > batch_norm > relu",
        ConvLayer(IN, OUT, bn_1st=False): "conv(bias=false) > relu > batch_norm",
        ConvLayer(IN, OUT, norm_type=None, xtra=nn.MaxPool2d(2)): "conv > relu > max_pool",
    }
    assert {str(from_module(module, batch(2))): order for module, order in read_as.items()} == {
        o: o for o in read_as.values()
    }
    dense = {
        LinBnDrop(IN, OUT, p=0.1, act=nn.ReLU()): "batch_norm > dropout(p=0.1) > linear(bias=false) > relu",
        LinBnDrop(
            IN, OUT, p=0.1, act=nn.ReLU(), lin_first=True
        ): "linear(bias=false) > relu > batch_norm > dropout(p=0.1)",
    }
    assert {str(from_module(module, batch(0))): order for module, order in dense.items()} == {
        o: o for o in dense.values()
    }


def test_blocks_of_timm() -> None:
    need("timm.layers")
    from timm.layers import ConvNormAct

    assert str(from_module(ConvNormAct(IN, OUT, 3), batch(2))) == "conv > batch_norm > relu"
    dropped = ConvNormAct(IN, OUT, 5, stride=2, act_layer=nn.SiLU, drop_layer=nn.Dropout2d)
    assert str(from_module(dropped, batch(2))) == "conv(kernel=5) > batch_norm > spatial_dropout > silu"


def test_blocks_of_torchvision() -> None:
    need("torchvision.ops")
    from torchvision.models.resnet import BasicBlock
    from torchvision.ops import MLP, Conv2dNormActivation

    assert str(from_module(Conv2dNormActivation(IN, OUT, stride=2), batch(2))) == "conv > batch_norm > relu"
    residual = "conv > batch_norm > relu > conv > batch_norm > add > relu"
    assert str(from_module(BasicBlock(4, 4), batch(2))) == residual
    mlp = "linear > relu > dropout(p=0.1) > linear > dropout(p=0.1)"
    assert str(from_module(MLP(IN, [8, 2], dropout=0.1), batch(0))) == mlp
