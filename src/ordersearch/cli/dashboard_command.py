"""The command ``dashboard``: optuna-dashboard on a run's study and artifacts."""

from __future__ import annotations

import shlex
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ordersearch.cli.interrupts import put_off
from ordersearch.cli.runs import ARTIFACTS, JOURNAL, RUNS, existing_storage, journal_in, newest_run, run_path
from ordersearch.errors import OrdersearchError, without_password

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

PORT = 8080


class PortError(OrdersearchError, OSError):
    """A port that cannot be listened on."""


@dataclass(frozen=True)
class Watched:
    """What a dashboard is started on.

    Attributes:
        location: Of the storage: a journal's path, or a URL.
        artifacts: Their folder.
    """

    location: str
    artifacts: Path

    def own_command(self, folder: Path) -> str:
        """The command of ordersearch that does, for the run of a folder.

        Example:
            >>> folder = Path("runs/digits-conv")
            >>> Watched("runs/digits-conv/study.journal", folder / "artifacts").own_command(folder)
            'python -m ordersearch dashboard runs/digits-conv'
        """
        elsewhere = [] if self.location == str(folder / JOURNAL) else ["--storage", without_password(self.location)]
        return shlex.join(["python", "-m", "ordersearch", "dashboard", str(folder), *elsewhere])

    @property
    def command(self) -> str:
        """The command that starts a plain optuna-dashboard on it.

        Example:
            >>> Watched("runs/digits-conv/study.journal", Path("runs/digits-conv/artifacts")).command
            'optuna-dashboard runs/digits-conv/study.journal --artifact-dir runs/digits-conv/artifacts'
        """
        words = ["optuna-dashboard", without_password(self.location), "--artifact-dir", str(self.artifacts)]
        return shlex.join(words)


def run_dashboard(run: str, storage: str, host: str, port: int | None) -> int:
    """Start the dashboard, print where it is, and serve until Ctrl-C; the exit code.

    Args:
        run: Folder of a run, or its name under ``runs``; empty for the newest there.
        storage: Where the study is kept, if not in the run's folder.
        host: Address to listen on.
        port: Port to listen on; None for 8080, or another one where that is taken.
    """
    watched = watched_run(run, existing_storage(storage))
    with put_off():
        from ordersearch.report.dashboard import refresh  # noqa: F401
        from ordersearch.study.storage import open_storage
    opened = open_storage(watched.location)
    _bring_up_to_date(opened, watched.artifacts)
    with _server(opened, watched, host, port) as server:
        taken = port is None and server.server_port != PORT
        told = f" (port {PORT} is taken)" if taken else ""
        print(f"Dashboard: http://{_in_address(host)}:{server.server_port}/{told}", flush=True)
        if host not in ("127.0.0.1", "localhost", "::1"):
            print("Whoever reaches this address can read the studies, and change and delete them.", flush=True)
        print("Ctrl-C ends it; a search goes on all the same.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nThe dashboard has ended.", file=sys.stderr)
    return 0


def watched_run(run: str, storage: str = "") -> Watched:
    """What to start the dashboard on.

    Args:
        run: Folder of a run, or its name under ``runs``; empty for the newest there.
        storage: Where the study is kept, if not in the run's folder.

    Raises:
        RunError: There is no such run, or its folder holds no study.
    """
    if storage and not run:
        return Watched(storage, RUNS / ARTIFACTS)
    folder = run_path(run) if run else newest_run()
    return Watched(storage or str(journal_in(folder)), folder / ARTIFACTS)


def _bring_up_to_date(storage: BaseStorage, artifacts: Path) -> None:
    """Write the notes and plots of every search of the storage; where that fails, those that are there must do."""
    from ordersearch.report.dashboard import refresh
    from ordersearch.report.dashboard.observer import reason_told
    from ordersearch.study.kept_study import search_names

    try:
        for name in search_names(storage):
            refresh(storage, name, artifacts)
    except Exception as error:  # noqa: BLE001 - the trials can be looked at all the same
        print(f"Warning: the notes and plots are as they were ({reason_told(error)}).", file=sys.stderr)


class _Server(ThreadingMixIn, WSGIServer):
    """Answers several requests at once."""

    daemon_threads = True


class _Server6(_Server):
    """The same for an address of IPv6."""

    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Prints no line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def _server(storage: BaseStorage, watched: Watched, host: str, port: int | None) -> WSGIServer:
    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    app = optuna_dashboard.wsgi(storage, artifact_store=FileSystemArtifactStore(watched.artifacts))
    kind = _Server6 if ":" in host else _Server
    for number in (PORT, 0) if port is None else (port,):
        try:
            return make_server(host, number, app, server_class=kind, handler_class=_Quiet)
        except OSError as error:
            cause = error
    raise PortError(
        f"--host {host}, --port {PORT if port is None else port}: cannot be listened on "
        f"({cause.strerror or cause}). Take another port, or leave --port out."
    ) from cause


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
