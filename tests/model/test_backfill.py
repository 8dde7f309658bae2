from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ppacer_nb.errors import InvalidOption
from ppacer_nb.model.backfill import span_of

WARSAW = ZoneInfo("Europe/Warsaw")
MICROSECOND = timedelta(microseconds=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize("first", ["2026-11-23", date(2026, 11, 23), datetime(2026, 11, 23)])  # noqa: DTZ001
def test_a_date_is_its_whole_day_in_the_timezone_of_the_dag(first: date | str) -> None:
    span = span_of(first, "2026-11-24", WARSAW, "d")
    assert span == (utc(2026, 11, 22, 23), utc(2026, 11, 24, 23) - MICROSECOND)


def test_the_day_on_which_clocks_go_back_has_25_hours() -> None:
    first, last = span_of("2026-10-25", "2026-10-25", WARSAW, "d")
    assert last - first == timedelta(hours=25) - MICROSECOND


def test_a_time_without_a_zone_is_local_and_both_of_a_time_that_comes_twice_are_within() -> None:
    span = span_of("2026-10-25T02:30", "2026-10-25T02:30", WARSAW, "d")
    assert span == (utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30))


def test_a_time_with_a_zone_is_that_instant() -> None:
    span = span_of("2026-11-23T06:15+01:00", utc(2026, 11, 23, 6), WARSAW, "d")
    assert span == (utc(2026, 11, 23, 5, 15), utc(2026, 11, 23, 6))


def test_the_calendar_may_be_the_range() -> None:
    first, last = span_of("0001-01-01", "9999-12-31", ZoneInfo("Asia/Tokyo"), "d")
    assert (first.year, last.year) == (1, 9999)


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (
            "2026-11-24",
            "2026-11-23",
            "of DAG 'd' ends before it begins: 2026-11-23 is earlier than 2026-11-24",
        ),
        ("monday", "2026-11-23", "beginning of the backfill of DAG 'd' is 'monday': give a date such as"),
        ("2026-11-23", 5, "end of the backfill of DAG 'd' is 5: give a date"),
    ],
)
def test_what_is_no_range_is_refused(first: str, last: str, sentence: str) -> None:
    with pytest.raises(InvalidOption, match=sentence):
        span_of(first, last, WARSAW, "d")
