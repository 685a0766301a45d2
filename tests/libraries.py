"""The libraries that blocks are exported to: blocks that each expresses, and blocks that it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ordersearch.spec import BlockSpec
from tests.library_blocks import expressible


@dataclass(frozen=True, repr=False)
class Library:
    """A library and its format of export.

    Attributes:
        name: As our module that writes its source is called.
        to: The format's name.
        module: What of it must import where its blocks are run.
        of: How its refusals start.
        dims: Dimensions of the maps that it works on; 0 stands for features.
        variants: Blocks with parameters, which it expresses in all these dimensions but those that ``refused`` has.
        refused: Blocks that it does not express at maps of so many dimensions, and why.
        golden: The blocks of its golden file by role.
        options: That its golden file is written with.
        strided: A block whose stride its source leaves open; "" where it leaves none open.
        warnings: That it gives, and that say nothing against the block.
        tolerance: How far numbers may be apart in blocks with parameters.
    """

    name: str
    to: str
    module: str
    of: str
    dims: tuple[int, ...]
    variants: tuple[str, ...]
    refused: tuple[tuple[str, int, str], ...]
    golden: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    strided: str = "conv(kernel=5) > batch_norm > relu"
    warnings: tuple[str, ...] = ()
    tolerance: float = 0

    def __repr__(self) -> str:
        return self.name

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        """Those that a test needs which runs its blocks."""
        return [pytest.mark.filterwarnings(f"ignore:{warning}") for warning in self.warnings]

    @property
    def orders(self) -> tuple[BlockSpec, ...]:
        """Every order of the conv and dense spaces that it expresses."""
        return expressible(self.to)

    @property
    def specs(self) -> tuple[BlockSpec, ...]:
        """The orders, and the variants."""
        return (*self.orders, *map(BlockSpec.parse, self.variants))


MONAI_DROPS_MAPS = (
    "max_pool > conv(padding=0) > gelu(approximate=tanh) > spatial_dropout(p=0.3) > batch_norm(momentum=0.5)"
)
MONAI = Library(
    name="monai",
    to="monai",
    module="monai.networks.blocks",
    of="MONAI's",
    dims=(0, 1, 2, 3),
    variants=(
        "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)",
        "conv(kernel=2) > alpha_dropout(p=0.2) > layer_norm(eps=0.001) > mish",
        MONAI_DROPS_MAPS,
        "conv",
        "linear(bias=false) > layer_norm(affine=false) > alpha_dropout(p=0.1) > softplus > dropout",
        "linear",
    ),
    refused=(
        (MONAI_DROPS_MAPS, 1, "ADN has no Dropout1d"),
        ("batch_norm > conv > relu", 2, "Convolution puts the norm behind the conv, and here it comes first"),
        ("conv > max_pool > relu", 2, "Convolution has no pool, and one stands between its layers"),
        ("conv > relu > batch_norm > relu", 2, "Convolution holds one activation, and the block has more"),
        ("conv > feature_alpha_dropout > relu", 2, "ADN has no FeatureAlphaDropout"),
        ("conv > relu > conv", 2, "Convolution holds one weight, and the block has more"),
        ("conv > batch_norm > add", 2, "Convolution has no shortcut, and the block adds one"),
        ("batch_norm > linear > relu", 2, "ADN puts the norm behind the linear, and here it comes first"),
    ),
    golden={
        "conv": "conv(kernel=5) > batch_norm > relu > max_pool > dropout(p=0.1)",
        "dense": "linear(bias=false) > layer_norm(affine=false) > alpha_dropout(p=0.1) > softplus > dropout",
    },
    options={"evidence": ['a """ b']},
)

MMCV = Library(
    name="mmcv",
    to="mmcv",
    module="mmcv.cnn",
    of="mmcv's ConvModule",
    dims=(1, 2, 3),
    variants=(
        "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001) > prelu(init=0.1)",
        "hardswish > conv(kernel=2, bias=false) > layer_norm(affine=false)",
        "max_pool > batch_norm(momentum=0.5, eps=0.001) > mish > conv(padding=0) > spatial_dropout(p=0.3)",
        "leaky_relu(negative_slope=0.2) > batch_norm > conv",
        "conv",
    ),
    refused=(
        ("conv > dropout > relu > batch_norm", 2, "has no dropout, and one stands between its layers"),
        ("conv > relu > max_pool > batch_norm", 2, "has no pool, and one stands between its layers"),
        ("linear > relu", 2, "holds a convolution, and the block a linear layer"),
        ("conv > softplus", 2, "gives every activation an argument inplace, which softplus does not take"),
    ),
    golden={"conv": "max_pool > batch_norm > leaky_relu(negative_slope=0.2) > conv(kernel=5) > dropout(p=0.1)"},
    options={"evidence": ["Mean of 12 runs: 0.91."]},
    strided="batch_norm > relu > conv(kernel=5)",
    # mmcv warns of any bias beside a batch norm, also where the norm does not cancel it.
    warnings=("Unnecessary conv bias",),
)

