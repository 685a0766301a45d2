"""Several processes of this machine that work on one study at once.

A script takes part in it like the command line does::

    with Workers(search, "runs/mine.journal", workers=4) as team:
        study = search.open_study(open_storage("runs/mine.journal"))
        result = search.run(study, n_trials=200, team=team)

Each process has its own threads, and threads and processes together are never more than the cores. The data are loaded
once, by this process, and shared. Which worker trains a run changes nothing about its value.
"""

from ordersearch.workers.crew import Workers
from ordersearch.workers.sharing import Sharing, WorkersError, suited_sharing

__all__ = ["Sharing", "Workers", "WorkersError", "suited_sharing"]
