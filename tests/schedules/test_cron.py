from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.schedules import cron, points_between
from ppacer_nb.schedules.cron import Cron


def shown(expression: str, zone: str, after: str, count: int) -> list[str]:
    """Return the next points as a clock in the zone shows them, with its offset."""
    schedule, where = cron(expression, timezone=zone), ZoneInfo(zone)
    point = datetime.fromisoformat(after).replace(tzinfo=where)
    found = []
    for _ in range(count):
        following = schedule.next(point)
        assert following is not None
        point = following
        found.append(f"{point.astimezone(where):%m-%d %H:%M%z}")
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # Clocks go back: a fixed time runs once, at the first of both.
        (
            "30 2 * * *",
            "Europe/Warsaw",
            "2026-10-24T12:00",
            ["10-25 02:30+0200", "10-26 02:30+0100", "10-27 02:30+0100"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00",
            ["11-01 01:30-0400", "11-02 01:30-0500"],
        ),
        # Clocks go forward: what is skipped runs the moment they have.
        (
            "30 2 * * *",
            "Europe/Warsaw",
            "2026-03-28T12:00",
            ["03-29 03:00+0200", "03-30 02:30+0200"],
        ),
        ("0,30 2 * * *", "Europe/Warsaw", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:00+0200"]),
        ("0 2,3 * * *", "Europe/Warsaw", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:00+0200"]),
        # Jobs with a wildcard or a step follow the clock on the wall through both.
        (
            "*/30 * * * *",
            "Europe/Warsaw",
            "2026-10-25T01:50",
            [
                *("10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100"),
                "10-25 03:00+0100",
            ],
        ),
        (
            "30 * * * *",
            "Europe/Warsaw",
            "2026-03-29T01:00",
            ["03-29 01:30+0100", "03-29 03:30+0200", "03-29 04:30+0200"],
        ),
        ("0 */6 * * *", "Europe/Warsaw", "2026-10-24T19:00", ["10-25 00:00+0200", "10-25 06:00+0100"]),
        # Half an hour, a whole day, midnight, and a zone that calls its winter the exception.
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["04-05 01:45+1100", "04-06 01:45+1030"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["10-04 02:30+1100", "10-05 02:15+1100"]),
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T13:00",
            ["12-31 00:00+1400", "12-31 12:00+1400", "01-01 12:00+1400"],
        ),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["04-24 01:00+0300", "04-25 00:00+0300"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["11-04 01:00-0200", "11-05 00:00-0200"]),
        ("30 1 * * *", "Europe/Dublin", "2026-10-24T12:00", ["10-25 01:30+0100", "10-26 01:30+0000"]),
        ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00", ["03-29 01:00+0300", "03-30 00:00+0300"]),
        ("30 0 * * *", "America/Havana", "2026-03-07T12:00", ["03-08 01:00-0400", "03-09 00:30-0400"]),
    ],
)
def test_what_happens_when_clocks_change(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert shown(expression, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("15 6 * * 1-5", ["11-23 06:15+0100", "11-24 06:15+0100"]),
        ("15 6 * * MON", ["11-23 06:15+0100", "11-30 06:15+0100"]),
        ("0 0 13 * 5", ["11-27 00:00+0100", "12-04 00:00+0100", "12-11 00:00+0100", "12-13 00:00+0100"]),
        ("0 0 L * *", ["11-30 00:00+0100", "12-31 00:00+0100"]),
        ("0 0 * * 5#2", ["12-11 00:00+0100"]),
        ("0 9 * JAN 1", ["01-04 09:00+0100"]),
        ("@daily", ["11-23 00:00+0100"]),
        ("0 0 29 2 *", ["02-29 00:00+0100"]),
    ],
)
def test_expressions_mean_what_crontab_says(expression: str, expected: list[str]) -> None:
    assert shown(expression, "Europe/Warsaw", "2026-11-22T23:00", len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        (
            "61 * * * *",
            "minute '61' of cron expression '61 \\* \\* \\* \\*' cannot be read: minutes go from 0",
        ),
        ("0 24 * * *", "hour '24'.*hours go from 0 to 23"),
        ("0 0 32 * *", "day of month '32'.*days go from 1 to 31"),
        ("0 0 * FEX *", "month 'FEX'.*JAN to DEC"),
        ("0 0 * * 8", "day of week '8'.*SUN to SAT"),
        ("0 0 30 2 *", "'0 0 30 2 \\*' never comes due"),
        ("0 0 31 4,6 *", "never comes due"),
        ("15 6 * *", "has 4 fields: write five, minute, hour"),
        ("0 15 6 * * *", "has 6 fields"),
        ("R * * * *", "minute 'R'.*random"),
        ("@reboot", "'@reboot' is no schedule: there are @yearly"),
        ("", "is no cron expression"),
        (None, "is no cron expression"),
    ],
)
def test_what_means_nothing_is_refused_by_name(expression: str, sentence: str) -> None:
    with pytest.raises(InvalidSchedule, match=sentence):
        cron(expression)


def test_an_unknown_zone_and_a_start_without_one_are_refused() -> None:
    with pytest.raises(InvalidSchedule, match=r"did you mean 'Europe/Warsaw'\?"):
        cron("@daily", timezone="Europe/Warsav")
    with pytest.raises(InvalidSchedule, match="give a datetime with a timezone"):
        cron("@daily", start=datetime(2026, 1, 1))  # noqa: DTZ001  # that is the mistake


def test_no_point_lies_before_the_start_and_the_start_can_be_one() -> None:
    start = datetime(2026, 3, 1, 6, 15, tzinfo=UTC)
    schedule = cron("15 6 * * *", start=start)
    long_before = datetime(2020, 1, 1, tzinfo=UTC)
    assert schedule.next(long_before) == start
    assert schedule.next(start) == start + timedelta(days=1)
    assert cron("15 6 * * *", start=start + timedelta(seconds=1)).next(long_before) == start + timedelta(
        days=1
    )


def test_an_expression_is_read_in_its_own_zone_or_else_in_the_dags() -> None:
    warsaw, tokyo = ZoneInfo("Europe/Warsaw"), ZoneInfo("Asia/Tokyo")
    assert cron("@daily").in_timezone(tokyo).timezone == tokyo
    assert cron("@daily", timezone=warsaw).in_timezone(tokyo).timezone == warsaw
    point = cron("0 6 * * *").next(datetime(2026, 1, 1, tzinfo=warsaw))
    assert point == datetime(2026, 1, 1, 6, tzinfo=UTC)


def test_a_schedule_is_a_value() -> None:
    schedule = cron(" 15  6 * * 1-5 ", timezone="Europe/Warsaw", start=datetime(2026, 1, 1, tzinfo=UTC))
    schedule.next(datetime(2026, 5, 1, tzinfo=UTC))
    same = pickle.loads(pickle.dumps(schedule))
    assert same == schedule
    assert hash(same) == hash(schedule)
    assert str(schedule) == "15 6 * * 1-5 (Europe/Warsaw)"
    assert eval(repr(cron("15 6 * * 1-5", timezone="Europe/Warsaw"))) == Cron(
        "15 6 * * 1-5", ZoneInfo("Europe/Warsaw")
    )


def test_points_between_are_after_the_first_and_up_to_the_last_instant() -> None:
    day = timedelta(days=1)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    assert list(points_between(cron("@daily"), first, first + 2 * day)) == [first + day, first + 2 * day]
