"""The identities held against real layers, in training and in evaluation, and shown to be held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import cast
from zlib import crc32

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ordersearch.block import build_block
from ordersearch.errors import ShapeError
from ordersearch.identities import bias_is_redundant, canonical, cheapest, commute
from ordersearch.ops import OpSpec, Role, Trait, op_kind, op_names
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.spec import BlockSpec
from ordersearch.testing.swaps import bias_contradictions, swap_contradictions
from ordersearch.testing.variants import partners
from tests.plugged import Install
from tests.strategies import block_specs, equivalent_pairs

parse = BlockSpec.parse


def contradictions_about(name: str) -> str:
    """What the layers say against the code about one row."""
    swaps = swap_contradictions(2, lambda a, b: a.role is not b.role and name in (a.name, b.name))
    return "\n".join(swaps + bias_contradictions(2, about=name))


def both_dropouts(a: OpSpec, b: OpSpec) -> bool:
    return a.role is b.role is Role.DROPOUT


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_swaps_are_what_layers_do(dims: int) -> None:
    assert swap_contradictions(dims) == []


@pytest.mark.parametrize("dims", [0, 2])
def test_swaps_of_dropouts_are_what_layers_do(dims: int) -> None:
    assert swap_contradictions(dims, both_dropouts) == []


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_redundant_biases_are_what_layers_do(dims: int) -> None:
    assert bias_contradictions(dims) == []


def test_every_row_is_held_against_its_layers() -> None:
    rows = {name for name in op_names() if op_kind(name).role is not Role.MERGE}
    assert {op.name for dims in (0, 2) for op in partners(dims)} == rows


@pytest.mark.parametrize(
    ("name", "trait", "complaint"),
    [
        ("gelu", Trait.MONOTONE, "gelu > max_pool commutes, says the code, but the layers differ"),
        ("silu", Trait.MONOTONE, "silu > max_pool commutes, says the code, but the layers differ"),
        ("prelu", Trait.MONOTONE, "prelu > max_pool commutes, says the code, but the layers differ"),
        ("tanh", Trait.HOMOGENEOUS, "tanh > dropout commutes, says the code, but the layers differ"),
        ("relu6", Trait.HOMOGENEOUS, "relu6 > dropout commutes, says the code, but the layers differ"),
        ("relu", Trait.LINEAR, "relu > avg_pool commutes, says the code, but the layers differ"),
        ("dropout", Trait.PER_CHANNEL, "dropout > max_pool commutes, says the code, but the layers differ"),
        ("alpha_dropout", Trait.SCALING, "alpha_dropout commutes, says the code, but the layers differ"),
        ("avg_pool", Trait.TAKES_MAX, "relu > avg_pool commutes, says the code, but the layers differ"),
        ("group_norm", Trait.CENTRES_CHANNELS, "cancels the bias, says the code, but it makes"),
        ("layer_norm", Trait.CENTRES_CHANNELS, "cancels the bias, says the code, but it makes"),
    ],
)
def test_planted_traits_are_caught(plant: pytest.MonkeyPatch, name: str, trait: Trait, complaint: str) -> None:
    plant.setitem(BUILTIN_OPS, name, replace(BUILTIN_OPS[name], traits=BUILTIN_OPS[name].traits | {trait}))
    assert complaint in contradictions_about(name)


@pytest.mark.parametrize(("name", "trait"), [("leaky_relu", Trait.MONOTONE), ("avg_pool", Trait.KEEPS_CONSTANTS)])
def test_planted_traits_without_their_conditions_are_caught(plant: pytest.MonkeyPatch, name: str, trait: Trait) -> None:
    assert trait in BUILTIN_OPS[name].conditions
    plant.setitem(BUILTIN_OPS, name, replace(BUILTIN_OPS[name], conditions={}))
    assert "the layers differ" in contradictions_about(name)


@pytest.mark.parametrize(
    ("name", "trait", "complaint"),
    [
        ("relu", Trait.MONOTONE, "relu > max_pool does not commute, says the code, but the layers agree"),
        ("relu", Trait.HOMOGENEOUS, "relu > dropout does not commute, says the code, but the layers agree"),
        ("spatial_dropout", Trait.PER_CHANNEL, "spatial_dropout > max_pool does not commute, says the code, but the"),
        ("batch_norm", Trait.CENTRES_CHANNELS, "does not cancel the bias, says the code, but the layers do"),
    ],
)
def test_missing_traits_are_caught(plant: pytest.MonkeyPatch, name: str, trait: Trait, complaint: str) -> None:
    plant.setitem(BUILTIN_OPS, name, replace(BUILTIN_OPS[name], traits=BUILTIN_OPS[name].traits - {trait}))
    assert complaint in contradictions_about(name)


PLUGIN = """
import torch
from ordersearch.ops import Call, OpKind, Param, Role, Trait

class Times(torch.nn.Module):
    def forward(self, x):
        return -2 * x

class Sine(torch.nn.Module):
    def forward(self, x):
        return x.sin()

class ChannelNoise(torch.nn.Module):
    def forward(self, x):
        return x * (1 + torch.randn(x.shape[:2] + (1,) * (x.ndim - 2), dtype=x.dtype)) if self.training else x

def row(name, role, *traits):
    call = Call(f"{__name__}.{name}")
    return OpKind(name.lower(), role, "for a test", call, call, traits=frozenset(traits))

