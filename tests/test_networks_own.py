"""A user's own network: found by package.module:build, and what goes wrong in it told with its place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ordersearch.block import Block
from ordersearch.errors import NetworkError, ShapeError, SpecError, UnknownNameError
from ordersearch.networks import Network, build_network, find_network, suited_network
from ordersearch.spec import BlockSpec

CONV = {"conv": BlockSpec.parse("conv > batch_norm > relu > max_pool")}
HEAD = "from torch import nn\n"
GOOD = """
def build(blocks, input_shape, n_outputs, width=8, depth=1):
    '''Convs and a linear layer.

    More on it.
    '''
    convs = [blocks["conv"](input_shape[0] if i == 0 else width, width, pool=i == 0) for i in range(depth)]
    return nn.Sequential(*convs, nn.Flatten(), nn.Linear(width * 16, n_outputs))
"""
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder and gives the name of its network; each test has names of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)

    def write_module(source: str, module: str = "my_net", function: str = "build") -> str:
        path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + source)
        return f"{module}:{function}"

    yield write_module
    for name in set(sys.modules) - known:
        del sys.modules[name]


def built(name: str, blocks: Any = CONV, shape: tuple[int, ...] = (1, 8, 8), **options: Any) -> Any:
    return build_network(find_network(name).with_options(**options), blocks, shape, 10)


def build_returning(expression: str) -> str:
    return f"def build(blocks, input_shape, n_outputs):\n    return {expression}\n"


def test_a_function_in_the_current_folder_is_a_network(write: Write) -> None:
    name = write(GOOD)
    network = find_network(name)
    assert (network.name, network.summary) == ("my_net:build", "Convs and a linear layer")
    assert network.described() == {"name": "my_net:build", "width": 8, "depth": 1}
    module = built(name, width=3, depth=2)
    assert module(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    assert [type(layer) for layer in module] == [Block, Block, nn.Flatten, nn.Linear]


def test_a_module_in_a_package_is_found(write: Write) -> None:
    name = write(build_returning('nn.Sequential(blocks["conv"](1, 2), nn.Flatten(), nn.Linear(32, 10))'), "nets.small")
    assert built(name)(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_seeds_and_names_fix_the_weights_of_a_users_network(write: Write) -> None:
    name = write(build_returning('nn.Sequential(blocks["conv"](1, 2), nn.Flatten(), nn.Linear(32, 10))'))
    norm_last = {"conv": BlockSpec.parse("conv > relu > max_pool > batch_norm")}
    one, other = (build_network(name, blocks, (1, 8, 8), 10, seed=4).state_dict() for blocks in (CONV, norm_last))
    assert torch.equal(one["0.conv.weight"], other["0.conv.weight"])
    assert torch.equal(one["2.weight"], other["2.weight"])


def test_a_module_class_is_a_network_and_a_block_that_is_kept_twice_is_one(write: Write) -> None:
    name = write(
        """
class Net(nn.Module):
    def __init__(self, blocks, input_shape, n_outputs):
        super().__init__()
        self.first = blocks["conv"](1, 4)
        self.again = blocks["conv"](4, 4, pool=False)
        self.same = self.again
        self.head = nn.Linear(64, n_outputs)

    def forward(self, x):
        return self.head(self.same(self.again(self.first(x))).flatten(1))
