"""A DAG's schedule, as users give it."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from ppacer_nb.errors import InvalidDuration, InvalidSchedule
from ppacer_nb.schedules.cron import Cron, cron
from ppacer_nb.schedules.interval import Every, every
from ppacer_nb.schedules.protocol import Schedule
from ppacer_nb.schedules.zones import aware


def parse_schedule(value: object, *, timezone: ZoneInfo) -> Schedule | None:
    """Return the schedule that `value` means in a DAG of that timezone.

    Parameters
    ----------
    value
        None, a cron expression, ``"every 10m"``, a timedelta, or an object with the methods of `Schedule`.
    timezone
        For cron expressions that name none.

    Raises
    ------
    InvalidSchedule
        If it is none of these, or means nothing.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        return every(value)
    if isinstance(value, str):
        if value.lower().startswith("every "):
            return _interval(value)
        return cron(value).in_timezone(timezone)
    if isinstance(value, Cron):
        return value.in_timezone(timezone)
    if isinstance(value, type) or not isinstance(value, Schedule):
        raise InvalidSchedule(
            f"{value!r} is no schedule: give a cron expression, every('10m'), a timedelta, or an object with "
            "'start', 'next(current, previous)' and '__str__'."
        )
    aware(value.start, what=f"start of schedule {value}")
    return value


def _interval(text: str) -> Every:
    try:
        return every(text[len("every ") :])
    except InvalidDuration:
        raise InvalidSchedule(f"{text!r} is no schedule: write it as 'every 10m' or 'every 1h30m'.") from None
