"""Modules whose order cannot be read say so, with the layer that is the reason."""

from __future__ import annotations

import random
import warnings
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations, prune

from ordersearch.errors import ReadingError
from ordersearch.reading import from_module
from tests.reading_parts import Net, batch, conv4

X = batch(2)


def behind_conv(layer: nn.Module) -> nn.Module:
    return nn.Sequential(conv4(), layer)


LAYERS = {
    "kernel": (
        nn.Conv2d(4, 4, (3, 5), padding=(1, 2)),
        r"layer '1' \(Conv2d\) has kernel_size=\(3, 5\), but an op has the same kernel_size in every dimension\.$",
    ),
    "padding_mode": (
        conv4(padding_mode="reflect"),
        r"layer '1' \(Conv2d\) has padding_mode='reflect', which a block does not hold: op 'conv' has padding_m",
    ),
    "stride": (
        conv4(stride=2),
        r"layer '1' \(Conv2d\) has stride=2, but a block takes its stride in its first weight\. Read the parts of the",
    ),
    "transposed": (
        nn.ConvTranspose2d(4, 4, 3),
        r"conv_transpose2d in layer '1' \(ConvTranspose2d\) has no row in the op table\. The nearest is 'conv'",
    ),
    "instance norm": (
        nn.InstanceNorm2d(4),
        r"instance_norm in layer '1' \(InstanceNorm2d\) has no row in the op table\.",
    ),
    "layer norm": (
        nn.LayerNorm([4, 8, 8]),
        r"layer '1' \(LayerNorm\) works on a tensor of shape \(3, 4, 8, 8\) here, but op 'layer_norm' is "
        r"torch\.nn\.GroupNorm on maps \(n, channels, \*sizes\) and torch\.nn\.LayerNorm on features",
    ),
    "no running statistics": (
        nn.BatchNorm2d(4, track_running_stats=False),
        r"has track_running_stats=False, which a block",
    ),
    "an average over all batches": (
        nn.BatchNorm2d(4, momentum=None),
        r"layer '1' \(BatchNorm2d\) is no op: batch_norm\(momentum=\.\.\.\): got None, but momentum lies in \(0, 1\]",
    ),
    "slopes": (
        nn.PReLU(4),
        r"layer '1' \(PReLU\) has num_parameters=4, which a block does not hold: op 'prelu' has num_p",
    ),
    "ceil_mode": (
        nn.MaxPool2d(3, 2, ceil_mode=True),
        r"layer '1' \(MaxPool2d\) has ceil_mode=True, which a block does",
    ),
    "pool of a dilation": (nn.MaxPool2d(2, dilation=2), r"has dilation=2, which a block does not hold"),
    "adaptive pool": (nn.AdaptiveAvgPool2d(1), r"adaptive_avg_pool2d in layer '1' .* The nearest is 'avg_pool'\."),
    "activation": (
        nn.CELU(),
        r"celu in layer '1' \(CELU\) has no row in the op table\. The nearest is 'elu'\. Read the part",
    ),
    "temperature": (
        nn.Softplus(beta=2),
        r"layer '1' \(Softplus\) has beta=2, which a block does not hold: op 'softplus' has",
    ),
    "softmax": (nn.Softmax(1), r"softmax in layer '1' \(Softmax\) has no row in the op table\."),
    "flatten": (nn.Flatten(), r"flatten in layer '1' \(Flatten\) has no row in the op table\."),
    "dropout at 1": (
        nn.Dropout(1.0),
        r"layer '1' \(Dropout\) is no op: dropout\(p=\.\.\.\): got 1\.0, but a rate lies in",
    ),
    "weight norm": (
        parametrizations.weight_norm(conv4()),
        r"the weight of conv2d in layer '1' \(ParametrizedConv2d\) is no parameter of the module: it is computed from",
    ),
    "pruned": (
        prune.l1_unstructured(conv4(), "weight", 0.3),  # type: ignore[no-untyped-call]
        r"layer '1' \(Conv2d\) keeps a weight that is computed from",
    ),
}


@pytest.mark.parametrize(("layer", "message"), LAYERS.values(), ids=LAYERS)
def test_a_layer_that_a_block_does_not_hold(layer: nn.Module, message: str) -> None:
    with pytest.raises(ReadingError, match=message):
        from_module(behind_conv(layer), X)


