"""The two schedules of ppacer's documentation, as a user would write them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ppacer_nb import weekly

WARSAW = ZoneInfo("Europe/Warsaw")


class FridayEveningAndMondayMorning:
    """Friday at 18:00 and Monday at 08:00."""

    start = None

    def next(self, current: datetime, previous: datetime | None = None) -> datetime:
        friday = weekly("friday", "18:00", timezone=WARSAW).next(current)
        monday = weekly("monday", "08:00", timezone=WARSAW).next(current)
        assert friday is not None
        assert monday is not None
        return min(friday, monday)

    def __str__(self) -> str:
        return "Friday 18:00 and Monday 08:00"


class WithExceptions:
    """10:15 daily, but not on Fridays in June and August, and at 08:00 on Christmas Eve."""

    start = None

    def next(self, current: datetime, previous: datetime | None = None) -> datetime:
        local = current.astimezone(WARSAW)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        while True:
            point = self._on(day)
            if point is not None and point > current:
                return point
            day += timedelta(days=1)

    def _on(self, day: datetime) -> datetime | None:
        if day.weekday() == 4 and day.month in (6, 8):
            return None
        hour, minute = (8, 0) if (day.month, day.day) == (12, 24) else (10, 15)
        return day.replace(hour=hour, minute=minute, tzinfo=WARSAW)

    def __str__(self) -> str:
        return "10:15 daily, but not on Fridays in June and August, and at 08:00 on Christmas Eve"
