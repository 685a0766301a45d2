"""Blocks that we build, and modules that others wrote, read from what they do."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ordersearch.block import Block, build_block
from ordersearch.errors import ShapeError
from ordersearch.identities import bias_is_redundant, canonical
from ordersearch.ops import OpSpec, Role
from ordersearch.ops.op_spec import OPS
from ordersearch.reading import from_module
from ordersearch.space import SearchSpace
from ordersearch.space.shipped import shipped_spaces
from ordersearch.spec import BlockSpec
from tests.library_blocks import need
from tests.strategies import block_specs

SIZES = {0: (), 1: (8,), 2: (8, 8), 3: (6, 6, 6)}
IN, OUT = 4, 8
SMALL = [name for name in shipped_spaces() if name not in ("conv", "dense", "residual", "wide")]


def batch(dims: int, channels: int = IN) -> Tensor:
    return torch.randn((3, channels, *SIZES[dims]), generator=torch.Generator().manual_seed(0))


def orders(name: str) -> list[BlockSpec]:
    """Every order of a shipped space, of all of its roles, rates at their default."""
    space = SearchSpace.load(name)
    found = {spec: None for role in space.block_roles for same in space.orders(role).values() for spec in (same or ())}
    return list(found)


def read(text: str, dims: int = 2, in_channels: int = IN, out_channels: int = OUT, **place: Any) -> str:
    """What a block of ours is read as."""
    block = build_block(BlockSpec.parse(text), in_channels, out_channels, dims=dims or 2, **place)
    return str(from_module(block, batch(dims, in_channels)))


def misread(blocks: list[tuple[Block, int]], in_channels: int = IN) -> list[tuple[str, str]]:
    """The blocks, each with its dimensions, that are read as something else than what they were built from."""
    found = []
    for block, dims in blocks:
        got = from_module(block, batch(dims, in_channels))
        if got != block.spec:
            found.append((str(block.spec), str(got)))
    return found


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_every_order_of_the_conv_space(dims: int) -> None:
    assert misread([(build_block(spec, IN, OUT, dims=dims), dims) for spec in orders("conv")]) == []


def test_every_order_of_the_conv_space_with_a_stride_or_an_op_left_out() -> None:
    blocks = [build_block(spec, IN, OUT, stride=2) for spec in orders("conv")]
    shorter = {
        spec.without(role): build_block(spec, IN, OUT, pool=role is not Role.POOL, dropout=role is not Role.DROPOUT)
        for spec in orders("conv")
        for role in (Role.POOL, Role.DROPOUT)
    }
    assert misread([(block, 2) for block in (*blocks, *shorter.values())]) == []


def test_every_order_of_the_dense_space() -> None:
    assert misread([(build_block(spec, IN, OUT), 0) for spec in orders("dense")]) == []


@pytest.mark.parametrize("place", [(8, 8, 1), (4, 8, 1), (8, 8, 2)], ids=str)
def test_every_order_of_the_residual_space(place: tuple[int, int, int]) -> None:
    in_channels, out_channels, stride = place
    blocks = [
        (build_block(spec, in_channels, out_channels, dims=dims, stride=stride), dims)
        for spec in orders("residual")
        for dims in (1, 2, 3)
    ]
    assert misread(blocks, in_channels) == []


@pytest.mark.parametrize("name", SMALL)
def test_every_order_of_the_other_spaces(name: str) -> None:
    dims = itertools.cycle((1, 2, 3))
    places = [(spec, next(dims) if spec.on_maps else 0) for spec in orders(name)]
    assert misread([(build_block(spec, IN, OUT, dims=d or 2), d) for spec, d in places]) == []


def test_orders_of_the_wide_space() -> None:
    assert misread([(build_block(spec, IN, OUT, dims=1), 1) for spec in orders("wide")[::16]]) == []


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("name", ["conv", "dense", "residual"])
def test_what_is_printed_of_a_block_is_its_spec(name: str, dims: int) -> None:
    for spec in orders(name):
        printed = BlockSpec.parse(str(build_block(spec, IN, OUT, dims=dims)))
        assert printed.order == spec.order
        # A bias that the next norm cancels is printed as left out.
        assert canonical(printed) == canonical(spec)


def as_read(spec: BlockSpec) -> BlockSpec:
    """A spec in the one way in which what it builds at 8 channels is read."""
    kept = [op for op in spec if not op.is_identity or op.role in (Role.WEIGHT, Role.MERGE)]
    return BlockSpec(_as_read(kept, index) for index in range(len(kept)))


def _as_read(ops: list[OpSpec], index: int) -> OpSpec:
    op = ops[index]
    bias = op.params.get("bias")
    op = op.replace(**op.kind.spelling(op.params)) if op.kind.spelling else op
    if op.name == "group_norm":
        return op.replace(groups={3: 2}.get(int(op["groups"] or 1), op["groups"]))
    if bias is None or bias == "auto":
        return op
    return op.replace(bias="auto" if bias is not bias_is_redundant(ops, index) else bias)


@settings(max_examples=40)
@given(block_specs(), st.integers(1, 3), st.sampled_from([1, 2]))
def test_parameters_are_read_exactly(spec: BlockSpec, dims: int, stride: int) -> None:
    dims = dims if spec.on_maps else 0
    block = build_block(spec, 8, 8, dims=dims or 2, stride=stride if dims else 1)
    try:
        block.output_sizes(SIZES[dims])
    except ShapeError:
        assume(False)
    assert from_module(block, batch(dims, 8)) == as_read(spec)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("conv(padding=1) > max_pool(kernel=2, stride=2)", "conv > max_pool"),
        ("conv(bias=true) > relu > batch_norm", "conv > relu > batch_norm"),
        ("conv(bias=true) > batch_norm", "conv(bias=true) > batch_norm"),
        ("conv(bias=false) > batch_norm", "conv > batch_norm"),
        ("conv(bias=false) > relu", "conv(bias=false) > relu"),
        ("conv > group_norm(groups=3)", "conv > group_norm(groups=2)"),
        ("conv > group_norm(groups=1)", "conv > layer_norm"),
        ("conv > dropout(p=0) > relu > max_pool(kernel=1)", "conv > relu"),
        ("conv(kernel=1, padding=0)", "conv(kernel=1)"),
    ],
)
def test_what_says_the_same_is_read_in_one_way(text: str, read_as: str) -> None:
    assert read(text) == read_as


def test_an_even_window_that_keeps_the_size() -> None:
    # PyTorch warns of the copy that it makes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read("conv(kernel=4) > relu") == "conv(kernel=4) > relu"


class Written(nn.Module):
    """A module with these layers and this forward."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


