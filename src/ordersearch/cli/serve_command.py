"""The command ``serve``: a database for machines that reach this one alone, by Optuna's gRPC proxy."""

from __future__ import annotations

import socket
import sys

from ordersearch.cli.interrupts import put_off
from ordersearch.errors import OrdersearchError, without_password

LOCAL = ("127.0.0.1", "localhost", "::1")


class ServeError(OrdersearchError, ValueError):
    """A storage that cannot be served, or an address that cannot be listened on."""


def run_serve(storage: str, host: str, port: int) -> int:
    """Serve a storage until Ctrl-C; the exit code.

    Args:
        storage: A database URL.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ServeError: The storage is no database, or the address cannot be listened on.
        StorageError: The database cannot be opened.
    """
    if "://" not in storage or storage.startswith("grpc://"):
        raise ServeError(
            f"--storage: got {storage!r}, but the proxy serves databases: postgresql://user@host/studies, or "
            "sqlite:///study.db, which it makes safe for several workers. Those that reach a journal file share it "
            "without a proxy."
        )
    with put_off():
        import optuna

        from ordersearch.study.storage import open_storage, quiet_optuna
    opened = open_storage(storage)
    _require_free(host, port)
    print(f"Serving {without_password(storage)}: --storage grpc://{_reached_at(host)}:{port}", flush=True)
    if host not in LOCAL:
        print("Whoever reaches this address can read the studies, and change and delete them.", flush=True)
    try:
        with quiet_optuna():
            optuna.storages.run_grpc_proxy_server(opened, host=host, port=port)
    except KeyboardInterrupt:
        print("\nThe proxy has ended; workers wait for it for a while.", file=sys.stderr)
    return 0


def _require_free(host: str, port: int) -> None:
    """Raise unless the address can be listened on: the proxy would wait for ever without saying so."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return
    except OSError as cause:
        raise ServeError(
            f"--host {host}, --port {port}: cannot be listened on ({cause.strerror or cause}). Take another port."
        ) from cause


def _reached_at(host: str) -> str:
    return socket.gethostname() if host in ("0.0.0.0", "::") else host
