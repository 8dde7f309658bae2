from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.schedules import Schedule, cron, daily, every, hourly, monthly, weekly, yearly
from ppacer_nb.views.schedules import in_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("15 6 * * 1-5", "at 06:15, Monday to Friday"),
        ("15 6 * * 1-5 (Europe/Warsaw)", "at 06:15, Monday to Friday"),
        ("0 0 * * * (Etc/GMT+3)", "at 00:00, every day"),
        ("15 6,18 * * *", "at 06:15 and 18:15, every day"),
        ("*/10 * * * *", "every 10 minutes"),
        ("0 0 * * 1,3", "at 00:00, on Monday and Wednesday"),
        ("0 0 L 6 *", "at 00:00, on the last day of the month, in June"),
        ("0 12 1 * MON", "at 12:00, on day 1 of the month, or on Monday"),
        ("@weekly", "at 00:00, on Sunday"),
        ("@hourly (UTC)", "every hour"),
        ("every 10m", "every 10 minutes"),
        ("every 1h", "every hour"),
        ("every 1h30m", "every 1 hour 30 minutes"),
        ("every 1d1s", "every 1 day 1 second"),
        ("every 1s", "every second"),
        ("every 0.5s", "every 0.5 seconds"),
        ("", "only when it is triggered"),
    ],
)
def test_a_schedule_is_told_in_words(expression: str, words: str) -> None:
    assert in_words(expression) == words


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (daily("06:15"), "at 06:15, every day"),
        (hourly(5, timezone="Europe/Warsaw"), "at 5 minutes past the hour"),
        (weekly("friday", "18:00"), "at 18:00, on Friday"),
        (monthly(15), "at 00:00, on day 15 of the month"),
        (yearly(6, 1), "at 00:00, on day 1 of the month, in June"),
        (cron("@daily", timezone="Asia/Tokyo"), "at 00:00, every day"),
        (
            every("2d", start=datetime(2026, 11, 23, 6, tzinfo=UTC)),
            "every 2 days, counted from 2026-11-23 06:00 UTC",
        ),
    ],
)
def test_so_is_what_the_helpers_make(schedule: Schedule, words: str) -> None:
    assert in_words(str(schedule)) == words


@pytest.mark.parametrize(
    "text",
    [
        "Friday 18:00 and Monday 08:00",
        "every second Sunday",
        "every",
        "a (b) c (d)",
        "1 2 3 4",
        "<b>",
        "(UTC)",
    ],
)
def test_of_a_schedule_of_the_users_own_nothing_is_made_up(text: str) -> None:
    assert in_words(text) == ""


_FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "1-59/2", "5,10", "59"]),
    st.sampled_from(["*", "0", "*/2", "9-17", "0,12", "23"]),
    st.sampled_from(["*", "1", "L", "1-7", "1,15", "*/2"]),
    st.sampled_from(["*", "1", "JAN", "6-8", "*/3"]),
    st.sampled_from(["*", "0", "7", "MON-FRI", "1,3", "5#2", "L5", "6-7"]),
)


@given(_FIELDS)
def test_every_cron_expression_has_words_on_one_line(fields: tuple[str, ...]) -> None:
    expression = " ".join(fields)
    try:
        cron(expression)
    except InvalidSchedule:  # not every combination means something
        reject()
    words = in_words(expression)
    assert words
    assert words.splitlines() == [words]
    assert words[0].islower()


@given(st.text())
def test_whatever_a_schedule_says_of_itself_is_survived(text: str) -> None:
    in_words(text)
