"""One trial: a setting and a seed, trained once, and what came out written down."""

from ordersearch.objective.confirming import ConfirmingObjective
from ordersearch.objective.searching import Objective
from ordersearch.objective.setting import Setting
from ordersearch.objective.trainer import Trainer
from ordersearch.objective.trial import TrialFailed

__all__ = ["ConfirmingObjective", "Objective", "Setting", "Trainer", "TrialFailed"]
