"""The commands and how they end: 0 done, 1 no result (or two networks), 2 bad input, 130 interrupted."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ordersearch.cli.block_commands import attach, classes, explain, export, list_, validate
from ordersearch.cli.interrupts import answered_once
from ordersearch.errors import OrdersearchError


class SearchByDefault(TyperGroup):
    """A group in which arguments that begin with no command are those of ``search``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``search`` before arguments that begin with no command."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            args = ["search", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=SearchByDefault,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    help=(
        "Find the best order of conv, norm, activation, dropout and pooling for your data.\n\n"
        "python -m ordersearch DATASET is short for python -m ordersearch search DATASET."
    ),
)


def main() -> None:
    """Run the command line and exit: errors in what was given get one or two sentences and the code 2."""
    # Threads that spin while they wait for each other starve on a busy machine. At 28x28 with two threads, an epoch of
    # 4800 samples took 0.40 s spinning and 0.42 s sleeping on an idle machine, 4.8 s and 0.88 s on a busy one (5 each).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with answered_once():
            app()
    except OrdersearchError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _version(asked: bool) -> None:
    if asked:
        from ordersearch import __version__

        print(f"ordersearch {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find the best order of conv, norm, activation, dropout and pooling for your data."""


@app.command()
def search(
    dataset: Annotated[
        str, typer.Argument(help="A name, a file, a folder or package.module:DataModule; see list datasets.")
    ],
    space: Annotated[
        str, typer.Option(help="Search space: a name or a YAML file. [default: conv; dense for tables]")
    ] = "",
    network: Annotated[
        str, typer.Option(help="Where the blocks sit: a name or package.module:build. [default: cnn; mlp for tables]")
    ] = "",
    width: Annotated[
        int | None, typer.Option(min=1, help="Channels of the network's first stage.", show_default=False)
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Blocks in each stage of the network.", show_default=False)
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trained trials in all. [default: what fills two minutes]", show_default=False),
    ] = None,
    timeout: Annotated[str, typer.Option(help="Begin no trial after this: 90, 10m, 1h30m.")] = "",
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs a trial. [default: from the data's size]", show_default=False)
    ] = None,
    metric: Annotated[str, typer.Option(help="What decides: val/loss, val/accuracy.")] = "val/loss",
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches, noise, split and sampler.")] = 0,
    max_seeds: Annotated[int, typer.Option(min=1, help="Seeds that one setting is trained with at most.")] = 3,
    storage: Annotated[
        str, typer.Option(help="Optuna storage URL. [default: a journal file in the run's folder]")
    ] = "",
    name: Annotated[str, typer.Option(help="Of the study and the run's folder. [default: DATASET-SPACE]")] = "",
    out: Annotated[Path, typer.Option(help="Parent folder of the run's folder.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    input: Annotated[str, typer.Option(help="auto, table, signal, image or volume.")] = "auto",
    target: Annotated[str, typer.Option(help="Of a table: the column to predict, or several with commas.")] = "",
    task: Annotated[str, typer.Option(help="auto, classification, regression or multilabel.")] = "auto",
    augment: Annotated[str, typer.Option(help="Of images in training: flip, crop or flip,crop.")] = "",
    pack: Annotated[
        str, typer.Option(help="Seeds trained together as one batched model: auto, off or how many.")
    ] = "auto",
    workers: Annotated[
        str, typer.Option(help="Processes that share the work: auto or how many, at most one a core.")
    ] = "auto",
    confirm: Annotated[
        str, typer.Option(help="Train the best few anew on fresh pairs of seed and split: auto, off or how many pairs.")
    ] = "auto",
    baseline: Annotated[
        str, typer.Option(help="Your order, which the others are compared with. [default: the space's convention]")
    ] = "",
    anytime: Annotated[
        bool, typer.Option("--anytime", help="Look after every pair, for as long as you like; finds less.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict alone.")] = False,
) -> None:
    """Search the best order for DATASET; the same command again resumes."""
    given = dict(locals())
    from ordersearch.cli.options import SearchOptions
    from ordersearch.cli.search_command import run_search

    raise typer.Exit(run_search(SearchOptions(**given)))


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's folder, or its name in runs.", show_default=False)] = "",
    format: Annotated[str, typer.Option(help="html, md, csv or json. [default: html]", show_default=False)] = "",
    out: Annotated[
        str, typer.Option(help="The file. [default: report.html in the run's folder; else it is printed]")
    ] = "",
    storage: Annotated[str, typer.Option(help="Optuna storage URL, where the study is in no run's folder.")] = "",
    name: Annotated[str, typer.Option(help="Of the study, where the storage holds several searches.")] = "",
) -> None:
    """Report on RUN: verdict, leaderboard, drawings, how to use it; the data set is not needed."""
    given = dict(locals())
    from ordersearch.cli.report_command import ReportOptions, run_report

    raise typer.Exit(run_report(ReportOptions(**given)))


@app.command()
def dashboard(
    run: Annotated[
        str, typer.Argument(help="A run's folder, or its name in runs. [default: the newest]", show_default=False)
    ] = "",
    storage: Annotated[str, typer.Option(help="Optuna storage URL, where the study is in no run's folder.")] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="[default: 8080, or a free one]", show_default=False)
    ] = None,
) -> None:
    """Watch RUN in a browser with optuna-dashboard: notes, plots, learning curves; also while it runs."""
    from ordersearch.cli.dashboard_command import run_dashboard

    raise typer.Exit(run_dashboard(run, storage, host, port))


@app.command()
def serve(
    storage: Annotated[str, typer.Option(help="The database's URL.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 13000,
) -> None:
    """Serve a database by Optuna's gRPC proxy, for workers with --storage grpc://HOST:PORT."""
    from ordersearch.cli.serve_command import run_serve

    raise typer.Exit(run_serve(storage, host, port))


for command in (explain, classes, export, validate, attach):
    app.command()(command)
app.command("list")(list_)