def test_a_layer_norm_without_its_shift_and_a_weight_by_hooks() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4, bias=False))
    with pytest.raises(
        ReadingError, match=r"layer '1' \(LayerNorm\) holds weight \(4,\), but the layer of op 'layer_norm'"
    ):
        from_module(module, X[:, :, 0, 0])
    with warnings.catch_warnings():  # deprecated, but in many modules
        warnings.simplefilter("ignore")
        normed = nn.utils.spectral_norm(conv4())
    with pytest.raises(
        ReadingError, match=r"holds bias \(4,\), weight_orig .*, but the layer of op 'conv' holds bias \(4,\), "
    ):
        from_module(normed, X)


def _set_item(own: Any, x: Tensor) -> Tensor:
    y = own.conv(x)
    y[0] = 0
    return F.relu(y)


def _by_a_view(own: Any, x: Tensor) -> Tensor:
    y: Tensor = own.conv(x)
    y.view(-1).relu_()
    return y


def _behind_its_back(own: Any, x: Tensor) -> Tensor:
    y: Tensor = own.conv(x)
    y.data.mul_(2)
    return y.relu()


def _doubling(own: Any, x: Tensor) -> Tensor:
    own.n_calls = getattr(own, "n_calls", 0) + 1
    return F.relu(own.conv(x)) * 2 if own.n_calls > 2 else F.relu(own.conv(x))


def _once_only(own: Any, x: Tensor) -> Any:
    own.n_calls = getattr(own, "n_calls", 0) + 1
    if own.n_calls > 2:
        raise ValueError("too often")
    return own.conv(x)


def _counting(own: Any, x: Tensor) -> Tensor:
    y = F.batch_norm(own.conv(x), own.mean, own.var, None, None, own.training, 1 / float(own.count))
    own.count.add_(own.training)
    return y


def scripted(function: Any) -> Any:
    with warnings.catch_warnings():  # deprecated, but in many modules
        warnings.simplefilter("ignore")
        return torch.jit.script(function)


@scripted
def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def _around_half(own: Any, x: Tensor) -> Tensor:
    stem = own.stem(x)
    return cast(Tensor, own.conv(stem) + stem)


