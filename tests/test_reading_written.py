"""Modules written by hand, and layers of plugins, read from what they do."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ordersearch.ops.op_spec import OPS
from ordersearch.reading import from_module
from tests.reading_parts import Written, batch, conv


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
    module: Any = nn.Sequential(conv(bias=False), nn.BatchNorm2d(8), nn.ReLU())
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
