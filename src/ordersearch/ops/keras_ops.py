"""The built-in ops in Keras' terms: what a row of the op table says for the export to Keras."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ordersearch.ops.kinds import KerasCall, KerasOp, Value

Arguments = Mapping[str, Value]


def _everywhere(call: KerasCall) -> KerasOp:
    return KerasOp(call, call)


def _activation(name: str) -> KerasOp:
    return _everywhere(KerasCall("keras.layers.Activation", {"activation": name}))


def _complement(arguments: Arguments) -> Arguments:
    # In decimals, so that 0.1 becomes 0.9 and nothing is rounded away.
    return {"momentum": float(1 - Decimal(str(arguments["momentum"])))}


def _no_negative_slope(arguments: Arguments) -> str:
    slope = float(arguments["negative_slope"] or 0)
    return f"Keras' LeakyReLU takes no slope below 0, but has {slope!r} here" if slope < 0 else ""


INITIAL = {"**initial": "$fan_in"}
AFFINE = {"center": "$affine", "scale": "$affine"}
WITH_AFFINE = {"center": True, "scale": True}
NORM = {"epsilon": "$eps", **AFFINE}
POOL = {"pool_size": "$kernel_size", "strides": "$stride", "padding": "$padding"}

BATCH_NORM = KerasCall("keras.layers.BatchNormalization", {"momentum": "$momentum", **NORM}, WITH_AFFINE)
LEAKY_RELU = KerasCall("keras.layers.LeakyReLU", {"negative_slope": "$negative_slope"})
GELU = KerasCall("keras.activations.gelu", {"approximate": "$approximate"})

KERAS_OPS: dict[str, KerasOp] = {
    "conv": KerasOp(
        KerasCall(
            "keras.layers.Conv{dims}D",
            {
                "filters": "$out_channels",
                "kernel_size": "$kernel_size",
                "strides": "$stride",
                "padding": "$padding",
                "dilation_rate": "$dilation",
                "groups": "$groups",
                "use_bias": "$bias",
                **INITIAL,
            },
            {"strides": 1, "padding": "valid", "dilation_rate": 1, "groups": 1, "use_bias": True},
        )
    ),
    "linear": KerasOp(
        on_features=KerasCall(
            "keras.layers.Dense", {"units": "$out_channels", "use_bias": "$bias", **INITIAL}, {"use_bias": True}
        )
    ),
    "batch_norm": KerasOp(BATCH_NORM, BATCH_NORM, terms=_complement),
    "group_norm": _everywhere(
        KerasCall("keras.layers.GroupNormalization", {"groups": "$n_groups", **NORM}, WITH_AFFINE)
    ),
    "layer_norm": KerasOp(
        # Keras' LayerNormalization over maps would have a scale for each position.
        KerasCall("keras.layers.GroupNormalization", {"groups": 1, **NORM}, WITH_AFFINE),
        KerasCall(
            "keras.layers.LayerNormalization",
            {"epsilon": "$eps", "center": "$elementwise_affine", "scale": "$elementwise_affine"},
            WITH_AFFINE,
        ),
    ),
    "relu": _everywhere(KerasCall("keras.layers.ReLU")),
    "leaky_relu": KerasOp(LEAKY_RELU, LEAKY_RELU, refusal=_no_negative_slope),
    "prelu": _everywhere(
        KerasCall(
            "keras.layers.PReLU",
            {
                "alpha_initializer": KerasCall("keras.initializers.Constant", {"value": "$init"}),
                "shared_axes": "$inner_axes",
            },
        )
    ),
    "elu": _everywhere(KerasCall("keras.layers.ELU", {"alpha": "$alpha"}, {"alpha": 1.0})),
    "gelu": KerasOp(GELU, GELU, terms=lambda arguments: {"approximate": arguments["approximate"] == "tanh"}),
    **{name: _activation(name) for name in ("selu", "relu6", "tanh", "sigmoid", "softplus", "silu", "mish")},
    "hardswish": _activation("hard_swish"),
    "dropout": _everywhere(KerasCall("keras.layers.Dropout", {"rate": "$p"})),
    "spatial_dropout": KerasOp(KerasCall("keras.layers.SpatialDropout{dims}D", {"rate": "$p"})),
    "alpha_dropout": _everywhere(KerasCall("keras.layers.AlphaDropout", {"rate": "$p"})),
    "feature_alpha_dropout": KerasOp(
        KerasCall("keras.layers.AlphaDropout", {"rate": "$p", "noise_shape": "$one_per_channel"})
    ),
    "max_pool": KerasOp(KerasCall("keras.layers.MaxPooling{dims}D", POOL, {"padding": "valid"}), pads_lowest=True),
    "avg_pool": KerasOp(KerasCall("keras.layers.AveragePooling{dims}D", POOL, {"padding": "valid"})),
}
