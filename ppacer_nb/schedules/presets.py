"""The usual schedules by name. All are cron expressions, with the same behaviour when clocks change."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from zoneinfo import ZoneInfo

from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.schedules.cron import Cron, cron

_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_AT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")

Zone = str | ZoneInfo | None


def every_minute(*, timezone: Zone = None, start: datetime | None = None) -> Cron:
    """Return the schedule with a point at every full minute."""
    return cron("* * * * *", timezone=timezone, start=start)


def hourly(minute: int = 0, *, timezone: Zone = None, start: datetime | None = None) -> Cron:
    """Return the schedule with a point in every hour, at `minute` past."""
    return cron(f"{minute} * * * *", timezone=timezone, start=start)


def daily(at: str = "00:00", *, timezone: Zone = None, start: datetime | None = None) -> Cron:
    """Return the schedule with a point every day, at ``"HH:MM"``."""
    return cron(f"{_minute_and_hour(at)} * * *", timezone=timezone, start=start)


def weekly(
    on: str = "monday", at: str = "00:00", *, timezone: Zone = None, start: datetime | None = None
) -> Cron:
    """Return the schedule with a point every week, `on` a day such as ``"friday"``."""
    name = str(on).lower()
    matching = [number for number, day in enumerate(_WEEKDAYS) if len(name) >= 3 and day.startswith(name)]
    if len(matching) != 1:
        close = difflib.get_close_matches(name, _WEEKDAYS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InvalidSchedule(f"{on!r} is no day of the week{hint}: write 'monday' to 'sunday'.")
    return cron(f"{_minute_and_hour(at)} * * {matching[0]}", timezone=timezone, start=start)


def monthly(day: int = 1, at: str = "00:00", *, timezone: Zone = None, start: datetime | None = None) -> Cron:
    """Return the schedule with a point on a `day` of every month that has it."""
    return cron(f"{_minute_and_hour(at)} {day} * *", timezone=timezone, start=start)


def yearly(
    month: int = 1, day: int = 1, at: str = "00:00", *, timezone: Zone = None, start: datetime | None = None
) -> Cron:
    """Return the schedule with a point every year, on one day."""
    return cron(f"{_minute_and_hour(at)} {day} {month} *", timezone=timezone, start=start)


def _minute_and_hour(at: str) -> str:
    found = _AT.fullmatch(at) if isinstance(at, str) else None
    if found is None:
        raise InvalidSchedule(f"{at!r} is no time of day: write it as '06:15'.")
    return f"{int(found[2])} {int(found[1])}"
