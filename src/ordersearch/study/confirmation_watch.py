"""Watching a confirmation, and watching its baseline being tuned: counts, and whom to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna

from ordersearch.objective import Setting
from ordersearch.results import Run, State
from ordersearch.study.observer import Observer, Progress
from ordersearch.study.queue_watch import TellingWatch
from ordersearch.study.run_queue import queued_runs

if TYPE_CHECKING:
    from ordersearch.study.confirmation import Confirmation
    from ordersearch.study.search import Search


class ConfirmationWatch(TellingWatch):
    """Tells the observers what a confirmation trains.

    Args:
        confirmation: Which.
        most: The most runs that there will be.
        observers: Whom to tell.
        study: Where the runs are kept.
    """

    def __init__(
        self, confirmation: Confirmation, most: int, observers: Sequence[Observer], study: optuna.Study
    ) -> None:
        self.confirmation, self.most = confirmation, most
        runs = queued_runs(study)
        max_epochs = confirmation.search.training.max_epochs
        super().__init__(study, observers, max_epochs=max_epochs, n_before=self._n_trained(runs))
        for observer in observers:
            observer.confirmation_started(confirmation, self.progress(runs))

    def progress(self, runs: Sequence[Run]) -> Progress:
        """Where the confirmation stands with these runs."""
        return self.counted(runs, n_trained=self._n_trained(runs), n_trials=self.most)

    def _n_trained(self, runs: Sequence[Run]) -> int:
        """How many of the runs that may be looked at are there; the last pack may hold further ones."""
        return sum(map(len, self.confirmation.complete(runs).values()))


class BaselineWatch(TellingWatch):
    """Tells the observers at which settings the baseline is trained.

    Args:
        search: Whose baseline it is.
        settings: Those that are trained.
        observers: Whom to tell.
        study: Where the runs are kept.
    """

    def __init__(
        self, search: Search, settings: Sequence[Setting], observers: Sequence[Observer], study: optuna.Study
    ) -> None:
        self.wanted = {setting.digest for setting in settings}
        runs = queued_runs(study)
        super().__init__(study, observers, max_epochs=search.training.max_epochs, n_before=self._n_trained(runs))
        for observer in observers:
            observer.baseline_started(search, self.progress(runs))

    def progress(self, runs: Sequence[Run]) -> Progress:
        """Where the baseline stands with these runs."""
        return self.counted(runs, n_trained=self._n_trained(runs), n_trials=len(self.wanted))

    def _n_trained(self, runs: Sequence[Run]) -> int:
        return len({run.setting for run in runs if run.state is State.COMPLETE} & self.wanted)
