"""The command line: arguments in, text and an exit code out."""

from ordersearch.cli.app import main

__all__ = ["main"]
