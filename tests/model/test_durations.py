from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.errors import InvalidDuration
from ppacer_nb.model.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (timedelta(minutes=2), 120),
        (90, 90),
        (0.5, 0.5),
        (0, 0),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 1.5 h ", 5400),
        ("250ms", 0.25),
        ("2d", 172_800),
        ("1w", 604_800),
        ("5M", 300),
        ("1m1ms", 60.001),
    ],
)
def test_durations_as_people_write_them(value: timedelta | float | str, seconds: float) -> None:
    assert parse_duration(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "5",
        "5 minuts",
        "m",
        "-5m",
        "5m-",
        "1e3s",
        -1,
        timedelta(seconds=-1),
        True,
        None,
        [],
        float("nan"),
        float("inf"),
        10**400,
        10**5000,
        "9" * 400 + "s",
        "1000000000d",
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else "number",
)
def test_what_is_no_duration_is_refused_with_the_mend(value: object) -> None:
    with pytest.raises(InvalidDuration, match=r'retry_delay .* is not a duration: .*"1h30m"') as caught:
        parse_duration(value, what="retry_delay")  # type: ignore[arg-type]
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=36), "1d12h"),
        (timedelta(milliseconds=250), "0.25s"),
        (timedelta(minutes=10), "10m"),
        (timedelta(microseconds=1), "0.000001s"),
    ],
)
def test_the_written_form(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(0)))
def test_what_is_written_is_read_as_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