SHORTCUT = (
    r"adds '.*' and '.*', but one of the two has to be the shortcut of a block: its input itself or, where the other"
)
FORWARDS = {
    "two outputs": (
        Net(lambda own, x: (own.conv(x), x)),
        r"^Net: it gives a value of type tuple, but a block gives one tensor",
    ),
    "softmax": (
        Net(lambda own, x: own.conv(x).softmax(1)),
        r"^Net: softmax in its own forward has no row in the op table\.",
    ),
    "concatenation": (
        Net(lambda own, x: torch.cat([own.conv(x), x], 1)),
        r"cat in its own forward joins 2 values, but the only joint of a block is the addition of a shortcut of the",
    ),
    "broadcast": (Net(lambda own, x: own.conv(x) + x[:1]), r"add in its own forward joins 2 values"),
    "scaled": (Net(lambda own, x: torch.add(own.conv(x), x, alpha=0.5)), r"add in its own forward joins 2 values"),
    "constant": (
        Net(lambda own, x: own.conv(x) + 1),
        r"add in its own forward adds something that does not come from the",
    ),
    "noise": (Net(lambda own, x: own.conv(x) + torch.randn_like(x)), r"randn_like in its own forward has no row in"),
    "projection with norm": (
        Net(
            lambda own, x: own.conv(x) + own.norm(own.short(x)),
            norm=nn.BatchNorm2d(4),
            short=nn.Conv2d(4, 4, 1, bias=False),
        ),
        r"add in its own forward adds 'conv' and 'conv\(kernel=1\) > batch_norm', but one of the two has to be the sho",
    ),
    "projection that is not needed": (
        Net(lambda own, x: own.conv(x) + own.short(x), short=nn.Conv2d(4, 4, 1, bias=False)),
        SHORTCUT,
    ),
    "projection with bias": (
        Net(lambda own, x: own.wide(x) + own.short(x), wide=conv4(4, 8), short=nn.Conv2d(4, 8, 1)),
        SHORTCUT,
    ),
    "two branches": (Net(lambda own, x: own.conv(x) + own.second(x), second=conv4()), SHORTCUT),
    "shortcut around half": (
        Net(_around_half, stem=conv4()),
        r"the shortcut that add in its own forward joins starts behind layer 'stem' \(Conv2d\), but a shortcut st",
    ),
    "shortcut of what an activation changed in place": (
        Net(lambda own, x: own.conv(own.act(x)) + x, act=nn.ReLU(inplace=True)),
        r"starts behind layer 'act' \(ReLU\)",
    ),
    "shortcut around another": (
        Net(lambda own, x: x + own.second(x + own.conv(x)), second=conv4()),
        r"joins a way that leads through another addition with one that goes around it",
    ),
    "addition without a weight": (
        Net(lambda own, x: F.relu(x) + x),
        r"adds two values, neither of which went through a conv",
    ),
    "looks at values": (
        Net(lambda own, x: own.conv(x) if x.mean() > 0 else x),
        r"^Net: __bool__ in its own forward looks at the values, on which the order may depend\.$",
    ),
    "item in a layer": (
        nn.Sequential(conv4(), Net(lambda own, x: own.conv(x) if x[0, 0, 0, 0].item() else x)),
        r"item in layer '1' \(Net\) looks at the values",
    ),
    "random path": (
        Net(lambda own, x: own.conv(x) if random.random() < 2 else x),
        r"draws numbers from Python's or NumPy's",
    ),
    "random path by torch": (
        Net(lambda own, x: own.conv(x) if torch.rand(1) < 2 else x),
        r"it was read as 'conv', but draws random numbers in evaluation that no op of these draws\.$",
    ),
    "dropout in evaluation": (
        Net(lambda own, x: F.dropout(own.conv(x))),
        r"dropout in its own forward drops values in evaluation, too: give it training=self\.training\.$",
    ),
    "another order in evaluation": (
        Net(lambda own, x: F.relu(own.conv(x)) if own.training else own.conv(x)),
        r"it does 'conv > relu' in training, but 'conv' in evaluation; a block does the same in both, save for its",
    ),
    "batch statistics in evaluation": (
        Net(
            lambda own, x: F.batch_norm(own.conv(x), own.mean, own.var, training=True),
            mean=nn.Buffer(torch.zeros(4)),
            var=nn.Buffer(torch.ones(4)),
        ),
        r"batch_norm in its own forward uses the batch's statistics in evaluation, too, which no block does\.$",
    ),
    "functional norm without running statistics": (
        Net(lambda own, x: F.batch_norm(own.conv(x), None, None, training=own.training or True)),
        r"has track_running_stats=False",
    ),
    "one weight twice": (
        Net(lambda own, x: own.conv(F.relu(own.conv(x)))),
        r"layer 'conv' \(Conv2d\) uses a weight that was used before, but each op of a block has its own\.$",
    ),
    "in a plain list": (
        Net(lambda own, x: own.plain[0](x), plain=[conv4()]),
        r"or its layer is kept in a plain list\.$",
    ),
    "set item": (Net(_set_item), r"__setitem__ in its own forward has no row in the op table"),
    "by a view": (Net(_by_a_view), r"a value is changed in place in its own forward by something that is not seen\.$"),
    "behind its back": (Net(_behind_its_back), r"was read as 'conv > relu', but computes something else in evaluation"),
    "another thing in the second step": (Net(_doubling), r"but computes something else in a second step of training"),
    "an average over all batches": (
        Net(_counting, mean=nn.Buffer(torch.zeros(4)), var=nn.Buffer(torch.ones(4)), count=nn.Buffer(torch.ones(1))),
        r"but changes its parameters or running statistics otherwise in a second step of training\.$",
    ),
    "an error in the second step": (
        Net(_once_only),
        r"^Net: it fails in a second step of training: ValueError: too often \(.*test_reading_refusals\.py:\d+\)\.$",
    ),
    "scripted function": (
        Net(lambda own, x: swish(own.conv(x))),
        r"is not seen to come from its input\. Code that is",
    ),
    "nothing": (
        nn.Identity(),
        r"^Identity: it gives its input back as it is, but a block has at least one conv or linear\.$",
    ),
    "no weight": (nn.ReLU(), r"^ReLU: it is no block: Block 'relu' has no weight"),
    "groups of an inner width": (
        nn.Sequential(conv4(4, 24), conv4(24, 24, groups=24), conv4(24, 4)),
        r"it was read as 'conv > conv\(groups=24\) > conv', which cannot be built from 4 to 4 channels: .* but gr",
    ),
    "too long": (nn.Sequential(conv4(), *(nn.ReLU() for _ in range(70))), r"has 71 ops, but a block has at most 64\.$"),
    "maps and features": (
        nn.Sequential(conv4(), nn.Flatten(), nn.Linear(256, 3)),
        r"flatten in layer '1' \(Flatten\) has no row in the op table\. Read the part of the module that is a block",
    ),
}


@pytest.mark.parametrize(("module", "message"), FORWARDS.values(), ids=FORWARDS)
def test_a_way_that_no_block_takes(module: nn.Module, message: str) -> None:
    with pytest.raises(ReadingError, match=message) as caught:
        from_module(module, X)
    assert str(caught.value).startswith(f"{type(module).__name__}: ")


