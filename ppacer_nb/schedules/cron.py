"""Cron expressions in a timezone, with the behaviour of Debian's cron when clocks change.

croniter does the calendar, on naive wall-clock times only. What becomes of them in a timezone is decided
here, by the rule in cron(8) of Debian: a job at a fixed time, without ``*`` or a step in its minute and hour,
runs once a day. If its time is skipped, it runs at the moment the clocks are put forward, and if its time is
repeated, at the first of both. Every other job follows the clock on the wall: what is skipped does not
happen, and what is repeated happens twice, so that an hourly job stays hourly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.schedules.calendar import calendar_of
from ppacer_nb.schedules.clock_changes import (
    end_of_gap,
    instants_of,
    is_shown_once,
    repetition_ahead,
    wall_time,
)
from ppacer_nb.schedules.zones import aware, zone_of

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_RANDOM = re.compile(r"\b[HRhr]\b|[HRhr]\(")  # croniter's own: a point that depends on chance is no schedule
_UTC = ZoneInfo("UTC")
_TICK = timedelta(seconds=1)
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001  # the calendar part is naive by design


@dataclass(frozen=True)
class Cron:
    """A cron expression; made by `cron`."""

    expression: str
    timezone: ZoneInfo | None = None  #: None: the DAG's, and UTC where there is no DAG
    start: datetime | None = None

    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        """Return the first point after `current`, in this schedule's timezone; None if there is none."""
        zone = self.timezone or _UTC
        try:
            if self.start is not None and current < self.start:
                found = self._first(self.start, zone, including=True)
            else:
                found = self._usual(current.astimezone(zone)) or self._first(current, zone, including=False)
            return None if found is None else found.astimezone(zone)
        except OverflowError:  # the end of all dates, in this zone
            return None

    def in_timezone(self, timezone: ZoneInfo) -> Cron:
        """Return this schedule in `timezone`, unless it has one of its own."""
        return self if self.timezone is not None else replace(self, timezone=timezone)

    def __str__(self) -> str:
        zone = f" ({self.timezone.key})" if self.timezone is not None else ""
        return f"{self.expression}{zone}"

    def __repr__(self) -> str:
        parts = [repr(self.expression)]
        if self.timezone is not None:
            parts.append(f"timezone={self.timezone.key!r}")
        if self.start is not None:
            parts.append(f"start={self.start!r}")
        return f"cron({', '.join(parts)})"

    @cached_property
    def _is_at_fixed_time(self) -> bool:
        minute, hour, *_ = ALIASES.get(self.expression, self.expression).split()
        return not any(sign in minute + hour for sign in "*/")

    def _usual(self, local: datetime) -> datetime | None:
        """Return the next point where that is clear from the calendar alone, None where clocks may change.

        If neither the time now nor the next matching one is shown twice or skipped, no other one is due
        before it: what clocks show again, or jump over, lies between the two, where nothing matches.
        """
        if not is_shown_once(local):
            return None
        wall = calendar_of(self.expression)(local.replace(tzinfo=None))
        found = None if wall is None else wall.replace(tzinfo=local.tzinfo)
        return found if found is not None and is_shown_once(found) else None

    def _first(self, current: datetime, zone: ZoneInfo, *, including: bool) -> datetime | None:
        """Return the first instant after `current`, or at it, in UTC."""
        current = current.astimezone(UTC)
        best: datetime | None = None
        for wall in self._wall_times(current, zone, including=including):
            found = self._instants(wall, zone)
            if best is not None and found and found[0] >= best:
                return best
            for instant in found:
                if (instant > current or (including and instant == current)) and (
                    best is None or instant < best
                ):
                    best = instant
        return best

    def _wall_times(self, current: datetime, zone: ZoneInfo, *, including: bool) -> Iterator[datetime]:
        """Yield the matching wall times after the one that `current` shows, and those it will show again."""
        wall = wall_time(current, zone)
        if not self._is_at_fixed_time:
            wall -= repetition_ahead(current, zone)
        if including:
            wall -= _TICK
        calendar, following = calendar_of(self.expression), wall
        while (found := calendar(following)) is not None:
            yield found
            following = found

    def _instants(self, wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
        instants = instants_of(wall, zone)
        if not self._is_at_fixed_time:
            return instants
        return instants[:1] or (end_of_gap(wall, zone),)


def cron(expression: str, *, timezone: str | ZoneInfo | None = None, start: datetime | None = None) -> Cron:
    """Return the schedule that a cron expression says.

    Parameters
    ----------
    expression
        Minute, hour, day of month, month and day of week, as in crontab(5), with names (``MON``, ``JAN``),
        ``L`` for the last day and ``#`` for the n-th weekday, or one of ``@hourly @daily @weekly @monthly
        @yearly``. If day of month and day of week are both given, either is enough.
    timezone
        In which it is read. None: the DAG's timezone, and UTC without a DAG.
    start
        No point lies before it. Aware.

    Raises
    ------
    InvalidSchedule
        If the expression means nothing, or no date ever matches it.
    """
    text = _checked(expression)
    zone = None if timezone is None else zone_of(timezone)
    return Cron(text, zone, aware(start, what="start of a cron schedule"))


def _checked(expression: object) -> str:
    if not isinstance(expression, str) or not expression.strip():
        raise InvalidSchedule(f"{expression!r} is no cron expression: write text such as '15 6 * * 1-5'.")
    text = " ".join(expression.split())
    if text.startswith("@"):
        if text.lower() not in ALIASES:
            raise InvalidSchedule(f"{text!r} is no schedule: there are {', '.join(ALIASES)}.")
        return text.lower()
    if len(text.split()) != len(_FIELDS):
        raise InvalidSchedule(
            f"cron expression {text!r} has {len(text.split())} fields: write five, {', '.join(_FIELDS)}."
        )
    _check_fields(text)
    try:
        croniter(text, _SOME_DAY).get_next(datetime)
    except CroniterBadDateError:
        raise InvalidSchedule(f"cron expression {text!r} never comes due: no date matches it.") from None
    except CroniterError as error:
        raise InvalidSchedule(f"cron expression {text!r} means nothing: {error}.") from None
    return text


def _check_fields(text: str) -> None:
    """Name the field that cannot be read: croniter names only the whole expression."""
    for index, (name, value) in enumerate(zip(_FIELDS, text.split(), strict=True)):
        alone = " ".join(value if i == index else "*" for i in range(len(_FIELDS)))
        try:
            if _RANDOM.search(value):
                raise InvalidSchedule(f"{name} {value!r} of cron expression {text!r} is random.")
            croniter.expand(alone)
        except CroniterError:
            raise InvalidSchedule(
                f"{name} {value!r} of cron expression {text!r} cannot be read: {_RANGES[name]}."
            ) from None


_RANGES = {
    "minute": "minutes go from 0 to 59",
    "hour": "hours go from 0 to 23",
    "day of month": "days go from 1 to 31, L is the last one",
    "month": "months go from 1 to 12, or JAN to DEC",
    "day of week": "days go from 0 (Sunday) to 7 (Sunday again), or SUN to SAT",
}
