from __future__ import annotations

import contextlib
import copy
import pickle
import re
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ordersearch.errors import OrdersearchError, SpecError, UnknownNameError
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec
from ordersearch.spec.block_spec import MAX_OPS
from ordersearch.spec.notation import MAX_LENGTH
from tests.strategies import block_specs

parse = BlockSpec.parse
CONVENTION = "conv > batch_norm > relu > max_pool > dropout(p=0.1)"


@given(block_specs())
def test_parse_and_str_are_inverse(spec: BlockSpec) -> None:
    assert parse(str(spec)) == spec
    assert str(parse(str(spec))) == str(spec)


@settings(max_examples=40)
@given(
    block_specs(), st.sampled_from([" > ", "->", " -> ", " --> ", "→", " | ", ", ", "; ", "\n", " - ", " \u2013 ", ">"])
)
def test_every_separator_reads_alike(spec: BlockSpec, separator: str) -> None:
    assert parse(separator.join(map(str, spec))) == spec


@settings(max_examples=40)
@given(block_specs(on_maps=True))
def test_writing_spells_every_parameter_out_or_leaves_the_default(spec: BlockSpec) -> None:
    spelt = " > ".join(f"{op.name}({', '.join(f'{k}={_written(v)}' for k, v in op.params.items())})" for op in spec)
    assert parse(spelt) == spec


