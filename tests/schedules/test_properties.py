"""No point is lost or doubled, in any zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.schedules import cron, every, next_point
from ppacer_nb.schedules.clock_changes import wall_time

ZONES = sorted(available_timezones())
FIRST, YEARS = datetime(2024, 1, 1, tzinfo=UTC), 10
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))

moments = st.integers(0, 130 * 366 * 24 * 3600).map(lambda s: datetime(1970, 1, 1, tzinfo=UTC) + s * SECOND)
fields = st.one_of(st.just("*"), st.sampled_from(["*/2", "*/3", "*/15"]))
minutes = st.one_of(fields, st.integers(0, 59).map(str), st.sampled_from(["0,30", "10-40/10"]))
hours = st.one_of(fields, st.integers(0, 23).map(str), st.sampled_from(["0,12", "1-3", "2,3"]))
expressions = st.builds("{} {} * * {}".format, minutes, hours, st.sampled_from(["*", "0", "1-5"]))


def changes_of(zone: ZoneInfo) -> list[datetime]:
    """Return the days, within ten years, in which the zone's clocks change."""
    days = [FIRST + n * DAY for n in range(YEARS * 365)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after]


def reference(expression: str, zone: ZoneInfo, first: datetime, last: datetime) -> list[datetime]:
    """Return the points in (first, last] by going through all minutes, as cron(8) says it.

    A job without wildcard or step runs at the first showing of a matching time, and when clocks jump over
    matching times, at the jump.
    """
    minute_field, hour_field, *_ = expression.split()
    fixed = not set("*/") & set(minute_field + hour_field)
    listed = croniter.expand(expression)[0]

    def matches(wall: datetime) -> bool:
        shown = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
        return all(number in field or "*" in field for number, field in zip(shown, listed, strict=True))

    found: list[datetime] = []
    shown: set[datetime] = set()
    instant = first - 27 * HOUR
    wall = wall_time(instant, zone)
    while instant <= last:
        before, wall = wall, wall_time(instant, zone)
        skipped = [before + n * MINUTE for n in range(1, (wall - before) // MINUTE)]
        due = not (fixed and wall in shown) and matches(wall)
        if fixed and any(matches(one) for one in skipped if one not in shown):
            due = True
        shown.update([wall, *skipped])
        if due and instant > first:
            found.append(instant)
        instant += MINUTE
    return found


def stepped(expression: str, zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """Yield the points in (first, last] by asking for one after the other."""
    schedule, point = cron(expression, timezone=zone), first
    while True:
        following = next_point(schedule, point)
        assert following is not None
        assert following > point
        if following > last:
            return
        yield (point := following)


@given(expressions, st.sampled_from(ZONES), st.data())
def test_around_clock_changes_the_points_are_those_of_cron(
    expression: str, name: str, data: st.DataObject
) -> None:
    zone = ZoneInfo(name)
    middle = data.draw(st.sampled_from(changes_of(zone) or [FIRST]))
    first, last = middle - 12 * HOUR, middle + 40 * HOUR
    assert list(stepped(expression, zone, first, last)) == reference(expression, zone, first, last)


@given(expressions, st.sampled_from(ZONES), moments)
def test_from_anywhere_between_two_points_the_second_is_next(
    expression: str, name: str, current: datetime
) -> None:
    schedule = cron(expression, timezone=name)
    first = next_point(schedule, current)
    assert first is not None
    second = next_point(schedule, first)
    assert second is not None
    assert current < first < second
    for share in (0.0, 0.3, 0.999):
        between = first + (second - first) * share
        assert next_point(schedule, between) == second


@pytest.mark.parametrize("part", range(4))
def test_a_fixed_time_comes_once_on_every_day_of_ten_years_in_every_zone(part: int) -> None:
    for name in ZONES[part::4]:
        zone, schedule = ZoneInfo(name), cron("30 2 * * *", timezone=name)
        for change in changes_of(zone):
            days: list[date] = []
            point = change - 2 * DAY
            while (point := next_point(schedule, point) or change) < change + 3 * DAY:
                days.append(wall_time(point, zone).date())
            assert len(days) == len(set(days)), f"doubled in {name} at {change}"
            expected = {days[0] + n * DAY for n in range((days[-1] - days[0]).days + 1)}
            assert set(days) == expected, f"lost in {name} at {change}"


@given(st.integers(1, 10**7), moments, moments)
def test_an_interval_does_not_drift(seconds: int, start: datetime, current: datetime) -> None:
    point = next_point(every(seconds, start=start), current)
    assert point is not None
    assert point > current
    assert point >= start
    assert (point - start) % timedelta(seconds=seconds) == timedelta(0)
    assert point == start or point - timedelta(seconds=seconds) <= current