TIMES = row("Times", Role.ACTIVATION, Trait.LINEAR, Trait.HOMOGENEOUS)
SINE = row("Sine", Role.ACTIVATION, Trait.MONOTONE)
NOISE = row("ChannelNoise", Role.DROPOUT, Trait.SCALING, Trait.PER_CHANNEL)
"""


def test_rows_of_plugins_swap_by_their_traits(install: Install) -> None:
    install(PLUGIN, times="TIMES", channelnoise="NOISE")
    times, noise = OpSpec("times"), OpSpec("channelnoise")
    assert commute(times, OpSpec("avg_pool"))
    assert commute(times, noise)
    assert commute(noise, OpSpec("avg_pool"))
    assert not commute(times, OpSpec("max_pool"))
    assert not commute(noise, OpSpec("max_pool"))
    assert not commute(noise, OpSpec("relu"))
    assert {"times", "channelnoise"} <= {op.name for op in partners(2)}
    assert contradictions_about("times") == ""
    assert contradictions_about("channelnoise") == ""


def test_false_traits_of_plugins_are_caught(install: Install) -> None:
    install(PLUGIN, sine="SINE")
    assert "sine > max_pool commutes, says the code, but the layers differ" in contradictions_about("sine")


def test_pointwise_weight_and_avg_pool_swap_at_stride_1_only() -> None:
    torch.manual_seed(0)
    weight, pool, x = nn.Conv2d(3, 4, 1).double(), nn.AvgPool2d(2), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(pool(weight(x)), weight(pool(x)), rtol=0, atol=1e-12)
    weight.stride = (2, 2)
    assert not torch.allclose(pool(weight(x)), weight(pool(x)), rtol=0, atol=1e-2)


def dropouts_seeded(block: nn.Module) -> nn.Module:
    """Makes each dropout draw by what it is, not by where it stands: of those written alike, the first as the first."""
    counts: Counter[str] = Counter()
    for module in block.modules():
        if "Dropout" in type(module).__name__ and getattr(module, "p", 1) > 0:
            counts[repr(module)] += 1
            seed = crc32(f"{module!r} {counts[repr(module)]}".encode())
            module.register_forward_pre_hook(lambda *_, seed=seed: torch.manual_seed(seed) and None)
        if hasattr(module, "running_var"):
            cast(nn.BatchNorm2d, module).momentum = 1.0
    return block


def random_parameters(block: nn.Module, seed: int) -> None:
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            generator = torch.Generator().manual_seed(crc32(f"{name} {seed}".encode()))
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))


def whole_answers(block: nn.Module, x: Tensor) -> dict[str, Tensor]:
    x = x.clone().requires_grad_()
    y = block.train()(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=y.dtype))
    found = {"output": y.detach(), "input": cast(Tensor, x.grad)}
    found |= {name: cast(Tensor, p.grad) for name, p in block.named_parameters()}
    with torch.no_grad():
        found["evaluation"] = block.eval()(x)
    return found


def assert_same_network(
    a: BlockSpec, b: BlockSpec, *, seed: int, pool: bool = True, dropout: bool = True, stride: int = 1
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (4, 3, 24, 24) if a.on_maps else (8, 3)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * 2
    found = []
    for spec in (a, b):
        block = build_block(spec, 3, 4, pool=pool, dropout=dropout, stride=stride if a.on_maps else 1).double()
        try:
            block.output_sizes(shape[2:])
        except ShapeError:
            assume(False)
        random_parameters(block, seed)
        found.append(whole_answers(dropouts_seeded(block), x))
    scale = max(1.0, *(float(value.abs().max()) for value in found[0].values()))
    for key in found[0].keys() | found[1].keys():
        one, other = (answer.get(key) for answer in found)
        if one is None or other is None:
            # A bias that one has and the other has not: what it learns is nothing.
            assert key.endswith("bias"), key
            one, other = (one if one is not None else cast(Tensor, other)), torch.zeros(())
        assert float((one - other).abs().max()) <= 1e-9 * scale, (key, str(a), str(b))


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    equivalent_pairs(max_ops=7, max_pools=3), st.integers(0, 9), st.booleans(), st.booleans(), st.sampled_from([1, 2])
)
def test_equivalent_blocks_are_one_network(
    pair: tuple[BlockSpec, BlockSpec], seed: int, pool: bool, dropout: bool, stride: int
) -> None:
    assert_same_network(*pair, seed=seed, pool=pool, dropout=dropout, stride=stride)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(block_specs(max_ops=7, max_pools=3), st.integers(0, 9), st.sampled_from([1, 2]))
def test_canonical_and_cheapest_are_the_network(spec: BlockSpec, seed: int, stride: int) -> None:
    assert_same_network(spec, canonical(spec), seed=seed, stride=stride)
    assert_same_network(spec, cheapest(spec), seed=seed, stride=stride)


def test_bias_rule_is_that_of_the_block_that_is_built() -> None:
    spec = parse("conv > dropout > batch_norm")
    assert not bias_is_redundant(spec.ops, 0)
    assert [name for name, _ in build_block(spec, 3, 4).named_parameters() if "conv.bias" in name]
    assert not [name for name, _ in build_block(spec, 3, 4, dropout=False).named_parameters() if "conv.bias" in name]