class Frozen(nn.Sequential):
    """Keeps its norm in evaluation."""

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        self[1].eval()
        return self


def test_a_frozen_norm() -> None:
    with pytest.raises(
        ReadingError, match=r"layer '1' \(BatchNorm2d\) uses running statistics in training, too, which no"
    ):
        from_module(Frozen(conv4(), nn.BatchNorm2d(4)), X)


def _doubled(layer: nn.Module, args: Any, result: Tensor) -> Tensor:
    return result * 2


def test_a_hook_that_changes_values() -> None:
    module = nn.Sequential(conv4(), nn.ReLU())
    module[0].register_forward_hook(_doubled)
    with pytest.raises(ReadingError, match=r"computes something else in evaluation: something in it \(a hook, say\)"):
        from_module(module, X)


def test_an_error_of_the_module_is_told_with_its_layer_and_line() -> None:
    def broken(own: Any, x: Tensor) -> Tensor:
        raise KeyError("width")

    with pytest.raises(
        ReadingError, match=r"in layer '1\.inner' \(Net\) KeyError: 'width' \(.*test_reading_refusals\.py:\d+\)"
    ) as told:
        from_module(nn.Sequential(conv4(), Net(lambda own, x: own.inner(x), inner=Net(broken))), X)
    assert isinstance(told.value.__cause__, KeyError)
    assert "on an example_input of shape (3, 4, 8, 8) and type torch.float32 in evaluation:" in str(told.value)


@pytest.mark.parametrize(
    ("module", "x", "message"),
    [
        (
            nn.Sequential(conv4(3)),
            X,
            r"expected input\[3, 4, 8, 8\] to have 3 channels.* It is called with one batch as it takes",
        ),
        (conv4(), X.double(), r"type torch\.float64 in evaluation: RuntimeError: Input type"),
        (
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
            torch.ones(1, 4),
            r"in training: in layer '1' \(BatchNorm1d\) ValueError: Expected more than 1 value per channel.* Give it",
        ),
        (
            conv4(),
            X[0],
            r"^Conv2d: it works on a tensor of shape \(4, 8, 8\) here, but op 'conv' is torch\.nn\.Conv1d on maps",
        ),
        (
            nn.Linear(8, 4),
            X[0],
            r"^Linear: it works on a tensor of shape \(4, 8, 8\) here, but op 'linear' is torch\.nn\.Lin",
        ),
        (
            conv4(),
            X.long(),
            r"got an example_input of shape \(3, 4, 8, 8\) and type torch\.int64, but it is a batch of numbers",
        ),
        (conv4(), X[0, 0, 0], r"got an example_input of shape \(8,\) and type"),
        (conv4(), X.to("meta"), r"got an example_input on the meta device, where nothing can be computed\.$"),
        (conv4(), X / 0, r"got an example_input with values that are not finite, which say nothing"),
        (conv4(), [X], r"^Conv2d: got an example_input of type list, but it is one tensor, such as torch\.rand"),
        (
            nn.ReLU,
            X,
            r"^got a module that is the class ReLU, but it is an instance of nn\.Module, such as nn\.ReLU\(\)\.$",
        ),
        (F.relu, X, r"^got a module that is of type function, but it is an instance of nn\.Module"),
        (
            nn.Sequential(nn.LazyConv2d(4, 3)),
            X,
            r"it has lazy layers that have seen no data yet: call it once before\.$",
        ),
        (conv4(device="meta"), X, r"its parameters are on the meta device, where nothing can be computed\.$"),
        (
            scripted(nn.ReLU()),
            X,
            r"it is scripted, which cannot be seen into\. Read the module that was scripted\.$",
        ),
        (
            Net(lambda own, x: x, held=(value for value in [1])),
            X,
            r"it cannot be copied, and reading runs a copy .*: TypeError: ",
        ),
    ],
)
def test_what_cannot_be_run(module: Any, x: Any, message: str) -> None:
    with pytest.raises(ReadingError, match=message):
        from_module(module, x)


@pytest.mark.parametrize("in_training", [True, False])
def test_an_example_of_zeros_hides_nothing(in_training: bool) -> None:
    layer = conv4(bias=False)
    layer.register_forward_hook(lambda own, _, y: 2 * y if own.training is in_training else None)
    with pytest.raises(ReadingError, match=r"it was read as 'conv\(bias=false\)', but computes something else in"):
        from_module(layer, torch.zeros(2, 4, 8, 8))
