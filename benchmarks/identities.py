"""How long ``canonical`` takes: the limit is 1 ms for an order of up to 8 ops, and 2 s for the whole menu.

Repeat it with ``python benchmarks/identities.py``.
"""

from __future__ import annotations

import itertools
import platform
import random
import statistics
import time
from collections.abc import Sequence

from ordersearch.identities import canonical, cheapest, members, why
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "mish")
POOLS = ("max_pool", "avg_pool")
DROPOUTS = ("dropout", "spatial_dropout", "alpha_dropout")
N_REPEATS = 7


def menu() -> list[BlockSpec]:
    """All orders of one convolution and at most one each of norm, activation, pool and dropout."""
    ops = {name: OpSpec(name) for name in ("conv", "batch_norm", *ACTIVATIONS, *POOLS, *DROPOUTS)}
    found = {}
    for chosen in itertools.product(ACTIVATIONS, POOLS, DROPOUTS):
        others = [ops[name] for name in ("batch_norm", *chosen)]
        for size in range(5):
            for subset in itertools.combinations(others, size):
                for order in itertools.permutations((ops["conv"], *subset)):
                    found[order] = BlockSpec(order)
    return list(found.values())


def random_specs(n_ops: int, n_specs: int, generator: random.Random) -> list[BlockSpec]:
    """Orders of exactly ``n_ops`` ops, one weight at least, repeats allowed."""
    names = ["conv", "batch_norm", *ACTIVATIONS, *POOLS, *DROPOUTS]
    specs = []
    for _ in range(n_specs):
        ops = [OpSpec("conv"), *(OpSpec(generator.choice(names)) for _ in range(n_ops - 1))]
        generator.shuffle(ops)
        specs.append(BlockSpec(ops))
    return specs


def seconds(specs: Sequence[BlockSpec]) -> list[float]:
    """How long each of several passes over the specs takes."""
    times = []
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        for spec in specs:
            canonical(spec)
        times.append(time.perf_counter() - start)
    return times


def row(name: str, n_specs: int, times: Sequence[float]) -> str:
    each = [1e6 * value / n_specs for value in times]
    return (
        f"{name:<28} {n_specs:>6} {statistics.median(each):>10.1f} {min(each):>8.1f} {max(each):>8.1f} "
        f"{statistics.median(times):>9.3f}"
    )


def slowest(specs: Sequence[BlockSpec]) -> float:
    """The slowest single call, each spec at its best of several passes, in microseconds."""
    best: dict[BlockSpec, float] = {}
    for spec in [*specs] * 5:
        start = time.perf_counter()
        canonical(spec)
        best[spec] = min(best.get(spec, 1.0), time.perf_counter() - start)
    return 1e6 * max(best.values())


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}, {N_REPEATS} passes each")
    print(f"{'orders':<28} {'n':>6} {'median us':>10} {'min':>8} {'max':>8} {'total s':>9}")
    orders = menu()
    print(row("whole menu", len(orders), seconds(orders)))
    eight = random_specs(8, 2000, random.Random(0))
    for n_ops in (2, 4, 6, 8, 16):
        specs = random_specs(n_ops, 1000, random.Random(n_ops))
        print(row(f"random, {n_ops} ops", len(specs), seconds(specs)))
    print(f"slowest single order of 8 ops: {slowest(eight):.0f} us")
    saved = len(orders) - len({canonical(spec) for spec in orders})
    print(f"whole menu: {len(orders)} orders, {len(orders) - saved} networks")
    convention = BlockSpec([OpSpec(name) for name in ("conv", "batch_norm", "relu", "max_pool", "spatial_dropout")])
    for name, call in (("members", members), ("cheapest", cheapest), ("why", lambda spec: why(spec, cheapest(spec)))):
        start = time.perf_counter()
        for _ in range(200):
            call(convention)
        print(f"{name} of the convention: {1e6 * (time.perf_counter() - start) / 200:.0f} us")


if __name__ == "__main__":
    main()
