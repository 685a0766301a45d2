"""The built-in rows of the op table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ordersearch.ops.bounds import (
    AFFINE,
    BIAS,
    EPS,
    KERNEL,
    PADDING,
    POOL_PADDING,
    POOL_STRIDE,
    RATE,
    WINDOW,
    integer,
    number,
    truth,
)
from ordersearch.ops.keras_ops import KERAS_OPS
from ordersearch.ops.kinds import Call, OpKind, Param, Role, Trait, Value


def _activation(
    name: str, summary: str, target: str, *traits: Trait, aliases: tuple[str, ...] = (), at_zero: float = 0.0
) -> OpKind:
    call = Call(f"torch.nn.{target}")
    return OpKind(
        name, Role.ACTIVATION, summary, call, call, traits=frozenset(traits), aliases=aliases, at_zero=at_zero
    )


def _dropout(
    name: str, summary: str, maps: str, features: str | None, *traits: Trait, aliases: tuple[str, ...] = ()
) -> OpKind:
    return OpKind(
        name,
        Role.DROPOUT,
        summary,
        Call(f"torch.nn.{maps}", {"p": "$p"}),
        Call(f"torch.nn.{features}", {"p": "$p"}) if features else None,
        params=(RATE,),
        traits=frozenset(traits),
        is_identity=lambda params: params["p"] == 0,
        aliases=aliases,
        torch_positional=("p",),
        keras_positional=("p",),
    )


Params = Mapping[str, Value]


def _spell_weight(params: Params) -> Params:
    # An auto bias is there wherever it does anything.
    return {"bias": "auto"} if params["bias"] is True else {}


def _spell_conv(params: Params) -> Params:
    reach = int(params["dilation"] or 1) * (int(params["kernel"] or 1) - 1)
    is_same = reach % 2 == 0 and params["padding"] == reach // 2
    return {**_spell_weight(params), **({"padding": "same"} if is_same else {})}


WEIGHTS = (
    OpKind(
        "conv",
        Role.WEIGHT,
        "convolution, 1-D, 2-D or 3-D",
        on_maps=Call(
            "torch.nn.Conv{dims}d",
            {
                "in_channels": "$in_channels",
                "out_channels": "$out_channels",
                "kernel_size": "$kernel",
                "stride": "$stride",
                "padding": "$padding",
                "dilation": "$dilation",
                "groups": "$groups",
                "bias": "$bias",
            },
        ),
        params=(KERNEL, PADDING, integer("dilation", 1, 1, "dilation_rate"), integer("groups", 1, 1), BIAS),
        traits=frozenset({Trait.POINTWISE}),
        conditions=MappingProxyType(
            {Trait.POINTWISE: lambda params: params["kernel"] == 1 and params["padding"] in ("same", 0)}
        ),
        aliases=("convolution", "convolutional", "convlayer", "convolutionlayer", "conv/fc", "weight", "weights"),
        torch_positional=("_", "_", "kernel", "stride", "padding", "dilation", "groups", "bias"),
        keras_positional=("_", "kernel", "stride", "padding"),
        spelling=_spell_conv,
    ),
    OpKind(
        "linear",
        Role.WEIGHT,
        "fully connected layer",
        on_features=Call(
            "torch.nn.Linear", {"in_features": "$in_channels", "out_features": "$out_channels", "bias": "$bias"}
        ),
        params=(BIAS,),
        aliases=("dense", "fc", "lin", "fullyconnected", "linearlayer", "denselayer"),
        torch_positional=("_", "_", "bias"),
        keras_positional=("_",),
        spelling=_spell_weight,
    ),
)

NORMS = (
    OpKind(
        "batch_norm",
        Role.NORM,
        "normalises each channel over the batch; running statistics in evaluation",
        Call(
            "torch.nn.BatchNorm{dims}d",
            {"num_features": "$channels", "eps": "$eps", "momentum": "$momentum", "affine": "$affine"},
        ),
        Call(
            "torch.nn.BatchNorm1d",
            {"num_features": "$channels", "eps": "$eps", "momentum": "$momentum", "affine": "$affine"},
        ),
        params=(EPS, number("momentum", 0.1, "momentum lies in (0, 1]", lambda v: 0 < v <= 1), AFFINE),
        traits=frozenset({Trait.CENTRES_CHANNELS, Trait.BATCH_STATISTICS}),
        aliases=("bn", "batchnormalization", "batchnormalisation", "norm", "normalization", "normalisation"),
        torch_positional=("_", "eps", "momentum", "affine"),
    ),
    OpKind(
        "group_norm",
        Role.NORM,
        "normalises groups of channels of one sample (the largest divisor of the channels up to `groups`)",
        Call(
            "torch.nn.GroupNorm",
            {"num_groups": "$n_groups", "num_channels": "$channels", "eps": "$eps", "affine": "$affine"},
        ),
        Call(
            "torch.nn.GroupNorm",
            {"num_groups": "$n_groups", "num_channels": "$channels", "eps": "$eps", "affine": "$affine"},
        ),
        params=(integer("groups", 8, 1, "num_groups"), EPS, AFFINE),
        aliases=("gn", "groupnormalization"),
        torch_positional=("groups", "_", "eps", "affine"),
    ),
    OpKind(
        "layer_norm",
        Role.NORM,
        "normalises one sample over all of its channels (and positions)",
        Call("torch.nn.GroupNorm", {"num_groups": 1, "num_channels": "$channels", "eps": "$eps", "affine": "$affine"}),
        Call("torch.nn.LayerNorm", {"normalized_shape": "$channels", "eps": "$eps", "elementwise_affine": "$affine"}),
        params=(EPS, AFFINE),
        aliases=("ln", "layernormalization"),
        torch_positional=("_", "eps", "affine"),
    ),
)

M, H = Trait.MONOTONE, Trait.HOMOGENEOUS
SLOPE = number("negative_slope", 0.01, "negative_slope is a number", lambda v: True, "slope", "alpha")
ALPHA = number("alpha", 1.0, "alpha is greater than 0", lambda v: v > 0)
LEAKY = Call("torch.nn.LeakyReLU", {"negative_slope": "$negative_slope"})
ELU = Call("torch.nn.ELU", {"alpha": "$alpha"})
PRELU = Call("torch.nn.PReLU", {"init": "$init"})
GELU = Call("torch.nn.GELU", {"approximate": "$approximate"})

ACTIVATIONS = (
    _activation(
        "relu", "max(x, 0)", "ReLU", M, H, aliases=("activation", "act", "activationfunction", "nonlinearity", "nonlin")
    ),
    OpKind(
        "leaky_relu",
        Role.ACTIVATION,
        "x where positive, slope times x elsewhere",
        LEAKY,
        LEAKY,
        params=(SLOPE,),
        traits=frozenset({M, H}),
        conditions=MappingProxyType({M: lambda params: float(params["negative_slope"] or 0) >= 0}),
        aliases=("lrelu", "leaky"),
        torch_positional=("negative_slope",),
        keras_positional=("negative_slope",),
    ),
    OpKind(
        "prelu",
        Role.ACTIVATION,
        "leaky ReLU whose slope is learnt, hence monotone only as long as it stays positive",
        PRELU,
        PRELU,
        params=(number("init", 0.25, "init is a number", lambda v: True),),
        traits=frozenset({H}),
        torch_positional=("_", "init"),
    ),
    OpKind(
        "elu",
        Role.ACTIVATION,
        "x where positive, alpha (exp(x) - 1) elsewhere",
        ELU,
        ELU,
        params=(ALPHA,),
        traits=frozenset({M}),
        torch_positional=("alpha",),
        keras_positional=("alpha",),
    ),
    _activation("selu", "scaled ELU of self-normalising networks", "SELU", M, Trait.SELF_NORMALISING),
    _activation("relu6", "min(max(x, 0), 6)", "ReLU6", M),
    _activation("tanh", "hyperbolic tangent", "Tanh", M),
    _activation("sigmoid", "1 / (1 + exp(-x))", "Sigmoid", M, aliases=("logistic",), at_zero=0.5),
    _activation("softplus", "log(1 + exp(x))", "Softplus", M, at_zero=0.6931471805599453),
    OpKind(
        "gelu",
        Role.ACTIVATION,
        "x times the normal distribution function of x",
        GELU,
        GELU,
        params=(Param("approximate", "none", "approximate is 'none' or 'tanh'", lambda v: v in ("none", "tanh")),),
        torch_positional=("approximate",),
    ),
    _activation("silu", "x sigmoid(x)", "SiLU", aliases=("swish",)),
    _activation("mish", "x tanh(softplus(x))", "Mish"),
    _activation("hardswish", "x relu6(x + 3) / 6", "Hardswish", aliases=("hardsilu",)),
)

SCALING, INCREASING, PER_CHANNEL = Trait.SCALING, Trait.INCREASING, Trait.PER_CHANNEL

DROPOUTS = (
    _dropout(
        "dropout",
        "zeroes single elements at rate p and scales the rest by 1/(1-p)",
        "Dropout",
        "Dropout",
        SCALING,
        INCREASING,
        aliases=("drop", "do"),
    ),
    _dropout(
        "spatial_dropout",
        "zeroes whole maps at rate p and scales the rest by 1/(1-p)",
        "Dropout{dims}d",
        None,
        SCALING,
        INCREASING,
        PER_CHANNEL,
        aliases=("dropout1d", "dropout2d", "dropout3d", "channeldropout", "featuredropout"),
    ),
    _dropout(
        "alpha_dropout",
        "sets single elements to SELU's lower bound, keeping mean and variance",
        "AlphaDropout",
        "AlphaDropout",
        Trait.AFFINE,
        Trait.SELF_NORMALISING,
        INCREASING,
    ),
    _dropout(
        "feature_alpha_dropout",
        "sets whole maps to SELU's lower bound, keeping mean and variance",
        "FeatureAlphaDropout",
        None,
        Trait.AFFINE,
        Trait.SELF_NORMALISING,
        INCREASING,
        PER_CHANNEL,
        aliases=("spatialalphadropout",),
    ),
)


def _does_nothing(params: Params) -> bool:
    return params["kernel"] == 1 and params["stride"] in (None, 1) and params["padding"] == 0


def _spell_pool(params: Params) -> Params:
    return {"stride": None} if params["stride"] == params["kernel"] else {}


def _spell_avg_pool(params: Params) -> Params:
    return {**_spell_pool(params), **({"count_include_pad": True} if params["padding"] == 0 else {})}


POOLS = (
    OpKind(
        "max_pool",
        Role.POOL,
        "largest value of each window",
        Call("torch.nn.MaxPool{dims}d", {"kernel_size": "$kernel", "stride": "$stride", "padding": "$padding"}),
        params=(WINDOW, POOL_STRIDE, POOL_PADDING),
        traits=frozenset({Trait.TAKES_MAX, Trait.KEEPS_CONSTANTS}),
        is_identity=_does_nothing,
        spelling=_spell_pool,
        aliases=("maxpooling", "mp", "pool", "pooling", "maxp"),
        torch_positional=("kernel", "stride", "padding"),
        keras_positional=("kernel", "stride", "padding"),
    ),
    OpKind(
        "avg_pool",
        Role.POOL,
        "mean of each window",
        Call(
            "torch.nn.AvgPool{dims}d",
            {
                "kernel_size": "$kernel",
                "stride": "$stride",
                "padding": "$padding",
                "count_include_pad": "$count_include_pad",
            },
        ),
        params=(WINDOW, POOL_STRIDE, POOL_PADDING, truth("count_include_pad", True)),
        traits=frozenset({Trait.TAKES_MEAN, Trait.KEEPS_CONSTANTS}),
        conditions=MappingProxyType(
            {Trait.KEEPS_CONSTANTS: lambda params: params["padding"] == 0 or not params["count_include_pad"]}
        ),
        is_identity=_does_nothing,
        spelling=_spell_avg_pool,
        aliases=("averagepool", "averagepooling", "avgpooling", "meanpool", "meanpooling"),
        torch_positional=("kernel", "stride", "padding", "_", "count_include_pad"),
        keras_positional=("kernel", "stride", "padding"),
    ),
)

MERGES = (
    OpKind("add", Role.MERGE, "adds the shortcut of a residual block", aliases=("shortcut", "residual", "sum", "plus")),
)

BUILTIN_OPS: dict[str, OpKind] = {
    kind.name: replace(kind, keras=KERAS_OPS.get(kind.name))
    for kind in (*WEIGHTS, *NORMS, *ACTIVATIONS, *DROPOUTS, *POOLS, *MERGES)
}
