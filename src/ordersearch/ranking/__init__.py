"""Ranking: which order did best, what its parts do, and how sure that is, from numbers alone."""

from ordersearch.ranking.contexts import Outcome
from ordersearch.ranking.decision import Comparison, Decision, decide, pairs_needed
from ordersearch.ranking.effects import Effect, HeatMap, PartEffect, PartEffects, part_effects
from ordersearch.ranking.parts import drops_before_norm, same_networks
from ordersearch.ranking.screening import Observation, Place, rank
from ordersearch.ranking.stopping import AnytimeValid, GroupSequential, StoppingRule

__all__ = [
    "AnytimeValid",
    "Comparison",
    "Decision",
    "Effect",
    "GroupSequential",
    "HeatMap",
    "Observation",
    "Outcome",
    "PartEffect",
    "PartEffects",
    "Place",
    "StoppingRule",
    "decide",
    "drops_before_norm",
    "pairs_needed",
    "part_effects",
    "rank",
    "same_networks",
]
