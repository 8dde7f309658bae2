"""Live dashboards under the cell."""

from __future__ import annotations

from pathlib import Path

from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.session import find_scheduler
from ppacer_nb.widgets.widget import Dashboard

__all__ = ["Dashboard", "dashboard", "page"]


def dashboard(api: SchedulerApi) -> Dashboard:
    """Return a live dashboard of `api`; it follows the scheduler from now on, until it is closed."""
    return Dashboard(api)


def page(store: str) -> Dashboard:
    """Return a live dashboard of the scheduler that runs on `store`, or of its history if none does.

    Raises
    ------
    NotRunning
        If there is no history at `store`.
    StoreLocked
        If the store is held by a process that cannot be asked.
    """
    scheduler = find_scheduler(Path(store))
    if scheduler is not None:
        return dashboard(scheduler)
    with OfflineScheduler(Path(store)) as history:
        return dashboard(history)
