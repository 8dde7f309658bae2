"""Many DAGs for months, in the real engine; `tests/benchmarks/bench_years.py` goes on for ten years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.benchmarks.bench_years import Times, arithmetic, check, plan, play


@pytest.mark.parametrize("month", [3, 10])  # clocks change in most zones of the plan
def test_no_point_of_two_hundred_dags_is_lost_or_doubled_when_clocks_change(month: int) -> None:
    start = datetime(2027, month, 1, tzinfo=UTC)
    end = start + timedelta(days=45)
    planned = plan()
    played = play([one.dag for one in planned], start, end)
    by_arithmetic, wrong = check(planned, played, start, end)
    assert not wrong
    assert played.count > 8_000
    assert by_arithmetic > 4_000


def test_a_lost_a_doubled_and_a_late_point_are_noticed() -> None:
    start = datetime(2027, 3, 1, tzinfo=UTC)
    end = start + timedelta(days=10)
    planned = plan(20)
    played = play([one.dag for one in planned], start, end)
    played.points["dag0"].pop(3)
    played.points["dag1"].append(played.points["dag1"][-1])
    played.ended["dag2"].pop()
    assert check(planned, played, start, end)[1] == ["dag0", "dag1", "dag2"]
    played.others = 1
    assert check(planned, played, start, end)[1][0] == "a point that was not on time"


def test_the_arithmetic_knows_the_nights_when_clocks_change() -> None:
    half_past_two = Times([30], [2], range(7))
    nights = arithmetic(
        half_past_two, "Europe/Warsaw", datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
    )
    assert [f"{night:%d %H:%M}" for night in nights] == ["28 01:30", "29 01:00", "30 00:30"]
    nights = arithmetic(
        half_past_two, "Europe/Warsaw", datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC)
    )
    assert [f"{night:%d %H:%M}" for night in nights] == ["24 00:30", "25 00:30", "26 01:30"]
