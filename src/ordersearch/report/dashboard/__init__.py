"""What optuna-dashboard shows of a search besides its trials: notes, plots, artifacts."""

from ordersearch.report.dashboard.observer import DashboardObserver
from ordersearch.report.dashboard.writing import refresh

__all__ = ["DashboardObserver", "refresh"]
