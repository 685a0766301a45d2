"""A setting: what a trial trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ordersearch.identities import canonical, cheapest
from ordersearch.networks import Network
from ordersearch.results import Attribute, Run, setting_digest
from ordersearch.spec import BlockSpec


@dataclass(frozen=True)
class Setting:
    """A class with its rates and its nuisance parameters: what a trial trains.

    Attributes:
        blocks: The cheapest order of the class, for each role, with the network's constants.
        canonical: The canonical order, for each role, in the notation, as the space has it.
        learning_rate: The peak learning rate.
        batch_size: Samples a step, or None for the training's own.
    """

    blocks: Mapping[str, BlockSpec]
    canonical: Mapping[str, str]
    learning_rate: float
    batch_size: int | None = None

    @classmethod
    def of(cls, blocks: Mapping[str, BlockSpec], nuisance: Mapping[str, float], network: Network) -> Setting:
        """The setting of these blocks in a network, whichever member of the class they are.

        Args:
            blocks: One a role.
            nuisance: ``lr`` and, where the space chooses it, ``batch_size``.
            network: Whose constants the blocks take where they leave an op at its defaults.
        """
        return cls(
            {role: cheapest(spec) for role, spec in network.settled(blocks).items()},
            {role: str(canonical(spec)) for role, spec in blocks.items()},
            nuisance["lr"],
            int(nuisance["batch_size"]) if "batch_size" in nuisance else None,
        )

    @classmethod
    def of_run(cls, run: Run) -> Setting:
        """The setting that a run was of."""
        blocks = {role: BlockSpec.parse(text) for role, text in run.blocks.items()}
        return cls(blocks, run.canonical, run.learning_rate, run.batch_size)

    def attributes(self) -> dict[str, Any]:
        """What a trial of the setting carries; the digest last, since who reads it takes the rest for there."""
        batch_size: dict[str, Any] = {} if self.batch_size is None else {Attribute.BATCH_SIZE: self.batch_size}
        return {
            Attribute.BLOCKS: {role: str(spec) for role, spec in self.blocks.items()},
            Attribute.CANONICAL: dict(self.canonical),
            Attribute.LEARNING_RATE: self.learning_rate,
            **batch_size,
            Attribute.SETTING: self.digest,
        }

    @property
    def digest(self) -> str:
        """The digest that names the setting."""
        return setting_digest(self.canonical, self.learning_rate, self.batch_size)
