"""Live dashboards under the cell."""

from __future__ import annotations

from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.widgets.widget import Dashboard

__all__ = ["Dashboard", "dashboard"]


def dashboard(api: SchedulerApi) -> Dashboard:
    """Return a live dashboard of `api`; it follows the scheduler from now on, until it is closed."""
    return Dashboard(api)
