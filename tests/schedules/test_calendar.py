"""The calendar agrees with croniter, which it reads expressions by."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from croniter import croniter
from croniter.croniter import CroniterBadDateError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ppacer_nb.schedules.calendar import calendar_of

walls = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001  # a wall clock is naive


def field(lowest: int, highest: int) -> st.SearchStrategy[str]:
    """A field of a cron expression: a star, numbers, ranges and steps, alone or listed."""
    numbers = st.integers(lowest, highest)
    ranges = st.tuples(numbers, numbers).map(lambda ends: f"{min(ends)}-{max(ends)}")
    part = st.one_of(
        numbers.map(str),
        ranges,
        st.integers(1, 12).map("*/{}".format),
        st.tuples(ranges, st.integers(1, 7)).map(lambda both: f"{both[0]}/{both[1]}"),
    )
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


expressions = st.tuples(*(field(*ends) for ends in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7)))).map(
    " ".join
)


@settings(max_examples=1000)
@given(expressions, walls)
def test_the_next_minute_is_that_of_croniter(expression: str, wall: datetime) -> None:
    try:
        expected = croniter(expression, wall).get_next(datetime)
    except CroniterBadDateError:
        assume(False)
    # croniter compares whole seconds
    assert calendar_of(expression)(wall.replace(microsecond=0)) == expected


@given(expressions, walls)
def test_a_fraction_of_a_second_later_the_same_minute_is_next(expression: str, wall: datetime) -> None:
    wall = wall.replace(microsecond=0)
    following = calendar_of(expression)(wall)
    assume(following is not None)
    assert following is not None
    assert calendar_of(expression)(wall + timedelta(microseconds=1)) == following
    assert calendar_of(expression)(following - timedelta(microseconds=1)) == following


@pytest.mark.parametrize(
    "expression",
    [
        *("0 0 L * *", "15 6 * * 5#2", "0 0 * * L5", "30 8 15W * *", "0 0 1,L * *", "0 0 13 * 5"),
        *("@daily", "@weekly", "@yearly", "0 9 * JAN,jul MON-FRI", "0 0 ? * 1", "0 0 29 2 *", "0 0 */2 * 1"),
    ],
)
def test_letters_and_aliases_mean_what_they_mean_to_croniter(expression: str) -> None:
    wall = datetime(2026, 1, 1, 6, 15)  # noqa: DTZ001
    reference = croniter(expression, wall)
    for _ in range(40):
        following = calendar_of(expression)(wall)
        assert following == reference.get_next(datetime)
        assert following is not None
        wall = following


def test_there_is_no_minute_after_the_last_one_of_all_dates_or_in_no_month() -> None:
    last = datetime(9999, 12, 31, 23, 59)  # noqa: DTZ001
    assert calendar_of("0 0 * * *")(last) is None
    assert calendar_of("59 23 * * *")(last - timedelta(hours=1)) == last
    assert calendar_of("0 0 30 2 *")(last.replace(year=2026)) is None