FASTAI = Library(
    name="fastai",
    to="fastai",
    module="fastai.layers",
    of="fastai's",
    dims=(0, 1, 2, 3),
    variants=(
        "conv(kernel=5, dilation=2, groups=2) > leaky_relu(negative_slope=-0.5) > batch_norm",
        "dropout(p=0.3) > conv(kernel=2, padding=0) > prelu(init=0.1) > max_pool",
        "conv(kernel=2, bias=true) > batch_norm > spatial_dropout",
        "conv(bias=false)",
        "batch_norm > dropout(p=0.3) > linear(bias=false) > leaky_relu(negative_slope=0.2)",
        "dropout > linear(bias=false) > relu > batch_norm > dropout(p=0.2) > alpha_dropout(p=0.1)",
        "linear > softplus > dropout(p=0.2)",
    ),
    refused=(
        ("batch_norm > conv > relu", 2, "ConvLayer puts the norm behind the conv, and here it comes first"),
        ("conv > dropout > relu", 2, "ConvLayer has no dropout, and one stands between its layers"),
        ("conv > group_norm > relu", 2, "ConvLayer has no group_norm"),
        ("conv > batch_norm(eps=0.001)", 2, "ConvLayer gives its batch norm no arguments"),
        (
            "linear > batch_norm > relu",
            2,
            "LinBnDrop runs norm > dropout > linear > activation or linear > activation > norm > dropout alone",
        ),
        ("linear > relu > batch_norm", 2, "LinBnDrop has no bias beside a norm, and the block has one"),
        ("linear(bias=false) > relu", 2, "LinBnDrop keeps a bias where there is no norm, and the block has none"),
        (
            "linear(bias=false) > relu > alpha_dropout > batch_norm",
            2,
            "LinBnDrop puts the dropout behind the norm, and here it comes first",
        ),
        ("linear(bias=false) > relu > layer_norm", 2, "LinBnDrop has no layer_norm"),
        ("batch_norm > alpha_dropout > linear(bias=false)", 2, "LinBnDrop has no alpha_dropout"),
    ),
    golden={
        "conv": "conv(kernel=5, dilation=2, groups=2) > leaky_relu(negative_slope=-0.5) > batch_norm",
        "dense": "batch_norm > dropout(p=0.3) > linear(bias=false) > leaky_relu(negative_slope=0.2)",
    },
)

TIMM = Library(
    name="timm",
    to="timm",
    module="timm.layers",
    of="timm's ConvNormAct",
    dims=(2,),
    variants=(
        "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, affine=false) > spatial_dropout(p=0.2) > prelu",
        "dropout(p=0.3) > conv(kernel=2, bias=false) > layer_norm(affine=false) > alpha_dropout",
        "max_pool > conv(padding=0) > batch_norm(momentum=0.5, eps=0.001) > leaky_relu(negative_slope=-0.5) > dropout",
        "conv(bias=true) > batch_norm",
        "conv > dropout",
    ),
    refused=(
        ("conv > batch_norm", 1, "has no form for 1-d maps"),
        ("conv > batch_norm", 3, "has no form for 3-d maps"),
        ("conv > relu > batch_norm", 2, "puts the activation behind the norm, and here it comes first"),
        ("conv > relu", 2, "has its activation and dropout in the norm, and the block has no norm"),
        ("conv > batch_norm > max_pool > relu", 2, "has no pool, and one stands between its layers"),
        ("linear > relu", 2, "holds a convolution, and the block a linear layer"),
    ),
    golden={
        "conv": (
            "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, affine=false) > spatial_dropout(p=0.2) > prelu"
        ),
        "stage end": "conv > batch_norm > relu > max_pool",
    },
)

