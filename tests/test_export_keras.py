"""Source for Keras is held against Keras itself, and against the block that PyTorch trains."""

from __future__ import annotations

import inspect
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ordersearch import SearchSpace, build_block
from ordersearch.block import Block, Residual
from ordersearch.errors import ExportError, SpecError
from ordersearch.export.format import export_blocks, reason_against
from ordersearch.export.keras_source import KERAS
from ordersearch.ops import Call, KerasCall, KerasOp, OpKind, Role, op_kind
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.space import shipped_spaces
from ordersearch.spec import BlockSpec
from tests.exported_source import require_tidy
from tests.library_blocks import defined

# Keras 3.15 turns tensors of torch into arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TOLERANCE = 1e-5
SIZES = {1: (9,), 2: (8, 7), 3: (6, 7, 8)}


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keras on torch, unless the environment asks for another backend; its settings are not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        return import_module("keras")


def exported(spec: BlockSpec, dims: int) -> Callable[..., Any]:
    """The function that the exported source of a block defines."""
    function: Callable[..., Any] = defined(export_blocks({"tested": spec}, "keras", dims=dims))["tested_block"]
    return function


def keras_model(keras: Any, spec: BlockSpec, x: Tensor, width: int, *, stride: int = 1) -> Any:
    """The exported block as a model for inputs like ``x``, channels last."""
    inputs = keras.Input(tuple(x.shape[1:]))
    strides = {} if stride == 1 else {"strides": stride}
    return keras.Model(inputs, exported(spec, x.ndim - 2)(inputs, width, **strides))


KERAS_CLASSES = {
    "Conv": "Conv",
    "Linear": "Dense",
    "BatchNorm": "BatchNormalization",
    "GroupNorm": "GroupNormalization",
    "LayerNorm": "LayerNormalization",
    "PReLU": "PReLU",
}


