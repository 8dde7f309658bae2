"""No point is lost or doubled where clocks change, whenever the scheduler looks, and whatever it missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.engine.timetable import Decision, Timetable
from ppacer_nb.schedules import cron, every, next_point, points_between
from ppacer_nb.schedules.clock_changes import wall_time
from ppacer_nb.schedules.protocol import Schedule
from ppacer_nb.status import ScheduleEventKind
from ppacer_nb.testing import dag_spec

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: A day before each of the two changes of a year; Morocco's are those of Ramadan.
CHANGES = {
    "Europe/Warsaw": (datetime(2026, 3, 28, 1, tzinfo=UTC), datetime(2026, 10, 24, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 7, 7, tzinfo=UTC), datetime(2026, 10, 31, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 3, 15, tzinfo=UTC), datetime(2026, 10, 2, 15, 30, tzinfo=UTC)),
    "Africa/Casablanca": (datetime(2026, 2, 14, 2, tzinfo=UTC), datetime(2026, 3, 21, 2, tzinfo=UTC)),
}
#: At night, around the hours of the changes, at fixed times and with wildcards.
EXPRESSIONS = ["30 2 * * *", "0,15,30,45 1-3 * * *", "*/20 * * * *", "0 */2 * * *", "10 1 * * 0", "@daily"]

cases = st.tuples(st.sampled_from(sorted(CHANGES)), st.sampled_from([0, 1]))
minutes = st.integers(0, 72 * 60)


def schedules(zone: ZoneInfo) -> st.SearchStrategy[Schedule]:
    crons = st.sampled_from(EXPRESSIONS).map(lambda text: cron(text, timezone=zone))
    start = datetime(2026, 1, 1, 2, 30, tzinfo=zone)
    return crons | st.sampled_from([every("20m"), every("7h", start=start), every("1d", start=start)])


@pytest.mark.parametrize(("name", "which"), [(name, which) for name in CHANGES for which in (0, 1)])
def test_the_clocks_do_change_then(name: str, which: int) -> None:
    zone, first = ZoneInfo(name), CHANGES[name][which]
    shown = wall_time(first + 3 * DAY, zone) - wall_time(first, zone)
    assert abs(shown - 3 * DAY) == (HOUR / 2 if name == "Australia/Lord_Howe" else HOUR)


@given(st.data(), cases, st.lists(st.tuples(minutes, st.booleans()), max_size=12), st.integers(1, 5))
def test_every_point_is_accounted_for_once(
    data: st.DataObject, case: tuple[str, int], looks: list[tuple[int, bool]], room: int
) -> None:
    """The looks are in no order: at some of them the clock has been put back."""
    zone, first = ZoneInfo(case[0]), CHANGES[case[0]][case[1]]
    last = first + 72 * HOUR
    schedule, catchup = data.draw(schedules(zone), "schedule"), data.draw(st.booleans(), "catchup")
    table = Timetable(dag_spec("d", "a", schedule=schedule, timezone=zone, catchup=catchup), first)
    decisions: list[Decision] = []
    for minute, is_after_restart in [
        *looks,
        *[(72 * 60, False)] * 217,
    ]:  # a point each, with room for one
        if is_after_restart and decisions:  # its history is all that is left
            table = Timetable.of(table.dag, decisions[-1].last, first + minute * MINUTE)
        served = table.due(first + minute * MINUTE, most=room)
        table = served.timetable
        decisions += served.decisions
    assert list(points_of(decisions, schedule)) == list(points_between(schedule, first, last))
    assert not catchup or all(decision.run_type is not None for decision in decisions)


def points_of(decisions: list[Decision], schedule: Schedule) -> Iterator[datetime]:
    """Yield all points that were decided, those in ranges too, in that order."""
    for decision in decisions:
        points = [decision.first, *points_between(schedule, decision.first, decision.last)]
        assert len(points) == decision.count
        yield from points


@given(st.data(), cases, minutes, minutes)
def test_an_absence_over_the_change_is_one_range_to_the_last_point_missed(
    data: st.DataObject, case: tuple[str, int], gone: int, absence: int
) -> None:
    zone, first = ZoneInfo(case[0]), CHANGES[case[0]][case[1]]
    schedule = data.draw(schedules(zone), "schedule")
    left, back = first + gone * MINUTE, first + (gone + absence) * MINUTE
    dag = dag_spec("d", "a", schedule=schedule, timezone=zone)
    decisions = Timetable.of(dag, left, back).due(back, most=16).decisions
    missed = list(points_between(schedule, left, back - MINUTE - timedelta(microseconds=1)))
    skipped = [(d.first, d.last, d.count) for d in decisions if d.kind is ScheduleEventKind.SKIPPED]
    assert skipped == ([(missed[0], missed[-1], len(missed))] if missed else [])
    following = Timetable.of(dag, left, back).due(back, most=16).next
    assert following == next_point(schedule, back)