TORCHVISION = Library(
    name="torchvision",
    to="torchvision",
    module="torchvision.ops",
    of="torchvision's",
    dims=(0, 2, 3),
    variants=(
        "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)",
        "dropout(p=0.3) > conv(kernel=2, bias=false) > layer_norm(affine=false) > tanh",
        "max_pool > conv(padding=0) > batch_norm(momentum=0.5, eps=0.001) > mish > spatial_dropout(p=0.3)",
        "conv(bias=true) > batch_norm",
        "conv",
        "alpha_dropout > linear > layer_norm > gelu > dropout(p=0.2) > dropout(p=0.3)",
        "linear(bias=true) > batch_norm(momentum=0.5) > relu",
    ),
    refused=(
        ("conv > relu", 1, "ConvNormActivation has no form for 1-d maps"),
        (
            "conv > relu > batch_norm",
            2,
            "ConvNormActivation puts the activation behind the norm, and here it comes first",
        ),
        ("conv > dropout > relu", 2, "ConvNormActivation has no dropout, and one stands between its layers"),
        ("linear > dropout > relu", 2, "MLP puts the dropout behind the activation, and here it comes first"),
        ("linear > batch_norm", 2, "MLP always has an activation"),
    ),
    golden={
        "conv": (
            "conv(kernel=5, dilation=2, groups=2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)"
        ),
        "dense": "linear > batch_norm > relu > dropout(p=0.1)",
    },
)

NNUNET = Library(
    name="nnunet",
    to="nnunet",
    module="dynamic_network_architectures.building_blocks.simple_conv_blocks",
    of="nnU-Net's ConvDropoutNormReLU",
    dims=(1, 2, 3),
    variants=(
        "conv(kernel=5) > spatial_dropout(p=0.2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)",
        "dropout(p=0.3) > conv(kernel=2, padding=0, bias=true) > layer_norm > alpha_dropout",
        "max_pool > conv > dropout > leaky_relu(negative_slope=0.2) > batch_norm(momentum=0.5, eps=0.001)",
        "conv(bias=true) > batch_norm",
        "conv > dropout > max_pool",
    ),
    refused=(
        ("conv > batch_norm > dropout > relu", 2, "puts the norm behind the dropout, and here it comes first"),
        ("conv(dilation=2) > relu", 2, "has no dilation and no groups"),
        ("conv(kernel=2) > relu", 2, "pads by half of the kernel on both sides"),
        ("linear > relu", 2, "holds a convolution, and the block a linear layer"),
    ),
    golden={
        "conv": (
            "conv(kernel=5) > spatial_dropout(p=0.2) > group_norm(groups=3, eps=0.001, affine=false) > prelu(init=0.1)"
        )
    },
)

UNET3D = Library(
    name="unet3d",
    to="pytorch-3dunet",
    module="pytorch3dunet.unet3d.buildingblocks",
    of="pytorch-3dunet's SingleConv",
    dims=(2, 3),
    variants=(
        "group_norm(groups=3) > dropout(p=0.2) > conv(kernel=5, padding=1, bias=false) > elu > max_pool",
        "spatial_dropout(p=0.3) > conv(kernel=2) > leaky_relu",
        "conv > spatial_dropout(p=0.3) > relu > spatial_dropout(p=0.3)",
        "conv(bias=false) > relu > batch_norm",
        "conv",
    ),
    refused=(
        ("relu > conv > batch_norm", 2, "starts with no activation"),
        ("batch_norm > conv > relu", 2, "has no bias beside a norm, and the block has one"),
        ("conv(bias=false) > relu", 2, "keeps a bias where there is no norm, and the block has none"),
        ("conv > gelu", 2, "has no letter for gelu"),
        ("conv > batch_norm(momentum=0.5)", 2, "has no letter for batch_norm(momentum=0.5)"),
        ("conv(groups=2) > relu", 2, "has no dilation and no groups"),
        ("conv > max_pool > relu", 2, "has no pool, and one stands between its layers"),
        ("linear > relu", 2, "holds a convolution, and the block a linear layer"),
    ),
    golden={
        "conv": "group_norm(groups=3) > dropout(p=0.2) > conv(kernel=5, padding=1, bias=false) > elu > max_pool",
        "stage_end": "conv > spatial_dropout(p=0.3) > relu > spatial_dropout(p=0.3)",
    },
    options={"dims": 3},
    strided="",
    # The letter D is a Dropout2d on volumes, too.
    warnings=("dropout2d. Received a 5-D input",),
    # In place, as pytorch-3dunet has them, leaky ReLU and ELU round gradients in another way.
    tolerance=1e-4,
)

LIBRARIES = (MONAI, MMCV, FASTAI, TIMM, TORCHVISION, NNUNET, UNET3D)
