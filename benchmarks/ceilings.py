"""How much of the machine a training uses: its FLOP/s and bytes/s against what the same machine reaches at most.

Repeat it with ``python benchmarks/ceilings.py`` (two minutes; ``--compile`` also times torch.compile, once). The
ceilings are measured in the same process with the same threads: the best matrix product and convolution (FLOP/s), and a
copy and a sum of arrays that fit into no cache, and of some that do (bytes/s). FLOPs of a step are counted by PyTorch's
counter: matrix products and convolutions, forward and backward. Bytes are those that each operation reads and writes,
were each tensor read and written once and kept in no cache in between; views count nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from machine import described, written
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from ways import Task, task

from ordersearch.training.allocation import keep_freed_memory
from ordersearch.training.layout import put_channels_last

BATCH = 128
N_STEPS, N_ROUNDS = 20, 7
KINDS = {
    "convolution": ("convolution",),
    "max-pool": ("max_pool",),
    "batch norm": ("batch_norm",),
    "dropout": ("dropout", "bernoulli"),
    "optimiser": ("adamw", "_foreach"),
    "linear": ("addmm", "aten::mm"),
    "activation": ("relu", "threshold"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    tasks = [task(name, epochs=1, device=options.device, precision="32") for name in ("digits", "28x28", "32x32")]
    peaks = {**flops_ceilings(options.device), **bytes_ceilings(options.device)}
    lines = [f"{options.threads} threads, float32, batches of {BATCH}, best of {N_ROUNDS} rounds for the ceilings", ""]
    lines += [f"  {name:<52}{value / 1e9:>8.1f} G" for name, value in peaks.items()]
    best_flops = max(value for name, value in peaks.items() if name.startswith("FLOP/s"))
    best_bytes = peaks["bytes/s: copy of 256 MB"]
    for each in tasks:
        lines += ["", *used(each, best_flops, best_bytes)]
    if options.compile:
        lines += ["", *(compiled(each) for each in tasks[:2])]
    written([*described(options.device), *lines], f"ceilings_{'gpu' if options.device == 'cuda' else 'cpu'}.txt")


def seconds_of(run: Callable[[], Any], n: int = 1) -> list[float]:
    """The time of one call in each of several rounds of ``n`` calls."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    run()
    found = []
    for _ in range(N_ROUNDS):
        wait()
        start = time.perf_counter()
        for _ in range(n):
            run()
        wait()
        found.append((time.perf_counter() - start) / n)
    return found


def flops_ceilings(device: str) -> dict[str, float]:
    found = {}
    for size in (512, 1024, 2048):
        a, b = torch.randn(2, size, size, device=device)
        found[f"FLOP/s: matrix product {size} x {size}"] = 2 * size**3 / min(seconds_of(lambda a=a, b=b: a @ b))
    for n, channels, side in ((32, 64, 28), (BATCH, 32, 14), (BATCH, 16, 28)):
        x = torch.randn(n, channels, side, side, device=device).contiguous(memory_format=torch.channels_last)
        w = torch.randn(channels, channels, 3, 3, device=device).contiguous(memory_format=torch.channels_last)
        seconds = min(seconds_of(lambda x=x, w=w: functional.conv2d(x, w, padding=1), 3))
        name = f"FLOP/s: 3x3 convolution, {channels} channels, {n} x {side} x {side}"
        found[name] = 2 * n * side**2 * channels**2 * 9 / seconds
    return found


def bytes_ceilings(device: str) -> dict[str, float]:
    found = {}
    for mb in (256, 8, 0.25):
        a, b, c = torch.ones(3, int(mb * 2**18), device=device)
        rounds = 1 if mb > 100 else 200
        moved = a.numel() * 4
        size = f"{mb:g} MB"
        found[f"bytes/s: copy of {size}"] = 2 * moved / min(seconds_of(lambda a=a, b=b: b.copy_(a), rounds))
        found[f"bytes/s: sum of two of {size}"] = (
            3 * moved / min(seconds_of(lambda a=a, b=b, c=c: torch.add(a, b, out=c), rounds))
        )
    return found


class Moved(TorchDispatchMode):
    """Counts the bytes that operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and "detach" not in str(func):
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            self.n_bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


def step_of(each: Task, model: nn.Module) -> Callable[[], None]:
    """One training step on one batch."""
    x, y = each.data.x_train[:BATCH].contiguous(memory_format=torch.channels_last), each.data.y_train[:BATCH]
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def network_of(each: Task) -> nn.Module:
    model = each.model().to(each.data.device)
    put_channels_last(model)
    return model.train()


def used(each: Task, best_flops: float, best_bytes: float) -> list[str]:
    """What a step of one network comes to, and where its time goes."""
    step = step_of(each, network_of(each))
    seconds = seconds_of(step, N_STEPS)
    middle = statistics.median(seconds)
    with FlopCounterMode(display=False) as counter:
        step()
    with Moved() as moved:
        step()
    flops, n_bytes = counter.get_total_flops(), moved.n_bytes
    shape = "x".join(map(str, each.dataset.input_shape))
    return [
        f"{each.name} ({shape}), cnn: a step takes {1000 * middle:.2f} ms ({1000 * min(seconds):.2f} to "
        f"{1000 * max(seconds):.2f}, n = {len(seconds)} x {N_STEPS})",
        f"  {flops / 1e6:.0f} MFLOP: {flops / middle / 1e9:.1f} GFLOP/s, {flops / middle / best_flops:.0%} of the "
        f"best; at that best they would take {1000 * flops / best_flops:.2f} ms",
        f"  {n_bytes / 1e6:.0f} MB: {n_bytes / middle / 1e9:.1f} GB/s, {n_bytes / middle / best_bytes:.0%} of the copy "
        f"from memory; at that they would take {1000 * n_bytes / best_bytes:.2f} ms",
        *_shares(step, each.data.device.type),
    ]


def _shares(step: Callable[[], None], device: str) -> list[str]:
    """The share of each kind of operation in a step, by PyTorch's profiler."""
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as recorded:
        for _ in range(N_STEPS):
            step()
    times: Counter[str] = Counter()
    for event in recorded.key_averages():
        name = event.key.lower()
        kind = next((kind for kind, signs in KINDS.items() if any(sign in name for sign in signs)), "all else")
        times[kind] += event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
    total = sum(times.values())
    return ["  time: " + ", ".join(f"{kind} {value / total:.0%}" for kind, value in times.most_common())]


def compiled(each: Task) -> str:
    """What torch.compile costs and gains for one order."""
    plain = step_of(each, network_of(each))
    before = statistics.median(seconds_of(plain, N_STEPS))
    model = network_of(each)
    step = step_of(each, torch.compile(model))  # type: ignore[arg-type]
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    after = statistics.median(seconds_of(step, N_STEPS))
    steps = (first / (before - after)) if after < before else float("inf")
    return (
        f"torch.compile, {each.name}: the first step takes {first:.1f} s, a later one {1000 * after:.2f} ms instead of "
        f"{1000 * before:.2f}: it pays after {steps:.0f} steps of one order"
    )


if __name__ == "__main__":
    main()