def _written(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


# What people write, from DESIGN and PyTorch's and Keras' manuals, to what it means.
SPELLINGS = {
    "conv(kernel=3) > batch_norm > relu > max_pool > dropout(p=0.1)": CONVENTION,
    "conv -> bn → relu => pool ⟶ dropout(0.1)": CONVENTION,
    "conv-bn-relu-max-pool-dropout(0.1)": CONVENTION,
    "Conv2D -> BatchNormalization -> ReLU -> MaxPooling2D -> Dropout(0.1)": CONVENTION,
    "CONV > Batch Norm > ReLU > Max Pool > Dropout(rate=.1)": CONVENTION,
    "conv > batch-norm > relu > max-pool > dropout(drop_prob=1e-1)": CONVENTION,
    "nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(0.1))": (
        CONVENTION
    ),
    "torch.nn.Sequential([\n  torch.nn.Conv2d(3, 64, (3, 3)),\n  torch.nn.ReLU(),\n])": "conv > relu",
    "model = keras.Sequential([layers.Conv2D(8, 3, activation='relu'), layers.MaxPooling2D((2, 2))])": (
        "conv > relu > max_pool"
    ),
    "self.conv1 = nn.Conv2d(1, 8, 5)\nself.bn1 = nn.BatchNorm2d(8)": "conv(kernel=5) > batch_norm",
    "nn.Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)": "conv(padding=1, bias=false)",
    "nn.Conv2d(3, 64, 3, 1, 1)": "conv(padding=1)",
    "nn.Conv2d(3, 64, 3, padding='valid')": "conv(padding=0)",
    "Conv2D(filters=64, kernel_size=[3, 3], padding='same', use_bias=False)": "conv(bias=false)",
    "Conv2D(64, 3, 1, 'valid')": "conv(padding=0)",
    "nn.Linear(10, 20, False) > nn.LayerNorm(20)": "linear(bias=false) > layer_norm",
    "Linear(10, 20) > LayerNorm(20)": "linear > layer_norm",
    "conv > GroupNorm(4, 64)": "conv > group_norm(groups=4)",
    "conv > nn.GroupNorm(num_groups=4, num_channels=64)": "conv > group_norm(groups=4)",
    "keras.layers.Dense(64, activation='relu', name='fc, one') > Dropout(rate=0.5)": "linear > relu > dropout",
    "Dense(64, activation='linear')": "linear",
    "Dense(64) > Activation('linear') > Activation('tanh')": "linear > tanh",
    "conv > nn.Dropout2d(0.1)": "conv > spatial_dropout(p=0.1)",
    "conv > SpatialDropout2D(0.1)": "conv > spatial_dropout(p=0.1)",
    "conv > nn.Dropout(0.1)": "conv > dropout(p=0.1)",
    "conv > nn.MaxPool2d(3, 2, 1)": "conv > max_pool(kernel=3, stride=2, padding=1)",
    "conv > MaxPooling2D(pool_size=(2, 2), strides=2)": "conv > max_pool(stride=2)",
    "conv > nn.LeakyReLU(0.1, inplace=True)": "conv > leaky_relu(negative_slope=0.1)",
    "conv > LeakyReLU(alpha=0.1)": "conv > leaky_relu(negative_slope=0.1)",
    "conv > nn.GELU(approximate='none') > nn.GELU('tanh')": "conv > gelu > gelu(approximate=tanh)",
    "conv > F.relu > torch.tanh": "conv > relu > tanh",
    "conv > BatchNormalization(momentum=0.99, epsilon=0.001)": "conv > batch_norm(eps=0.001, momentum=0.01)",
    "conv > layers.BatchNormalization(momentum=0.9, axis=-1)": "conv > batch_norm",
    "conv > nn.BatchNorm2d(64, momentum=0.9)": "conv > batch_norm(momentum=0.9)",
    "conv > batch_norm(momentum=0.9)": "conv > batch_norm(momentum=0.9)",
    "conv  # the weights\n\n# and then\nrelu": "conv > relu",
    "batch_norm > relu > conv > batch_norm > relu > conv > add": (
        "batch_norm > relu > conv > batch_norm > relu > conv > add"
    ),
    "BN - ReLU - Weights - shortcut": "batch_norm > relu > conv > add",
}


@pytest.mark.parametrize(("pasted", "meant"), SPELLINGS.items(), ids=[text[:60] for text in SPELLINGS])
def test_reading_is_forgiving(pasted: str, meant: str) -> None:
    assert str(parse(pasted)) == meant


# The orders that the threads and tutorials print, as they print them.
THREADS = {
    "CONV/FC -> BatchNorm -> Activation -> Dropout": "conv > batch_norm > relu > dropout",
    "Conv2D -> BatchNorm -> Activation -> Dropout": "conv > batch_norm > relu > dropout",
    "BN --> ReLU --> Weights": "batch_norm > relu > conv",
    "ConvLayer - SpatialDropout - BatchNormalization - Activation function - MaxPooling": (
        "conv > spatial_dropout > batch_norm > relu > max_pool"
    ),
    "x = Convolution1D(64, 5, activation='relu')(inp)\nx = MaxPooling1D()(x)\n"
    "x = Dropout(0.2)(x)\nx = BatchNormalization()(x)": (
        "conv(kernel=5) > relu > max_pool > dropout(p=0.2) > batch_norm"
    ),
    "x = Convolution1D(64, 5, activation='relu')(inp) x = MaxPooling1D()(x) x = Dropout(0.2)(x) "
    "x = BatchNormalization()(x)": "conv(kernel=5) > relu > max_pool > dropout(p=0.2) > batch_norm",
    "x = Convolution1D(64, 5)(x)\nx = BatchNormalization()(x)\nx = Activation('relu')(x)\n\nx = MaxPooling1D()(x)\n"
    "x = Dropout(0.2)(x)": "conv(kernel=5) > batch_norm > relu > max_pool > dropout(p=0.2)",
    "# Convolutional block\nmodel.add(layers.Conv2D(32, (3, 3), input_shape=input_shape))\n"
    "model.add(layers.BatchNormalization())\nmodel.add(layers.Activation('relu'))\nmodel.add(layers.Dropout(0.25))\n": (
        "conv > batch_norm > relu > dropout(p=0.25)"
    ),
    "# Another convolutional block (optional)\nmodel.add(layers.Conv2D(64, (3, 3)))\n"
    "model.add(layers.BatchNormalization())\nmodel.add(layers.Activation('relu'))\n"
    "model.add(layers.MaxPooling2D((2, 2)))\nmodel.add(layers.Dropout(0.25))": (
        "conv > batch_norm > relu > max_pool > dropout(p=0.25)"
    ),
    "model.add(layers.Dense(128))\nmodel.add(layers.BatchNormalization())\nmodel.add(layers.Activation('relu'))\n"
    "model.add(layers.Dropout(0.5))": "linear > batch_norm > relu > dropout",
    # The question itself leaves brackets out.
    "model.add(Conv2D(32,(3,3))\nmodel.add(BatchNormalization())\nmodel.add(Activation('relu'))\n"
    "model.add(Conv2D(32,(3,3))\nmodel.add(BatchNormalization())\nmodel.add(Activation('relu'))\n"
    "model.add(MaxPooling2D(pool_size=(2,2))\nmodel.add(Dropout(0.2))": (
        "conv > batch_norm > relu > conv > batch_norm > relu > max_pool > dropout(p=0.2)"
    ),
    "model.add(Dense(512))\nmodel.add(BatchNormalization())\nmodel.add(Activation('relu'))\nmodel.add(Dropout(0.4))": (
        "linear > batch_norm > relu > dropout(p=0.4)"
    ),
    'model.add(Conv2D(64, 3, padding = "same"))\nmodel.add(BatchNormalization())\nmodel.add(Activation("relu"))\n'
    "model.add(MaxPooling2D(pool_size=(2,2)))": "conv > batch_norm > relu > max_pool",
}


@pytest.mark.parametrize(("pasted", "meant"), THREADS.items(), ids=[text[:60] for text in THREADS])
def test_orders_of_the_threads_are_read(pasted: str, meant: str) -> None:
    assert str(parse(pasted)) == meant


# What PyTorch prints of modules; a padding of 0 is not printed.
PRINTED = {
    """Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
      (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
      (2): ReLU(inplace=True)
      (3): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
      (4): Dropout(p=0.1, inplace=False)
    )""": "conv(bias=false) > batch_norm > relu > max_pool > dropout(p=0.1)",
    """DoubleConv(
      (block): Sequential(
        (conv): Conv1d(3, 8, kernel_size=(5,), stride=(1,), padding=(2,))
        (norm-1): BatchNorm1d(8, eps=0.001, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        (acts): ModuleList(
          (0-1): 2 x LeakyReLU(negative_slope=0.2, inplace=True)
        )
        (pools): Sequential(
          (0-1): 2 x AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))
        )
        (none): Sequential()
      )
      (last): Identity()
    )""": "conv(kernel=5) > batch_norm(eps=0.001) > leaky_relu(negative_slope=0.2) > leaky_relu(negative_slope=0.2) > "
    "avg_pool > avg_pool",
    "(0): Conv3d(3, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1)) (1): PReLU(num_parameters=1) (act): Softplus(beta=1.0, "
    "threshold=20.0) (2): GroupNorm(4, 8, eps=1e-05, affine=True)": (
        "conv(padding=0) > prelu > softplus > group_norm(groups=4)"
    ),
    "Sequential(\n(0): Linear(in_features=5, out_features=8, bias=True)\n(1): LayerNorm((8,), eps=1e-05, "
    "elementwise_affine=True)\n(2): GELU(approximate='none')\n)": "linear > layer_norm > gelu",
    "(conv): Conv2d(3, 8, kernel_size=(1, 1), stride=(1, 1))\n(shortcut): Sequential(\n(0): Conv2d(3, 8, 1)\n)": (
        "conv(kernel=1) > add"
    ),
}


@pytest.mark.parametrize(("printed", "meant"), PRINTED.items(), ids=[text[:20] for text in PRINTED])
def test_printed_modules_are_read(printed: str, meant: str) -> None:
    assert str(parse(printed)) == meant
    assert str(parse(printed.replace("\n", " "))) == meant


BROKEN = {
    "": r"^Block '' is empty\. Write for example 'conv > batch_norm > relu",
    " > > ": r" is empty\. Write for example",
    "conv(": r"^Block 'conv\(' has a bracket or quote that is opened and not closed",
    "conv('a)": r"has a bracket or quote",
    "conv > dropout(p=1.2)": (
        r"^Block 'conv > dropout\(p=1\.2\)', op 2: dropout\(p=\.\.\.\): got 1\.2, but a rate lies in \[0, 1\)\.$"
    ),
    "conv > dropout(nan)": r"op 2: dropout\(p=\.\.\.\): got 'nan', but a rate lies in \[0, 1\)\.$",
    "conv > dropout(p=1e999)": r"op 2: .*: got inf, but a rate lies",
    "conv > relu > max_pool(kernel=0)": r"op 3: max_pool\(kernel=\.\.\.\): got 0, but kernel is an integer from 1",
    "conv(kernel=" + "9" * 5000 + ")": r"op 1: conv\(kernel=\.\.\.\): got inf, but kernel is an integer",
    "conv > dropout(x=1)": r"op 2: Op 'dropout' has no parameter 'x'\. It has: p\.$",
    "conv > relu(1)": r"op 2: relu takes no value at place 1, but got '1'\. Name it: parameter=value\.$",
    "conv > dropout(p=0.1, rate=0.2)": r"op 2: dropout is given 'p' twice\.$",
    "conv(kernel=(3, 5))": r"op 1: got '\(3, 5\)', but a window has the same size in every dimension",
    "Conv2D(64, 3, strides=2)": r"op 1: conv\(stride=2\): a spec holds no stride, since the network gives it",
    "conv > 3 > relu": r"op 2: got '3', but an op is written as name\(parameter=value, \.\.\.\)\.$",
    "conv > Activation('dropout')": r"op 2: got 'dropout' for an activation, but it is a dropout\.$",
    "relu > dropout": r"^Block 'relu > dropout' has no weight, but a block has at least one conv or linear\.$",
    "conv > relu > linear": r"holds conv and linear, but a block works either on maps or on features: make two blocks",
    "linear > relu > max_pool": (
        r"^Block 'linear > relu > max_pool': op 3 \(max_pool\) works on maps alone, but this block works on features\. "
        r"Leave it out or take another pool\.$"
    ),
    "relu > add > conv": r"op 2 \(add\) joins the shortcut to a branch without a weight",
    "conv > add > add": r"op 3 \(add\) joins",
    "Sequential(" * 100 + "conv" + ")" * 100: r"is nested more than 20 deep",
    "Sequential((0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2)))": r"op 1: conv\(stride=2\): a spec holds no",
    "(0): Conv2d(3, 8, 3) (1): MaxPool2d(2, ceil_mode=True)": r"op 2: Op 'max_pool' has no parameter 'ceil_mode'",
    "(0): Conv2d(3, 8, 3) (1): LayerNorm((8,), bias=False)": r"op 2: Op 'layer_norm' has no parameter 'bias'",
    "(0): Conv2d(3, 8, 3, padding_mode=reflect)": r"op 1: Op 'conv' has no parameter 'padding_mode'",
    "Net((0-1): 2 x Sequential((0): Conv2d(3, 3, 3)))": r"op 1: got '2 x Sequential.*', but an op is written as name",
    "Net(" + "(0): Sequential(" * 30 + "(0): ReLU()" + ")" * 31: r"is nested more than 20 deep",
    "conv" + " > relu" * MAX_OPS: rf"has {MAX_OPS + 1} ops, but a block has at most {MAX_OPS}\.$",
    "conv" + " " * MAX_LENGTH: rf"^Block 'conv .*' has {MAX_LENGTH + 4} characters, but the notation takes at most",
}


@pytest.mark.parametrize(("text", "message"), BROKEN.items(), ids=[text[:40] for text in BROKEN])
def test_errors_name_the_op_and_the_condition(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse(text)
    assert len(str(caught.value)) < 6000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv > rleu", r"^No op is named 'rleu'\. Did you mean 'relu'\? Known: add, alpha_dropout, "),
        ("conv > BatchNormm2d", r"Did you mean 'batch_norm'\?"),
        ("model.add(layers.Flatten())\nmodel.add(layers.Dense(128))", r"^No op is named 'layers\.Flatten'\. Known"),
        ("Sequential((0): Conv2d(3, 8, 3) (1): Flatten(start_dim=1, end_dim=-1))", r"^No op is named 'Flatten'\."),
        ("Dense(10, activation='softmax')", r"^No op is named 'softmax'"),
    ],
)
def test_unknown_op_gives_the_nearest(text: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        parse(text)


@pytest.mark.parametrize("value", [None, 3, b"conv", ["conv"]])
def test_what_is_no_text_says_so(value: object) -> None:
    with pytest.raises(SpecError, match=rf"^A block is written as text .*, but got {re.escape(repr(value))}\.$"):
        parse(value)  # type: ignore[arg-type]


PASTED = st.lists(
    st.sampled_from(
        [
            *"()[]{}<>=-|;:,.'\"#_ \n09",
            "conv",
            "relu",
            "dropout",
            "nn.",
            "Sequential(",
            "model.add(",
            "p=",
            "→",
            "(0): ",
            "A((b): ",
            "2 x ",
        ]
    ),
    max_size=30,
).map("".join)


@given(st.text() | PASTED)
@example("conv" + " " * 9_000 + "x")
@example("conv" + "\n" * 9_000 + "x(")
@example("-" * 9_999)
@example("model.add(" * 900)
@example("Sequential(" * 800 + "conv" + ")" * 800)
@example("A((a): " * 900 + ")" * 900)
@example("(0-9): 99 x " * 800)
@example("a.b.c(" * 900 + ")" * 900)
@example("conv(kernel=(" + "1," * 4_000 + "))")
def test_garbage_gives_a_spec_or_our_error(text: str) -> None:
    with contextlib.suppress(OrdersearchError):
        spec = parse(text)
        assert parse(str(spec)) == spec


@settings(max_examples=40)
@given(block_specs())
def test_spec_is_a_value(spec: BlockSpec) -> None:
    again = BlockSpec(OpSpec(op.name, **op.params) for op in spec)
    assert again == spec
    assert again is not spec
    assert hash(again) == hash(spec)
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec
    assert (again.digest, again.order) == (spec.digest, spec.order)
    assert eval(repr(spec)) == spec
    assert spec != str(spec)
    assert list(spec) == list(spec.ops)
    assert len(spec) == len(spec.ops)


@settings(max_examples=40)
@given(block_specs(), block_specs())
def test_equality_is_that_of_the_text(a: BlockSpec, b: BlockSpec) -> None:
    assert (a == b) == (str(a) == str(b)) == (a.digest == b.digest)


def test_spec_is_immutable() -> None:
    spec = parse(CONVENTION)
    for name in ("ops", "digest", "other"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(spec, name, ())
    assert str(spec) == CONVENTION


def test_digest_is_this_on_every_machine_for_ever() -> None:
    code = f"from ordersearch.spec import BlockSpec; print(BlockSpec.parse({CONVENTION!r}).digest)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == parse(CONVENTION).digest == "0479dab7c1f7"


def test_order_leaves_the_parameters_out() -> None:
    assert parse(CONVENTION).order == "conv > batch_norm > relu > max_pool > dropout"


def test_without_leaves_ops_of_a_role_out() -> None:
    spec = parse(CONVENTION)
    assert str(spec.without(Role.POOL, Role.DROPOUT)) == "conv > batch_norm > relu"
    assert spec.without() is spec
    assert spec.without(Role.MERGE) is spec
    with pytest.raises(SpecError, match="has no weight"):
        spec.without(Role.WEIGHT)


@settings(max_examples=40)
@given(block_specs())
def test_maps_or_features_follow_the_weight(spec: BlockSpec) -> None:
    assert spec.on_maps == ("conv" in spec.order)


def test_what_the_place_in_the_network_decides_is_read_over() -> None:
    pasted = "layers.Conv2D(32, (3,3), activation='relu', input_shape=(28,28,1)), layers.MaxPooling2D((2,2))"
    assert str(BlockSpec.parse(pasted)) == "conv > relu > max_pool"
