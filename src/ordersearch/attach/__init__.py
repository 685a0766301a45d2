"""Our search space in an Optuna study that is there already, with an objective of the user's own.

    from ordersearch.attach import attach_space, backfill, begin_run, check_sampler, ranked

``begin_run(trial, space)`` in the objective is all that is needed; the others say whether the sampler models the orders
together with the study's own parameters, bring old trials in, and rank what was trained.
"""

from ordersearch.attach.backfilling import Backfilled, backfill
from ordersearch.attach.kept_space import attach_space, attached_space
from ordersearch.attach.ranked import RankedOrder, ranked
from ordersearch.attach.sampler_check import check_sampler
from ordersearch.attach.trial_run import TrialRun, begin_run

__all__ = [
    "Backfilled",
    "RankedOrder",
    "TrialRun",
    "attach_space",
    "attached_space",
    "backfill",
    "begin_run",
    "check_sampler",
    "ranked",
]
