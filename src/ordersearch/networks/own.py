"""A user's own network: ``package.module:build``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.errors import NetworkError
from ordersearch.networks.network import Network, Option
from ordersearch.user_code import call_user, find_user_code, names_user_code, signature_of

FORM = "a network of your own is written as package.module:build, with build(blocks, input_shape, n_outputs)"


def own_network(name: str) -> Network:
    """The network that the function ``package.module:build`` builds; the current folder counts as importable.

    The function is called as ``build(blocks, input_shape, n_outputs)`` and returns an ``nn.Module``;
    ``blocks["conv"](in_channels, out_channels)`` makes a layer. Its further parameters that are whole numbers or truth
    values are the network's options. A class that is made with these three does as well.

    Raises:
        NetworkError: The name is not of that form, the module cannot be imported, or what it names cannot be called.
        UnknownNameError: There is no such module, or it has nothing of this name; the message gives the nearest.
    """
    at = f"Network {name!r}"
    if not names_user_code(name):
        raise NetworkError(f"{at}: {FORM}.")
    found = find_user_code(name, at=at, noun="function", error=NetworkError, failed="cannot be imported:")
    if isinstance(found, Network):
        return found
    if not callable(found):
        raise NetworkError(f"{at} is of type {type(found).__name__}, which cannot be called, but {FORM}.")
    summary = (inspect.getdoc(found) or "your own network").splitlines()[0].rstrip(".")
    return Network(name, summary, (), (0, 1, 2, 3), OwnBuild(name, found), options=_options(found))


@dataclass(frozen=True)
class OwnBuild:
    """Calls the user's function, and says where in it what went wrong.

    Attributes:
        name: The network's.
        function: The user's.
        package: The plugin's, with its version, where it comes from one.
    """

    name: str
    function: Callable[..., Any]
    package: str = ""

    @property
    def at(self) -> str:
        """What messages begin with."""
        return f"Network {self.name!r}{f' of the plugin {self.package}' if self.package else ''}"

    def __call__(
        self, blocks: Mapping[str, BlockFactory], input_shape: tuple[int, ...], n_outputs: int, **options: Option
    ) -> nn.Module:
        """The module that the function returns.

        Raises:
            NetworkError: The function fails, or returns something else.
        """
        self._require_arguments(blocks, input_shape, n_outputs, options)
        module = call_user(
            lambda: self.function(blocks, input_shape, n_outputs, **options),
            at=self.at,
            error=NetworkError,
            failed="cannot be built:",
        )
        if not isinstance(module, nn.Module):
            raise NetworkError(
                f"{self.at} returns a value of type {type(module).__name__}, but a network is an "
                f"nn.Module. End the function with return nn.Sequential(...), say."
            )
        return module

    def _require_arguments(self, *arguments: Any) -> None:
        signature = signature_of(self.function)
        *given, options = arguments
        try:
            if signature is not None:
                signature.bind(*given, **options)
        except TypeError as cause:
            called = ", ".join(["blocks", "input_shape", "n_outputs", *(f"{k}={v}" for k, v in options.items())])
            raise NetworkError(f"{self.at} takes {signature}, but it is called with ({called}).") from cause


def _options(function: Callable[..., Any]) -> dict[str, Option]:
    signature = signature_of(function)
    if signature is None:
        return {}
    options: dict[str, Option] = {}
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for parameter in [p for p in parameters if p not in positional[:3] and p.kind is not p.VAR_POSITIONAL]:
        if parameter.kind is parameter.VAR_KEYWORD:
            options = {**dict.fromkeys(("width", "depth")), **options}
        elif isinstance(parameter.default, int) or parameter.name in ("width", "depth"):
            options[parameter.name] = parameter.default if isinstance(parameter.default, int) else None
    return options
