"""The three networks that tutorials on batch norm and dropout print, layer for layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.errors import ShapeError
from ordersearch.networks.network import Network
from ordersearch.networks.stages import build_stages
from ordersearch.ops import Value

# Keras counts the share of the old statistics, 0.99, PyTorch that of the new batch.
KERAS: dict[str, dict[str, Value]] = {"conv": {"padding": 0}, "batch_norm": {"eps": 1e-3, "momentum": 0.01}}


@dataclass(frozen=True)
class TutorialBuild:
    """Builds stages of fixed widths, whose maps are flattened as they come.

    Attributes:
        name: The network's.
        stages: The channels of the blocks of each stage; the last of a stage pools.
        dense: The features of each dense block.
    """

    name: str
    stages: tuple[tuple[int, ...], ...]
    dense: tuple[int, ...] = ()

    def __call__(
        self, blocks: Mapping[str, BlockFactory], input_shape: tuple[int, ...], n_outputs: int, *, stem: bool = False
    ) -> nn.Module:
        """The module: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

        Raises:
            ShapeError: The samples are too small for convolutions that do not pad.
        """
        try:
            return build_stages(blocks, input_shape, n_outputs, stages=self.stages, dense=self.dense, stem=stem)
        except ShapeError as cause:
            raise ShapeError(
                f"Network {self.name!r} does not fit samples of shape {input_shape}, since its convolutions do not pad "
                f"(Keras' padding='valid'). {cause}"
            ) from cause


MNIST_CNN = Network(
    "mnist_cnn",
    "the MNIST tutorial's: conv 32, conv 64 that pools, dense 128; no padding; dropout at .25, .25 and .5",
    ("conv", "stage_end", "dense"),
    (2,),
    TutorialBuild("mnist_cnn", stages=((32, 64),), dense=(128,)),
    options={"stem": False},
    blocks={
        "conv": "conv(bias=true) > batch_norm > relu > dropout(p=0.25)",
        "stage_end": "conv(bias=true) > batch_norm > relu > max_pool > dropout(p=0.25)",
        "dense": "linear(bias=true) > batch_norm > relu > dropout",
    },
    constants=KERAS,
)
FOUR_CONV_CNN = Network(
    "four_conv_cnn",
    "the four-conv tutorial's: twice conv 32 and pool, twice conv 64 and pool, dense 512; no padding; dropout behind "
    "the pools at .2 and .2, and at .4",
    ("conv", "stage_end", "dense"),
    (2,),
    TutorialBuild("four_conv_cnn", stages=((32, 32), (64, 64)), dense=(512,)),
    options={"stem": False},
    blocks={
        "conv": "conv(bias=true) > batch_norm > relu",
        "stage_end": "conv(bias=true) > batch_norm > relu > max_pool > dropout(p=0.2)",
        "dense": "linear(bias=true) > batch_norm > relu > dropout(p=0.4)",
    },
    constants=KERAS,
    stage_end_dropout=True,
)
SIGNAL_CNN = Network(
    "signal_cnn",
    "the forum's 1-D network: conv 64 with a window of 5 that pools; no padding; dropout at .2",
    ("conv", "stage_end"),
    (1,),
    TutorialBuild("signal_cnn", stages=((64,),)),
    options={"stem": False},
    blocks={"stage_end": "conv(bias=true) > batch_norm > relu > max_pool > dropout(p=0.2)"},
    constants={**KERAS, "conv": {"padding": 0, "kernel": 5}},
)
