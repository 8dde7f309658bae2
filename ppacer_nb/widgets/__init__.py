"""Dashboards under the cell."""

from ppacer_nb.widgets.dashboard import Dashboard, dashboard

__all__ = ["Dashboard", "dashboard"]
