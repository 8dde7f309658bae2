"""Dashboards under the cell."""