""",
        function="Net",
    )
    module = built(name)
    assert module(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    assert sum(p.numel() for p in module.parameters()) == 36 + 8 + 144 + 8 + 650


def test_a_block_that_is_taken_apart_starts_with_weights_of_its_name(write: Write) -> None:
    name = write(
        build_returning('nn.Sequential(*blocks["conv"](1, 4), *blocks["conv"](4, 4), nn.Flatten(), nn.Linear(16, 10))')
    )
    convs = [layer for layer in built(name) if isinstance(layer, nn.Conv2d)]
    again = [layer for layer in built(name) if isinstance(layer, nn.Conv2d)]
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(convs, again, strict=True))


def test_roles_that_are_not_searched_get_the_defaults(write: Write) -> None:
    name = write(
        build_returning(
            'nn.Sequential(blocks["conv"](1, 2), nn.Flatten(), blocks["dense"](32, 4), nn.Linear(4, n_outputs))'
        )
    )
    assert str(built(name)[2].spec) == "linear > relu"


def test_a_role_of_the_users_own_is_searched(write: Write) -> None:
    name = write(build_returning('nn.Sequential(blocks["trunk"](1, 2), nn.Flatten(), nn.Linear(32, n_outputs))'))
    assert built(name, {"trunk": CONV["conv"]})(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_tables_and_signals_reach_a_users_network(write: Write) -> None:
    dense = {"dense": BlockSpec.parse("linear > relu")}
    name = write(build_returning("nn.Sequential(nn.Flatten(), blocks['dense'](6, 4), nn.Linear(4, n_outputs))"))
    assert built(name, dense, (6,))(torch.randn(2, 6)).shape == (2, 10)
    assert built(name, dense, (2, 3))(torch.randn(2, 2, 3)).shape == (2, 10)


@pytest.mark.parametrize(
    ("signature", "options"),
    [
        ("blocks, input_shape, n_outputs", {}),
        ("blocks, shape, n, width=4, dropout=0.5, name='x'", {"width": 4}),
        ("blocks, shape, n, *, depth: int | None = None, residual=True", {"depth": None, "residual": True}),
        ("blocks, shape, n, width", {"width": None}),
        ("*args, depth=2", {"depth": 2}),
        ("blocks, shape, n, **more", {"width": None, "depth": None}),
    ],
)
def test_options_are_what_the_function_takes(write: Write, signature: str, options: dict[str, Any]) -> None:
    assert find_network(write(f"def build({signature}): pass")).options == options


def test_an_option_without_a_value_is_not_passed(write: Write) -> None:
    source = """
def build(blocks, input_shape, n_outputs, width=None):
    width = 7 if width is None else width
    return nn.Sequential(blocks["conv"](1, width), nn.Flatten(), nn.Linear(width * 16, n_outputs))
"""
    name = write(source)
    assert built(name)[0].conv.out_channels == 7
    assert built(name, width=3)[0].conv.out_channels == 3
    assert find_network(name).described() == {"name": name}


def test_a_stem_that_the_function_offers_is_asked_for(write: Write) -> None:
    network = find_network(write("def build(blocks, input_shape, n_outputs, stem=False): pass"))
    assert suited_network(network, {"conv": [BlockSpec.parse("relu > conv")]}).options == {"stem": True}


def test_an_option_that_the_function_does_not_take_is_refused(write: Write) -> None:
    network = find_network(write("def build(blocks, input_shape, n_outputs, depht=1): pass"))
    with pytest.raises(NetworkError, match=r"'my_net:build' has no option 'depth'\. It has: depht\."):
        network.with_options(depth=2)


def test_a_network_row_of_a_module_is_that_network(write: Write) -> None:
    name = write("from ordersearch.networks import Network\nROW = Network('row', '', (), (2,), print)", function="ROW")
    assert isinstance(find_network(name), Network)
    assert find_network(name).name == "row"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "return blocks['cnv'](1, 2)",
            r"'my_net:build': no role is named 'cnv'\. Did you mean 'conv'\? Known: conv, den",
        ),
        (
            "return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))",
            r"'my_net:build' makes no layer of blocks\['conv'\], so every order of that role",
        ),
        ("return 'a net'", r"'my_net:build' returns a value of type str, but a network is an nn\.Module"),
        (
            "return input_shape[7]",
            r"'my_net:build' cannot be built: IndexError: tuple index out of range \(my_net\.py:3\)\.",
        ),
        ("return nn.Linear('a', 2)", r"cannot be built: TypeError: .* \(my_net\.py:3\)\."),
    ],
)
def test_what_goes_wrong_in_the_function_is_one_error(write: Write, source: str, message: str) -> None:
    name = write(f"def build(blocks, input_shape, n_outputs):\n    {source}\n")
    with pytest.raises(NetworkError, match=message):
        built(name)


def test_an_exception_of_the_function_is_chained(write: Write) -> None:
    name = write("def build(blocks, input_shape, n_outputs):\n    raise KeyError('no such width')\n")
    with pytest.raises(NetworkError, match="KeyError: 'no such width'") as caught:
        built(name)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_order_that_does_not_fit_passes_through(write: Write) -> None:
    flat = 'nn.Sequential(blocks["conv"](1, 2), blocks["conv"](2, 2), nn.Flatten(), nn.Linear(2, n_outputs))'
    with pytest.raises(ShapeError, match=r"^Block 'conv > .*' does not fit a 1x1 input: op 4 \(max_pool\)"):
        built(write(build_returning(flat)), shape=(1, 2, 2))
    with pytest.raises(SpecError, match=r"got 0 and 2 channels"):
        built(write(build_returning('blocks["conv"](0, 2)'), "other"))


def test_sizes_that_do_not_go_together_are_told_with_their_line(write: Write) -> None:
    name = write(
        """
