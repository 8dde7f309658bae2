"""When DAGs run: cron expressions, intervals, and schedules of the user's own."""

from ppacer_nb.schedules.cron import Cron, cron
from ppacer_nb.schedules.interval import Every, every
from ppacer_nb.schedules.parse import parse_schedule
from ppacer_nb.schedules.presets import daily, every_minute, hourly, monthly, weekly, yearly
from ppacer_nb.schedules.protocol import Schedule, next_point, points_between

__all__ = [
    "Cron",
    "Every",
    "Schedule",
    "cron",
    "daily",
    "every",
    "every_minute",
    "hourly",
    "monthly",
    "next_point",
    "parse_schedule",
    "points_between",
    "weekly",
    "yearly",
]
