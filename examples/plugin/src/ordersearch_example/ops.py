"""The row of the op table. It imports no torch: parameters and traits are enough to read and to compare orders."""

from ordersearch.ops import Call, OpKind, Role, Trait
from ordersearch.ops.bounds import number

LAYER = Call("ordersearch_example.layers.SquaredReLU", {"scale": "$scale"})

SQUARED_RELU = OpKind(
    "squared_relu",
    Role.ACTIVATION,
    "scale max(x, 0)^2 (So et al. 2021, arXiv:2109.08668)",
    on_maps=LAYER,
    on_features=LAYER,
    params=(number("scale", 1.0, "scale is greater than 0", lambda value: value > 0),),
    # It never decreases, so it may be swapped with max-pool. No factor passes through a square, so not with dropout.
    traits=frozenset({Trait.MONOTONE}),
)