def torch_layers(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of a block as the source names them: a shortcut comes before its branch."""
    children = (module.shortcut, module.branch) if isinstance(module, Residual) else tuple(module.children())
    for child in children:
        yield from torch_layers(child)
    if not children and module.state_dict():
        yield module


def values(layer: nn.Module) -> list[Tensor]:
    """The weights of a layer in the order and with the axes that Keras has."""
    own = {name: value for name, value in layer.state_dict().items() if name != "num_batches_tracked"}
    if isinstance(layer, nn.PReLU):
        return [own["weight"]]
    if "weight" in own:
        kernel = own["weight"]
        own["weight"] = kernel.permute(*range(2, kernel.ndim), 1, 0) if kernel.ndim > 1 else kernel
    return [own[name] for name in ("weight", "bias", "running_mean", "running_var") if name in own]


def pairs(block: nn.Module, model: Any) -> list[tuple[nn.Module, Any]]:
    """Each layer with weights in PyTorch and in Keras: Keras numbers the layers of a class as they are made."""
    by_class: dict[str, list[Any]] = defaultdict(list)
    for layer in model.layers:
        if layer.weights:
            by_class[re.sub(r"[123]D$", "", type(layer).__name__)].append(layer)
    for layers in by_class.values():
        layers.sort(key=lambda layer: int((re.search(r"_(\d+)$", layer.name) or [0, 0])[1]))
    found = []
    for one in torch_layers(block):
        name = re.sub(r"[123]d$", "", type(one).__name__)
        found.append((one, by_class[KERAS_CLASSES[name]].pop(0)))
    assert not any(by_class.values())
    return found


def copy_weights(block: Block, model: Any) -> None:
    for one, other in pairs(block, model):
        copied = values(one)
        if isinstance(one, nn.PReLU):
            copied = [copied[0].reshape(tuple(other.weights[0].shape))]
        other.set_weights([value.numpy().copy() for value in copied])


def unsettle(block: Block) -> None:
    """Moves scales, shifts and running statistics from where they start."""
    with torch.no_grad():
        for name, value in (*block.named_parameters(), *block.named_buffers()):
            if "running_var" in name:
                value.copy_(torch.rand(value.shape) + 0.5)
            elif value.ndim == 1 and value.is_floating_point() and value.numel() > 1:
                value.add_(torch.randn(value.shape) * 0.3)


def channels_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def answer(keras: Any, model: Any, x: Tensor, *, training: bool) -> Tensor:
    """What a Keras model makes of an input, with its channels where PyTorch has them."""
    made = keras.ops.convert_to_numpy(model(channels_last(x).numpy(), training=training))
    return torch.from_numpy(made).movedim(-1, 1)


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) if a.shape == b.shape else float("inf")


def running_statistics(block: Block, model: Any) -> list[list[Tensor]]:
    """Running mean and variance of each batch norm, then Keras' of the same."""
    norms = [(values(one), other.get_weights()) for one, other in pairs(block, model) if "BatchNorm" in str(one)]
    return [[*own[-2:], *map(torch.from_numpy, its[-2:])] for own, its in norms]


def excess(
    keras: Any, spec: BlockSpec, widths: tuple[int, int] = (4, 8), *, sizes: Sequence[int] = SIZES[2], stride: int = 1
) -> float:
    """How far Keras is from PyTorch, as a multiple of what is allowed; in training where nothing is dropped, too."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = build_block(spec, *widths, dims=len(sizes), stride=stride)
        x = torch.randn((5, widths[0], *(sizes if spec.on_maps else ())))
        unsettle(block)
    model = keras_model(keras, spec, channels_last(x), widths[1], stride=stride)
    copy_weights(block, model)
    with torch.no_grad():
        found = [apart(block.eval()(x), answer(keras, model, x, training=False)) / TOLERANCE]
        if not any(op.role is Role.DROPOUT for op in spec):
            trained = apart(block.train()(x), answer(keras, model, x, training=True))
            # A norm divides by what may be small.
            found.append(trained / (10 * TOLERANCE))
            found += [apart(mean, its) / TOLERANCE for mean, _, its, _ in running_statistics(block, model)]
    # Unlike max(), NaN wins.
    return float(torch.tensor(found).max())


def differing(keras: Any, specs: Sequence[BlockSpec]) -> dict[str, float]:
    found = {str(spec): excess(keras, spec) for spec in specs}
    return {text: multiple for text, multiple in found.items() if not multiple <= 1}


def specs_of(space: str) -> list[BlockSpec]:
    return [spec for specs in SearchSpace.load(space).blocks().values() for spec in specs]


@pytest.mark.parametrize(("space", "n_specs"), [("conv", 154), ("dense", 34)])
def test_every_order_of_a_space_is_the_block_that_pytorch_trains(keras: Any, space: str, n_specs: int) -> None:
    specs = specs_of(space)
    assert len(specs) == n_specs
    assert differing(keras, specs) == {}


@pytest.mark.parametrize("space", ["activations", "norms", "pooling", "pre_activation", "residual", "spatial", "wide"])
def test_orders_of_other_spaces_are_the_blocks_that_pytorch_trains(keras: Any, space: str) -> None:
    specs = specs_of(space)
    assert differing(keras, specs[:: len(specs) // 40 + 1]) == {}


def test_no_order_of_a_shipped_space_is_refused() -> None:
    assert {
        str(spec): reason
        for space in shipped_spaces()
        for spec in specs_of(space)
        if (reason := reason_against(spec, KERAS, 2))
    } == {}


BLOCKS = (
    "conv(kernel=1) > batch_norm(eps=0.1, momentum=0.37) > relu",
    "conv(kernel=2) > batch_norm(affine=false) > leaky_relu(negative_slope=0.3)",
    "conv(kernel=5, bias=false) > elu(alpha=0.7)",
    "conv(kernel=4, dilation=2) > selu",
    "conv(dilation=2) > prelu(init=0.4)",
    "conv(dilation=2, padding=1) > gelu",
    "conv(groups=4) > gelu(approximate=tanh)",
    "conv(groups=2, kernel=2) > hardswish",
    "conv(padding=0) > softplus > conv(padding=2) > mish",
    "conv(kernel=5, padding=1) > relu6 > silu",
    "conv(kernel=2, padding=1) > group_norm(eps=0.01, affine=false) > sigmoid",
    "conv > tanh > layer_norm(eps=0.01) > conv > group_norm(groups=1)",
    "layer_norm(affine=false) > conv > group_norm > relu",
    "conv > max_pool(kernel=3)",
    "conv > max_pool(kernel=3, stride=2, padding=1)",
    "conv > max_pool(kernel=3, stride=1, padding=1)",
    "conv > max_pool(kernel=2, stride=1, padding=1)",
    "conv > max_pool(kernel=3, stride=1)",
    "conv > avg_pool(stride=1)",
    "conv > avg_pool(kernel=3, stride=2, padding=1)",
    "conv > avg_pool(kernel=3, stride=1, padding=1)",
    "conv > avg_pool(kernel=3, stride=1, padding=1, count_include_pad=false)",
    "conv > batch_norm > relu > conv > batch_norm > add > relu",
    "conv > max_pool > add > conv(groups=2) > prelu > add > conv > avg_pool",
    "batch_norm > relu > conv > layer_norm > gelu > conv(kernel=5) > add",
)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", BLOCKS)
def test_parameters_mean_what_they_mean_in_pytorch(keras: Any, text: str, dims: int) -> None:
    spec = BlockSpec.parse(text)
    takes_strides = "strides" in inspect.signature(exported(spec, dims)).parameters
    for stride in (1, 2) if takes_strides else (1,):
        for sizes in (SIZES[dims], [size + 1 for size in SIZES[dims]]):
            assert excess(keras, spec, sizes=sizes, stride=stride) <= 1


@pytest.mark.parametrize("widths", [(8, 8), (12, 7), (7, 22)], ids=str)
@pytest.mark.parametrize(
    "text",
    [
        "conv > group_norm > relu > conv > add > group_norm(groups=3)",
        "linear > group_norm(groups=6) > linear > add > layer_norm(eps=0.1)",
    ],
)
def test_groups_and_shortcuts_follow_the_width(keras: Any, text: str, widths: tuple[int, int]) -> None:
    assert excess(keras, BlockSpec.parse(text), widths) <= 1


STRIDED = {
    "conv > relu": True,
    "batch_norm > relu > conv > conv(dilation=2) > add": True,
    "conv > max_pool(kernel=3, stride=1, padding=1)": True,
    "conv > relu > max_pool": False,
    "conv > avg_pool(kernel=3, stride=2)": False,
    "conv(dilation=2) > relu": False,
    "conv(kernel=2) > relu": False,
    "conv(kernel=2, padding=0) > relu": True,
    "linear > relu": False,
}


def test_a_block_takes_strides_where_no_pool_makes_maps_smaller_and_keras_has_the_layer() -> None:
    assert {
        text: "strides" in inspect.signature(exported(BlockSpec.parse(text), 2)).parameters for text in STRIDED
    } == STRIDED


def test_running_variances_are_the_biased_ones_of_keras_and_the_header_says_so(keras: Any) -> None:
    spec = BlockSpec.parse("linear > batch_norm(momentum=0.3) > relu")
    block = build_block(spec, 4, 8)
    x = torch.randn((6, 4), generator=torch.Generator().manual_seed(0))
    model = keras_model(keras, spec, x, 8)
    copy_weights(block, model)
    block.train()(x)
    answer(keras, model, x, training=True)
    [[_, variance, _, its]] = running_statistics(block, model)
    n = len(x)
    assert apart(its, 0.7 + (variance - 0.7) * (n - 1) / n) <= 1e-6
    assert apart(its, variance) > 0.01
    caveat = "n / (n - 1)"
    assert caveat in export_blocks({"dense": spec}, "keras")
    assert caveat not in export_blocks({"dense": BlockSpec.parse("linear > layer_norm > relu")}, "keras")


DROPOUTS = {
    "dropout": ("Dropout", False),
    "spatial_dropout": ("SpatialDropout{}D", True),
    "alpha_dropout": ("AlphaDropout", False),
    "feature_alpha_dropout": ("AlphaDropout", True),
}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("name", "layer_name", "per_map"), [(name, *told) for name, told in DROPOUTS.items()])
def test_dropouts_draw_from_pytorchs_law(keras: Any, name: str, layer_name: str, per_map: bool, dims: int) -> None:
    rate = 0.3
    spec = BlockSpec.parse(f"{name}(p={rate}) > conv(kernel=1)")
    x = torch.full((500, 8, *[3] * dims), 2.0)
    layer = keras_model(keras, spec, channels_last(x), 8).layers[1]
    assert (type(layer).__name__, layer.rate) == (layer_name.format(dims), rate)
    found: Any = answer(keras, layer, x, training=True)
    expected: Any = build_block(spec, 8, 8, dims=dims).train()[0](x)
    assert apart(found.unique(), expected.unique()) <= TOLERANCE
    is_kept = found == found.max()
    kept_of_maps = is_kept.flatten(2).float().mean(2)
    assert bool(((kept_of_maps == 0) | (kept_of_maps == 1)).all()) == per_map
    # Six standard deviations of the mean of as many draws.
    n_draws = 500 * 8 if per_map else found.numel()
    assert abs(float(is_kept.float().mean()) - (1 - rate)) < 6 * (rate * (1 - rate) / n_draws) ** 0.5


@pytest.mark.parametrize("text", ["conv(groups=2) > relu", "linear > relu", "conv(kernel=5) > prelu(init=0.1)"])
def test_initial_weights_follow_pytorchs_law(keras: Any, text: str) -> None:
    spec = BlockSpec.parse(text)
    x = torch.zeros((1, 32, *([8, 8] if spec.on_maps else [])))
    block, model = build_block(spec, 32, 600), keras_model(keras, spec, channels_last(x), 600)
    for one, other in pairs(block, model):
        for own, its in zip(values(one), other.get_weights(), strict=True):
            its = torch.from_numpy(its).flatten()  # noqa: PLW2901
            if isinstance(one, nn.PReLU):
                assert its.tolist() == own.tolist()
                continue
            # Of 600 draws, the largest comes within 3 % of the bound; kernels have more.
            assert float(its.abs().max()) == pytest.approx(float(own.abs().max()), rel=0.03)
            assert float(its.std()) == pytest.approx(float(own.std()), rel=0.15)


def test_two_layers_of_a_shape_do_not_start_alike(keras: Any) -> None:
    x = torch.zeros((1, 6))
    first, second = keras_model(keras, BlockSpec.parse("linear > linear"), x, 6).layers[1:]
    assert apart(torch.from_numpy(first.get_weights()[0]), torch.from_numpy(second.get_weights()[0])) > 0.1


REFUSED = {
    "conv > leaky_relu(negative_slope=-0.1)": (
        "Keras' LeakyReLU takes no slope below 0, but has -0.1 here (op 2, leaky_relu)"
    ),
    "conv > relu > avg_pool(kernel=3, stride=2, padding=1, count_include_pad=false)": (
        "Keras leaves padding out of a mean only where it is half of an odd kernel, at stride 1 (op 3, avg_pool)"
    ),
    "conv > avg_pool(kernel=2, stride=1, padding=1, count_include_pad=false)": (
        "Keras leaves padding out of a mean only where it is half of an odd kernel, at stride 1 (op 2, avg_pool)"
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_what_keras_cannot_do_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ExportError, match=f"^{re.escape(reason)}$"):
        KERAS.check(BlockSpec.parse(text), 2)


def test_a_place_that_there_is_not_is_refused() -> None:
    with pytest.raises(SpecError, match="got dims=4, but maps have 1, 2 or 3 dimensions"):
        KERAS.check(BlockSpec.parse("conv > relu"), 4)


@pytest.fixture
def celu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[KerasOp | None], BlockSpec]]:
    """A block with an op that a plugin adds, with or without its Keras call."""

    def block(keras_op: KerasOp | None) -> BlockSpec:
        call = Call("torch.nn.CELU")
        row = OpKind("celu", Role.ACTIVATION, "continuously differentiable ELU", call, call, keras=keras_op)
        monkeypatch.setitem(BUILTIN_OPS, "celu", row)
        op_kind.cache_clear()
        return BlockSpec.parse("linear > celu")

    yield block
    op_kind.cache_clear()


def test_an_op_of_a_plugin_is_exported_by_its_own_call(keras: Any, celu: Callable[[KerasOp | None], BlockSpec]) -> None:
    called = KerasCall("keras.activations.celu", {"alpha": 1.0})
    assert excess(keras, celu(KerasOp(called, called))) <= 1


def test_an_op_of_a_plugin_without_a_call_of_keras_is_refused(celu: Callable[[KerasOp | None], BlockSpec]) -> None:
    spec = celu(None)
    with pytest.raises(ExportError, match=r"^the op table knows no call of Keras for op 2, celu$"):
        KERAS.check(spec, 2)


def keras_calls(call: KerasCall | None) -> Iterator[KerasCall]:
    if call is not None:
        yield call
        for value in call.arguments.values():
            yield from keras_calls(value if isinstance(value, KerasCall) else None)


def test_calls_and_what_they_leave_out_are_as_in_keras(keras: Any) -> None:
    rows = [row.keras for row in BUILTIN_OPS.values() if row.role is not Role.MERGE]
    assert None not in rows
    calls = [call for row in rows if row for own in (row.on_maps, row.on_features) for call in keras_calls(own)]
    for call in calls:
        for dims in (1, 2, 3):
            target = keras
            for part in call.target.format(dims=dims).split(".")[1:]:
                target = getattr(target, part)
            parameters = inspect.signature(target).parameters
            assert {key for key in call.arguments if not key.startswith("**")} <= set(parameters)
            for key, value in call.implied.items():
                assert parameters[key].default in (value, (value,) * dims)


def test_a_model_with_functions_among_its_layers_can_be_saved(keras: Any, tmp_path: Path) -> None:
    spec = BlockSpec.parse("conv > gelu(approximate=tanh) > max_pool(kernel=3, stride=2, padding=1)")
    x = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    model = keras_model(keras, spec, channels_last(x), 4)
    path = tmp_path / "block.keras"
    model.save(path)
    assert (
        apart(answer(keras, keras.models.load_model(path), x, training=False), answer(keras, model, x, training=False))
        == 0
    )


FORMATTED = {
    "conv": "conv > batch_norm > relu > max_pool > dropout(p=0.1)",
    "strided conv": "conv(kernel=5, bias=true) > group_norm > leaky_relu(negative_slope=0.2) > spatial_dropout(p=0.3)",
    "residual": "batch_norm > relu > conv > batch_norm > relu > dropout(p=0.3) > conv > add",
    "dense residual": "linear > relu > add",
    "padded": "conv(padding=0, groups=2) > prelu > max_pool(kernel=3, padding=1) > feature_alpha_dropout(p=0.1)",
    "dense": "linear > layer_norm > gelu > alpha_dropout(p=0.05)",
}


def test_source_is_as_it_was_read_last(golden: Callable[[str, str], None]) -> None:
    blocks = {role: BlockSpec.parse(text) for role, text in FORMATTED.items()}
    golden("keras_blocks.py.txt", export_blocks(blocks, "keras", evidence=["Of a run named digits."]))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_source_is_formatted_and_free_of_faults(dims: int, tmp_path: Path) -> None:
    specs = [*map(BlockSpec.parse, (*BLOCKS, *FORMATTED.values())), *specs_of("conv"), *specs_of("dense")]
    source = export_blocks({str(number): spec for number, spec in enumerate(specs)}, "keras", dims=dims)
    assert max(map(len, source.splitlines())) <= 88
    (tmp_path / "blocks.py").write_text(source, encoding="utf-8")
    require_tidy(tmp_path)


def test_text_from_outside_stays_in_the_comment(keras: Any) -> None:
    blocks = {'x"""\nimport os': BlockSpec.parse("linear > relu")}
    source = export_blocks(blocks, "keras", evidence=['"""; import os; os.system("x")\nraise SystemExit'])
    assert "os" not in defined(source)
    assert '# """; import os; os.system("x") raise SystemExit' in source.splitlines()
