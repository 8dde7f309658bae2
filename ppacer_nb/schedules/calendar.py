"""Which minutes of the calendar a cron expression means, on a wall clock: nothing here knows of timezones.

croniter reads the expressions. It also finds the minutes of those that say more than numbers: ``L``, ``W``,
``#``. For the others, which are nearly all, the search here takes a hundredth of its time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from croniter import croniter

#: Returns the first matching minute after a naive time, None if there is none within some years.
Calendar = Callable[[datetime], datetime | None]

_DAY = timedelta(days=1)
_MONTHS_AHEAD = 12 * 50  # as far as croniter looks: no plain expression that matches at all is rarer
_RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(7))


@lru_cache(maxsize=4096)  # many DAGs have the same few expressions
def calendar_of(expression: str) -> Calendar:
    """Return the calendar of a cron expression of five fields or an alias, which croniter can read."""
    lists, nth_weekdays = croniter.expand(expression)
    day_field = expression.split()[2] if " " in expression else ""
    is_plain = all(isinstance(n, int) or n == "*" for listed in lists for n in listed)
    if nth_weekdays or not is_plain or any(sign.isalpha() for sign in day_field):
        return lambda wall: _by_croniter(expression, wall)
    minutes, hours, days, months, weekdays = (
        frozenset(full if "*" in listed else listed) for full, listed in zip(_RANGES, lists, strict=False)
    )
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    either = "*" not in (lists[2][0], lists[4][0])
    return _Numbers(times, days, months, weekdays, either).after


def _by_croniter(expression: str, wall: datetime) -> datetime | None:
    try:
        found: datetime = croniter(expression, wall).get_next(datetime)
    except ValueError:  # no match within the years that croniter looks ahead, or within Python's
        return None
    return found


@dataclass(frozen=True, slots=True)
class _Numbers:
    times: tuple[time, ...]  #: of a day
    days: Collection[int]
    months: Collection[int]
    weekdays: Collection[int]  #: Sunday is 0
    either: bool  #: day and weekday are both restricted, and either is enough

    def after(self, wall: datetime) -> datetime | None:
        """Return the first matching minute after `wall`."""
        day = wall.date()
        if day.month in self.months and self._has(day):
            place = bisect_right(self.times, wall.time())
            if place < len(self.times):
                return datetime.combine(day, self.times[place])
        try:
            following = self._day_after(day)
        except OverflowError:  # the end of all dates
            return None
        return None if following is None else datetime.combine(following, self.times[0])

    def _day_after(self, day: date) -> date | None:
        day += _DAY
        for _ in range(_MONTHS_AHEAD):
            month = day.month
            if month not in self.months:
                day = _first_of_next_month(day)
                continue
            while day.month == month:
                if self._has(day):
                    return day
                day += _DAY
        return None

    def _has(self, day: date) -> bool:
        if self.either:
            return day.day in self.days or day.isoweekday() % 7 in self.weekdays
        return day.day in self.days and day.isoweekday() % 7 in self.weekdays


def _first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + 32 * _DAY).replace(day=1)
