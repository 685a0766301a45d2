"""The processes that work on one study at once, as this process sees them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ordersearch.results import Attribute, State


class Team:
    """A team of one: this process alone. ``ordersearch.workers`` has one of many.

    Attributes:
        number: Of this process in the team; what the sampler draws at random differs with it.
    """

    number = 0

    def begin_search(self, *, n_trials: int | None, n_expected: int | None, timeout: float | None) -> None:
        """Have the others search along; the arguments are those of ``Search.run``."""

    def begin_queue(self, study: str, *, timeout: float | None, is_final: bool) -> None:
        """Have the others train what waits in the study of this name."""

    def look(self, study: optuna.Study) -> list[FrozenTrial]:
        """See how the others are; the trials of those that are gone are ended and returned."""
        return []

    def n_under_way(self, study: optuna.Study) -> int:
        """How many trials the others have under way."""
        return 0

    def end(self, study: optuna.Study, tell: Callable[[], None]) -> bool:
        """Let the others begin no more, and wait for what they have under way.

        Args:
            study: Which they work on.
            tell: Called now and then meanwhile, and at the end.

        Returns:
            Whether one had something under way, so that the study may look different now.
        """
        return False

    def interrupt(self) -> None:
        """Have the others stop at once."""

    def is_over(self) -> bool:
        """Whether this process is to begin nothing more, because another one said so."""
        return False


ALONE = Team()


def trials_under_way(study: optuna.Study) -> list[FrozenTrial]:
    """The trials of a study that some process has under way, or had when it died."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def worker_of(trial: FrozenTrial) -> str:
    """The process that trains a trial, as ``opening.worker_name`` gives it; empty where it has not said so yet."""
    return str(trial.user_attrs.get(Attribute.WORKER, ""))


def end_lost(study: optuna.Study, worker: str, reason: str) -> list[FrozenTrial]:
    """End the trials that a worker had under way when it died.

    They count as crashed, not as interrupted: what killed the worker may be the run itself, and a run that crashed is
    tried only once more.

    Args:
        study: Which it worked on.
        worker: Its name, as its trials carry it.
        reason: What it died of.
    """
    lost = [trial for trial in trials_under_way(study) if worker_of(trial) == worker]
    for trial in lost:
        # Whoever shares the storage may have found it abandoned meanwhile.
        with suppress(UpdateFinishedTrialError):
            if Attribute.SETTING in trial.user_attrs:
                # Optuna lets only the process that trains a trial write into it, save through its storage.
                attributes = {Attribute.STATE: State.CRASHED.value, Attribute.REASON: reason}
                for name, value in attributes.items():
                    study._storage.set_trial_user_attr(trial._trial_id, str(name), value)
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return [study.get_trials(deepcopy=False)[trial.number] for trial in lost]
