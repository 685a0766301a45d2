"""The note of a trial: the order as it is trained, its class, what is known of it, how the trial ended and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

from ordersearch.advice import advise, well_known
from ordersearch.errors import OrdersearchError
from ordersearch.identities import canonical, each_member, swap_reason
from ordersearch.report.dashboard.markdown import code, escaped, fenced, table
from ordersearch.results import Run, State
from ordersearch.spec import BlockSpec

N_MEMBERS = 8

ENDED = {
    State.DOES_NOT_FIT: "**Does not fit** the data: the network cannot be built with this order.",
    State.DIVERGED: "**Diverged**: the loss was no longer finite.",
    State.OUT_OF_MEMORY: "**Out of memory**; it is tried once more.",
    State.CRASHED: "**Crashed**; it is tried once more.",
    State.INTERRUPTED: "**Interrupted**: the same command queues it again.",
    State.DUPLICATE: "**Not trained**: its run is another trial's.",
}


def trial_note(runs: Sequence[Run], metric: str, max_epochs: int, dims: int) -> str:
    """The note of a trial that has ended.

    Args:
        runs: The trial's: one, or one for each seed that was trained together.
        metric: The study's.
        max_epochs: Of a whole training.
        dims: The number of spatial dimensions of the data.
    """
    run = runs[0]
    parts = [_ended(runs, metric, max_epochs)]
    if run.reason:
        parts.append(f"Why: {code(run.reason, 500)}")
    parts += _members(runs, metric)
    for role, text in run.blocks.items():
        heading = [f"### {code(role)}"] if len(run.blocks) > 1 else []
        parts += [*heading, *_block(text, run.canonical.get(role, text), max(1, dims))]
    if run.n_reused:
        parts.append(f"{run.n_reused} proposals before it were known networks and were not trained again.")
    return "\n\n".join(parts)


def _ended(runs: Sequence[Run], metric: str, max_epochs: int) -> str:
    # A seed that diverged leaves those that did not; each one's end is told below.
    run = min(runs, key=lambda own: list(State).index(own.state))
    named = f" It is known as {code(run.reference)}." if run.reference else ""
    if run.state is State.COMPLETE:
        values = [own.value for own in runs if own.value is not None]
        mean = f"{sum(values) / len(values):.4g}" if values else "no value"
        over = f", the mean over {len(values)} seeds" if len(runs) > 1 else ""
        return f"**Complete**: {escaped(metric)} {mean}{over}, after {run.n_epochs} epochs.{named}"
    if run.state is State.PRUNED:
        at = f" at {escaped(metric)} {run.metrics[metric]:.4g}" if metric in run.metrics else ""
        return (
            f"**Stopped after {run.n_epochs} of {max_epochs} epochs**{at}: this was a probe, as every setting gets one "
            f"first. The settings with the best probes are trained whole, in trials of their own.{named}"
        )
    return ENDED.get(run.state, f"**{run.state.value.capitalize()}**") + named


def _members(runs: Sequence[Run], metric: str) -> Iterator[str]:
    """What each seed of a pack came to."""
    if len(runs) < 2:
        return
    rows = [
        [str(run.seed), run.state.value, f"{value:.4g}" if (value := _value(run, metric)) is not None else ""]
        for run in runs
    ]
    yield table([">seed", "state", f">{escaped(metric)}"], rows)


def _value(run: Run, metric: str) -> float | None:
    return run.metrics.get(metric) if run.value is None else run.value


@lru_cache(maxsize=1024)
def _block(text: str, canonical_text: str, dims: int) -> tuple[str, ...]:
    try:
        spec = BlockSpec.parse(text)
    except OrdersearchError:
        # Of another version, or with ops of a plugin that is not here.
        return (fenced([text]),)
    return (fenced(drawing(spec)), *_class(spec, canonical_text), *_advice(spec, dims))


def drawing(spec: BlockSpec) -> Iterator[str]:
    r"""The block from input to output, a layer a line, with what may be swapped.

    Example:
        >>> print("\n".join(drawing(BlockSpec.parse("conv > relu > max_pool"))))
        input
          │
        conv
          │
        relu
          ⇅ may be swapped
        max_pool
          │
        output
    """
    yield "input"
    before = None
    for op in spec.ops:
        yield "  ⇅ may be swapped" if before is not None and swap_reason(before, op) else "  │"
        yield str(op)
        before = op
    yield "  │"
    yield "output"


def _class(spec: BlockSpec, canonical_text: str) -> Iterator[str]:
    members = [str(member) for member in islice(each_member(canonical(spec)), N_MEMBERS + 1)]
    if len(members) == 1:
        yield f"**Class** {code(canonical_text)}: this order alone is this network."
    else:
        many = f"More than {N_MEMBERS}" if len(members) > N_MEMBERS else str(len(members))
        listed = "\n".join(f"- {code(member)}" for member in members[:N_MEMBERS])
        yield f"**Class** {code(canonical_text)}: {many} orders are this one network.\n\n{listed}"
    if known := well_known(spec):
        yield f"**Known as** {', '.join(code(order.name) for order in known)}."


def _advice(spec: BlockSpec, dims: int) -> Iterator[str]:
    told = [
        f"- **{advice.severity.capitalize()}**: {escaped(advice.text)} ({escaped(advice.figure)})"
        for advice in advise(spec, dims=dims)
    ]
    if told:
        yield "**Advice**\n\n" + "\n".join(told)


def block_text(run: Run) -> str:
    """The blocks of a run as the text of a file: what to parse, and at which rates it is trained.

    Example:
        >>> print(block_text(Run(3, State.COMPLETE, {"conv": "conv > relu"}, learning_rate=0.01)))
        conv: conv > relu
        # learning rate 0.01
        <BLANKLINE>
    """
    batch = f", batches of {run.batch_size}" if run.batch_size is not None else ""
    blocks = "".join(f"{role}: {text}\n" for role, text in run.blocks.items())
    return f"{blocks}# learning rate {run.learning_rate:g}{batch}\n"