class Declared(nn.Module):
    """Attributes stand in another order than that in which they are called, and one is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.never = nn.GroupNorm(2, 8)
        self.act = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(4, 8, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return self.drop(self.act(x)) if x.shape[1] == 8 else x


class InPlace(nn.Module):
    """The residual block of many tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.first, self.second = (nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))
        self.downsample = None

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.norms[0](self.first(x)))
        out = self.norms[1](self.second(out))
        out += identity
        return cast(Tensor, self.relu(out))


def conv(in_channels: int = IN, out_channels: int = OUT, **arguments: Any) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, **{"kernel_size": 3, "padding": 1, **arguments})


def _functional(own: Any, x: Tensor) -> Tensor:
    x = F.dropout(F.max_pool2d(F.relu(own.norm(own.conv(x))), 2), 0.3, own.training)
    return F.avg_pool2d(F.leaky_relu_(x, 0.2), kernel_size=3, stride=2, padding=1)


def _by_weights(own: Any, x: Tensor) -> Tensor:
    x = F.conv2d(x, own.weight, None, 2, 2)
    x = F.batch_norm(x, own.mean, own.var, own.scale, own.shift, own.training, 0.2, 1e-3)
    return F.group_norm(x.tanh(), 4).sigmoid_().contiguous().clone()


BY_WEIGHTS = Written(
    _by_weights,
    weight=nn.Parameter(torch.randn(8, 4, 5, 5)),
    scale=nn.Parameter(torch.rand(8)),
    shift=nn.Parameter(torch.rand(8)),
)
BY_WEIGHTS.register_buffer("mean", torch.zeros(8))
BY_WEIGHTS.register_buffer("var", torch.ones(8))


