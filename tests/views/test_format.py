from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.views.format import format_age, format_bytes, format_elapsed, format_when

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=WARSAW)
instants = st.datetimes(timezones=st.sampled_from([UTC, WARSAW, timezone(timedelta(hours=-12))]))
zones = st.sampled_from([UTC, WARSAW, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("America/New_York")])


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        (datetime(2026, 11, 25, 6, 15, tzinfo=WARSAW), "06:15 today"),
        (datetime(2026, 11, 24, 23, 30, tzinfo=UTC), "00:30 today"),
        (datetime(2026, 11, 24, 6, 15, tzinfo=WARSAW), "06:15 yesterday"),
        (datetime(2026, 11, 26, 0, 0, tzinfo=WARSAW), "00:00 tomorrow"),
        (datetime(2026, 11, 23, 6, 15, tzinfo=WARSAW), "Mon 23 Nov 06:15"),
        (datetime(2025, 1, 3, 6, 5, tzinfo=WARSAW), "3 Jan 2025 06:05"),
    ],
)
def test_a_moment_is_told_in_the_readers_zone_as_short_as_now_allows(instant: datetime, shown: str) -> None:
    assert format_when(instant, NOW, WARSAW) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "just now"),
        (-0.4, "just now"),
        (-1, "a second ago"),
        (-180, "3 minutes ago"),
        (299.98, "in 5 minutes"),
        (-7200, "2 hours ago"),
        (86400 * 3, "in 3 days"),
    ],
)
def test_an_age_is_told_in_words(seconds: float, shown: str) -> None:
    assert format_age(NOW + timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.00 s"),
        (0.35, "0.35 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (12.4, "12.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (47 * 3600 + 59 * 60 + 40, "2 d 00 h"),
        (86400 * 1234 + 3600, "1,234 d 01 h"),
        (-3, "-3.00 s"),
    ],
)
def test_a_length_of_time_has_two_numbers_at_most(seconds: float, shown: str) -> None:
    assert format_elapsed(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 Bytes"), (1, "1 Byte"), (512, "512 Bytes"), (1_500_000, "1.5 MB"), (-4_000, "-4.0 kB")],
)
def test_a_size_is_told_in_decimal_units(size: int, shown: str) -> None:
    assert format_bytes(size) == shown


@given(instants, instants, zones)
def test_no_moment_is_too_extreme_to_be_told(instant: datetime, now: datetime, zone: ZoneInfo) -> None:
    assert ":" in format_when(instant, now, zone)
    assert format_age(instant, now)


@pytest.mark.parametrize("instant", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_told(instant: datetime) -> None:
    for zone in (ZoneInfo("Pacific/Kiritimati"), ZoneInfo("America/New_York")):
        assert format_when(instant, NOW, zone)
        assert format_age(instant, NOW)


@given(st.timedeltas())
def test_no_length_of_time_is_too_extreme_to_be_told(elapsed: timedelta) -> None:
    assert format_elapsed(elapsed).startswith("-") == (elapsed < timedelta(0))


def test_the_most_extreme_lengths_and_sizes_are_told() -> None:
    assert format_elapsed(timedelta.max) == "1,000,000,000 d 00 h"
    assert format_elapsed(timedelta.min) == "-999,999,999 d 00 h"
    assert format_bytes(10**400).endswith("Bytes")
