"""Ranking: which order did best, and how sure that is, from numbers alone."""

from ordersearch.ranking.decision import Comparison, Decision, decide, pairs_needed
from ordersearch.ranking.screening import Observation, Place, rank, seed_effects
from ordersearch.ranking.stopping import AnytimeValid, GroupSequential, StoppingRule

__all__ = [
    "AnytimeValid",
    "Comparison",
    "Decision",
    "GroupSequential",
    "Observation",
    "Place",
    "StoppingRule",
    "decide",
    "pairs_needed",
    "rank",
    "seed_effects",
]