def _two_adds(own: Any, x: Tensor) -> Tensor:
    x = own.conv(x) + own.shortcut(x)
    return torch.add(x, own.second(x).relu())


WRITTEN: dict[str, tuple[nn.Module, str]] = {
    "another order of attributes": (Declared(), "conv > batch_norm > relu > dropout(p=0.2)"),
    "in place": (InPlace(), "conv > batch_norm > relu > conv > batch_norm > add > relu"),
    "functional": (
        Written(_functional, norm=nn.BatchNorm2d(8, momentum=0.3), conv=conv(bias=False)),
        "conv > batch_norm(momentum=0.3) > relu > max_pool > dropout(p=0.3) > leaky_relu(negative_slope=0.2) > "
        "avg_pool(kernel=3, stride=2, padding=1)",
    ),
    "functional with its own weights": (
        BY_WEIGHTS,
        "conv(kernel=5) > batch_norm(eps=0.001, momentum=0.2) > tanh > group_norm(groups=4, affine=false) > sigmoid",
    ),
    "one layer used twice": (
        Written(
            lambda own, x: own.drop(own.act(own.second(own.drop(own.act(own.conv(x)))))),
            drop=nn.Dropout2d(0.1),
            act=nn.ReLU(True),
            conv=conv(),
            second=conv(8, 8),
        ),
        "conv > relu > spatial_dropout(p=0.1) > conv > relu > spatial_dropout(p=0.1)",
    ),
    "what does nothing": (
        nn.Sequential(nn.Identity(), conv(), nn.Dropout(0), nn.Dropout2d(0.0), nn.ReLU(), nn.MaxPool2d(1)),
        "conv > relu",
    ),
    "a dropout that is never on": (Written(lambda own, x: F.dropout(own.conv(x), training=False), conv=conv()), "conv"),
    "nested": (
        nn.Sequential(
            nn.Sequential(conv(bias=False), nn.Sequential(nn.BatchNorm2d(8))),
            nn.ModuleDict({"a": nn.GELU("tanh")})["a"],
        ),
        "conv > batch_norm > gelu(approximate=tanh)",
    ),
    "two shortcuts": (
        Written(_two_adds, second=conv(8, 8), shortcut=nn.Conv2d(4, 8, 1, bias=False), conv=conv()),
        "conv > add > conv > relu > add",
    ),
    "a bottleneck": (
        Written(
            lambda own, x: x + own.branch(x),
            branch=nn.Sequential(conv(4, 2, kernel_size=1, padding=0), nn.ReLU(), conv(2, 4)),
        ),
        "conv(kernel=1) > relu > conv > add",
    ),
    "a whole network without its head": (
        nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(2), conv(8, 16), nn.ReLU(), nn.MaxPool2d(2)),
        "conv > relu > max_pool > conv > relu > max_pool",
    ),
    "what is beside the way": (
        Written(lambda own, x: (own.conv(x), own.norm(x), x.mean())[0].relu(), conv=conv(), norm=nn.BatchNorm2d(4)),
        "conv > relu",
    ),
    "same and valid": (
        nn.Sequential(conv(padding="same"), conv(8, 8, padding="valid"), conv(8, 8, dilation=2, padding=2, groups=8)),
        "conv > conv(padding=0) > conv(dilation=2, groups=8)",
    ),
    "all in one layer": (conv(), "conv"),
    "activations by function": (
        Written(
            lambda own, x: F.hardswish(F.mish(F.silu(F.softplus(F.relu6(F.selu(F.elu(F.gelu(own.conv(x)), 0.5))))))),
            conv=conv(),
        ),
        "conv > gelu > elu(alpha=0.5) > selu > relu6 > softplus > silu > mish > hardswish",
    ),
    "a learnt slope": (
        Written(
            lambda own, x: F.prelu(own.act(own.conv(x)), own.slope),
            conv=conv(),
            act=nn.PReLU(init=0.1),
            slope=nn.Parameter(torch.tensor([0.3])),
        ),
        "conv > prelu(init=0.1) > prelu(init=0.3)",
    ),
}


@pytest.mark.parametrize(("module", "order"), WRITTEN.values(), ids=WRITTEN)
def test_a_module_written_by_hand(module: nn.Module, order: str) -> None:
    assert str(from_module(module, batch(2))) == order