class Net(nn.Module):
    def __init__(self, blocks, input_shape, n_outputs):
        super().__init__()
        self.conv = blocks["conv"](1, 4)
        self.head = nn.Linear(3, n_outputs)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))
""",
        function="Net",
    )
    with pytest.raises(
        ShapeError, match=r"'my_net:Net' does not fit samples of shape \(1, 8, 8\): RuntimeError: mat1 .*:10"
    ):
        built(name)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("return self.conv(x), 1", r"'my_net:Net' gives a value of type tuple, but it gives a tensor\."),
        ("return self.conv(x).flatten(1)", r"'my_net:Net' gives \(64,\) values a sample, but the task needs 10\."),
        (
            "return self.missing(x)",
            r"fails on a sample of shape \(1, 8, 8\): AttributeError: .*'missing'.*\(my_net\.py:9\)",
        ),
        ("return self.listed[0](x)", r"Block 'conv > .*' is used by the network but is no part of it, so its weights"),
    ],
)
def test_what_goes_wrong_in_the_forward_pass_is_one_error(write: Write, forward: str, message: str) -> None:
    source = f"""
class Net(nn.Module):
    def __init__(self, blocks, input_shape, n_outputs):
        super().__init__()
        self.conv = blocks["conv"](1, 4)
        self.listed = [blocks["conv"](1, 4)]
    def forward(self, x):
        {forward}
"""
    with pytest.raises(NetworkError, match=message):
        built(write(source, function="Net"))


@pytest.mark.parametrize("name", ["my net:build", ":build", "my_net:", "a:b:c", ".my_net:build"])
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match=r"a network of your own is written as package\.module:build"):
        find_network(name)


def test_a_module_that_is_missing_is_named_with_the_nearest(write: Write) -> None:
    write(GOOD)
    with pytest.raises(
        UnknownNameError, match=r"^Network 'my_nets:build': no module .* Did you mean 'my_net'\? Looked"
    ):
        find_network("my_nets:build")
    with pytest.raises(UnknownNameError, match=r"'my_net\.py'\. Leave out the ending: my_net:build\."):
        find_network("my_net.py:build")


def test_a_function_that_is_missing_is_named_with_the_nearest(write: Write) -> None:
    write(GOOD)
    with pytest.raises(
        UnknownNameError,
        match=r"'my_net:biuld' \(.*my_net\.py\): no function is named 'biuld'\. Did you mean 'build'\?",
    ):
        find_network("my_net:biuld")


def test_what_is_no_function_is_refused(write: Write) -> None:
    with pytest.raises(
        NetworkError, match=r"'my_net:build' is of type int, which cannot be called, but a network of your own"
    ):
        find_network(write("build = 3"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_library", r"cannot be imported: ModuleNotFoundError: No module .* \(my_net\.py:2\)\."),
        ("1 / 0", r"cannot be imported: ZeroDivisionError: division by zero \(my_net\.py:2\)\."),
        ("def build(:", r"cannot be imported: SyntaxError: .*\(my_net\.py:2\)\."),
        ("raise SystemExit(3)", r"cannot be imported: SystemExit: 3 \(my_net\.py:2\)\."),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(write: Write, source: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        find_network(write(source))
    assert caught.value.__cause__ is not None


def test_arguments_that_the_function_does_not_take_are_named(write: Write) -> None:
    message = r"'my_net:build' takes \(blocks, hidden\), but it is called with \(blocks, input_shape, n_outputs\)\."
    with pytest.raises(NetworkError, match=message):
        built(write("def build(blocks, hidden): pass"))
