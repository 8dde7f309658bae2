from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ppacer_nb.errors import DefinitionError, InvalidSchedule
from ppacer_nb.schedules import (
    Cron,
    Every,
    cron,
    daily,
    every,
    every_minute,
    hourly,
    monthly,
    next_point,
    parse_schedule,
    points_between,
    weekly,
    yearly,
)
from tests.schedules.examples import WARSAW, FridayEveningAndMondayMorning, WithExceptions

NOW = datetime(2026, 11, 23, 8, 3, tzinfo=UTC)


def in_year(schedule: Any) -> list[datetime]:
    """Return the points of 2026, as clocks in Warsaw show them."""
    first = datetime(2026, 1, 1, tzinfo=WARSAW) - timedelta(seconds=1)
    points = points_between(schedule, first, datetime(2027, 1, 1, tzinfo=WARSAW) - timedelta(seconds=1))
    return [point.astimezone(WARSAW) for point in points]


def test_friday_evening_and_monday_morning_for_a_year() -> None:
    points = in_year(FridayEveningAndMondayMorning())
    assert len(points) == 104
    assert {(point.weekday(), point.hour) for point in points} == {(4, 18), (0, 8)}


def test_daily_with_exceptions_for_a_year() -> None:
    points = in_year(WithExceptions())
    fridays = [p for p in points if p.weekday() == 4]
    assert len(points) == 365 - 4 - 4
    assert not [p for p in fridays if p.month in (6, 8)]
    assert {(p.hour, p.minute) for p in points if (p.month, p.day) != (12, 24)} == {(10, 15)}
    assert [(p.hour, p.minute) for p in points if (p.month, p.day) == (12, 24)] == [(8, 0)]


def test_intervals_without_a_start_are_round() -> None:
    assert every("10m").next(NOW) == datetime(2026, 11, 23, 8, 10, tzinfo=UTC)
    assert every("1h").next(NOW) == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_an_interval_begins_at_its_start() -> None:
    start = datetime(2026, 12, 1, 7, 7, tzinfo=WARSAW)
    schedule = every("90m", start=start)
    assert schedule.next(NOW) == start
    assert schedule.next(start) == start + timedelta(minutes=90)
    assert str(schedule) == "every 1h30m from 2026-12-01 07:07 CET"
    assert repr(every("90m")) == "every('1h30m')"


@pytest.mark.parametrize("interval", [0, 0.5, "100ms", -5, "soon", None])
def test_an_interval_that_is_none_is_refused(interval: Any) -> None:
    with pytest.raises(DefinitionError, match=r"interval"):
        every(interval)


def test_presets_are_cron_expressions() -> None:
    assert [str(s) for s in (every_minute(), hourly(5), daily("6:15"), weekly("fri", "18:00"))] == [
        *("* * * * *", "5 * * * *", "15 6 * * *", "0 18 * * 5")
    ]
    assert [str(s) for s in (monthly(15, "01:30"), yearly(12, 24, "08:00"))] == ["30 1 15 * *", "0 8 24 12 *"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: daily("25:00"), "'25:00' is no time of day: write it as '06:15'"),
        (lambda: weekly("fryday"), r"did you mean 'friday'\?"),
        (lambda: weekly("s"), "is no day of the week"),
        (lambda: hourly(60), "minutes go from 0 to 59"),
        (lambda: monthly(32), "days go from 1 to 31"),
        (lambda: yearly(2, 30), "never comes due"),
    ],
)
def test_presets_refuse_what_means_nothing(make: Any, sentence: str) -> None:
    with pytest.raises(InvalidSchedule, match=sentence):
        make()


def test_a_dag_takes_schedules_in_many_forms() -> None:
    own = FridayEveningAndMondayMorning()
    assert parse_schedule(None, timezone=WARSAW) is None
    assert parse_schedule("15 6 * * *", timezone=WARSAW) == Cron("15 6 * * *", WARSAW)
    assert parse_schedule(cron("@daily", timezone="Asia/Tokyo"), timezone=WARSAW) == Cron(
        "@daily", ZoneInfo("Asia/Tokyo")
    )
    assert parse_schedule("every 10m", timezone=WARSAW) == Every(timedelta(minutes=10))
    assert parse_schedule(timedelta(hours=1), timezone=WARSAW) == Every(timedelta(hours=1))
    assert parse_schedule(own, timezone=WARSAW) is own


@pytest.mark.parametrize("value", [5, object(), FridayEveningAndMondayMorning, ["@daily"], "every day"])
def test_what_is_no_schedule_is_refused(value: object) -> None:
    with pytest.raises(InvalidSchedule, match="is no schedule"):
        parse_schedule(value, timezone=WARSAW)


class Own:
    """A schedule that answers what it is told to."""

    def __init__(self, answer: Any, start: datetime | None = None) -> None:
        self.answer = answer
        self.start = start
        self.asked: list[datetime] = []

    def next(self, current: datetime, previous: datetime | None = None) -> Any:
        self.asked.append(current)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def __str__(self) -> str:
        return "my own"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ZeroDivisionError("oh"), "schedule my own raised ZeroDivisionError: oh"),
        (NOW.replace(tzinfo=None), "no datetime with a timezone"),
        ("tomorrow", "no datetime with a timezone"),
        (NOW, "not later than"),
        (NOW - timedelta(days=1), "not later than"),
    ],
)
def test_a_schedule_of_the_users_own_is_not_trusted(answer: Any, sentence: str) -> None:
    with pytest.raises(InvalidSchedule, match=sentence):
        next_point(Own(answer), NOW)


def test_a_schedule_of_the_users_own_may_end_and_may_start_later() -> None:
    assert next_point(Own(None), NOW) is None
    later = Own(NOW + timedelta(days=9), start=NOW + timedelta(days=2))
    assert next_point(later, NOW) == NOW + timedelta(days=9)
    assert later.asked == [NOW + timedelta(days=2) - timedelta(microseconds=1)]


END = datetime(9999, 12, 31, 12, tzinfo=UTC)


class Never:
    """A schedule that says so with the last of all dates, in New York, where it is later than in UTC."""

    start = None

    def next(self, current: datetime, previous: datetime | None = None) -> datetime:
        return datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    "schedule",
    [
        every("5000000d"),
        every(timedelta.max),
        every("1d", start=END),
        every("1d", start=datetime(9999, 12, 31, 23, 30, tzinfo=ZoneInfo("America/New_York"))),
        cron("0 0 * * *", start=END),
        cron("0 0 1 1 *", start=END),
        cron("0 22 * * *", start=END, timezone="America/New_York"),
        cron("*/5 * * * *", start=END + timedelta(hours=11), timezone="Asia/Tokyo"),
        Never(),
    ],
)
def test_a_schedule_has_no_points_beyond_the_end_of_all_dates(schedule: Any) -> None:
    point, points = next_point(schedule, NOW), []
    while point is not None:
        points.append(point)
        point = next_point(schedule, point, point)
    assert len(points) <= 12
    assert next_point(schedule, datetime.max.replace(tzinfo=UTC)) is None


def test_the_last_points_of_all_are_points() -> None:
    assert next_point(every("1d", start=END), NOW) == END
    assert next_point(every("1000000d"), NOW) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=1_000_000)
    new_year = datetime(9999, 1, 1, tzinfo=UTC)
    assert next_point(cron("0 0 1 1 *", start=new_year), NOW) == new_year