def test_features() -> None:
    layers = [
        nn.BatchNorm1d(4),
        nn.Linear(4, 8, bias=False),
        nn.LayerNorm(8, eps=1e-3),
        nn.GroupNorm(1, 8),
        nn.AlphaDropout(0.1),
    ]
    order = "batch_norm > linear(bias=false) > layer_norm(eps=0.001) > group_norm(groups=1) > alpha_dropout(p=0.1)"
    assert str(from_module(nn.Sequential(*layers), batch(0))) == order


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_other_types_of_numbers(dtype: torch.dtype) -> None:
    module = nn.Sequential(conv(bias=False), nn.BatchNorm2d(8), nn.ReLU()).to(dtype)
    assert str(from_module(module, batch(2).to(dtype))) == "conv > batch_norm > relu"


def test_a_module_that_diverged() -> None:
    module = nn.Sequential(conv(bias=False), nn.BatchNorm2d(8), nn.ReLU())
    module[1].running_mean.fill_(float("nan"))
    assert str(from_module(module, batch(2))) == "conv > batch_norm > relu"


def test_inputs_without_values_of_their_own() -> None:
    with torch.inference_mode():
        assert str(from_module(nn.Sequential(conv(), nn.ReLU()), torch.zeros(1, 4, 8, 8))) == "conv > relu"


def test_a_compiled_module_and_a_traced_one() -> None:
    module = nn.Sequential(conv(bias=False), nn.BatchNorm2d(8), nn.ReLU())
    # The compiler is imported with warnings that are not ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = cast(nn.Module, torch.compile(module, backend="eager"))
    inner = Written(lambda own, x: own.compiled(x).tanh(), compiled=compiled)
    traced = torch.fx.symbolic_trace(module)
    found = [str(from_module(each, batch(2))) for each in (compiled, inner, traced)]
    order = "conv > batch_norm > relu"
    assert found == [order, f"{order} > tanh", order]


PLUGIN = """
import torch
from ordersearch.ops import Call, OpKind, Role
from ordersearch.ops.bounds import number

class Snake(torch.nn.Module):
    def __init__(self, a=1.0):
        super().__init__()
        self.a = a
        self.inner = torch.nn.Tanh()

    def forward(self, x):
        return x + torch.sin(self.a * x) ** 2 / self.a + 0 * self.inner(x)

class Mute(Snake):
    def __init__(self, a=1.0):
        super().__init__(a)
        del self.a
        self.hidden = a

    def forward(self, x):
        return x * self.hidden

def row(name, target):
    call = Call(target, {"a": "$a"} if target[0] == "r" else {})
    params = (number("a", 1.0, "a is greater than 0", lambda v: v > 0),) if target[0] == "r" else ()
    return OpKind(name, Role.ACTIVATION, "for a test", call, call, params=params)

SNAKE = row("snake", "read_plugin.Snake")
MUTE = row("mute", "read_plugin.Mute")
CELU = row("celu", "torch.nn.CELU")
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package whose entry points are ops, one of them broken."""
    info = tmp_path / "read_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: read-plugin\nVersion: 1.0\n")
    lines = [f"{name} = read_plugin:{name.upper()}\n" for name in ("snake", "mute", "celu", "broken")]
    (info / "entry_points.txt").write_text("[ordersearch.ops]\n" + "".join(lines))
    (tmp_path / "read_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(OPS, "_loaded", dict(OPS._loaded))
    return import_module("read_plugin")


def test_layers_of_plugins(plugin: Any) -> None:
    module = nn.Sequential(conv(), plugin.Snake(0.5), nn.CELU(), nn.ReLU())
    assert str(from_module(module, batch(2))) == "conv > snake(a=0.5) > celu > relu"
    assert str(from_module(Written(lambda own, x: F.celu(own.conv(x)), conv=conv()), batch(2))) == "conv > celu"


def test_a_layer_of_a_plugin_that_keeps_its_arguments_to_itself(plugin: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^Sequential: layer '1' \(Mute\) keeps no attribute 'a', from which op 'mute'"
    ):
        from_module(nn.Sequential(conv(), plugin.Mute()), batch(2))


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
