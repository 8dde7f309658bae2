from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.engine import timetable
from ppacer_nb.engine.timetable import ON_TIME, Decision, Timetable
from ppacer_nb.model.catchup import Catchup, CatchupMode
from ppacer_nb.status import RunType, ScheduleEventKind
from ppacer_nb.testing import dag_spec
from tests.engine.bench import T0, Every

MICROSECOND = timedelta(microseconds=1)
REGULAR, CAUGHT_UP, SKIPPED = (
    ScheduleEventKind.REGULAR,
    ScheduleEventKind.CAUGHT_UP,
    ScheduleEventKind.SKIPPED,
)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def table(every: int = 60, after: datetime = T0, last: datetime | None = None, **head: Any) -> Timetable:
    return Timetable(dag_spec("d", "a", schedule=Every(every, last), **head), after)


def test_nothing_is_due_before_the_point_and_one_run_at_the_point() -> None:
    assert table().due(at(0.99), most=9)[0] == []
    decisions, after, *_ = table().due(at(1), most=9)
    assert decisions == [Decision(REGULAR, at(1), at(1), 1)]
    assert (after.after, after.previous, after.next) == (at(1), at(1), at(2))


def test_a_point_is_on_time_for_a_minute_and_missed_after_that() -> None:
    late = at(1) + ON_TIME
    assert [d.kind for d in table(3600, after=at(-1)).due(at(0) + ON_TIME, most=9)[0]] == [REGULAR]
    assert [d.kind for d in table().due(late, most=9)[0]] == [REGULAR, REGULAR]
    assert [d.kind for d in table().due(late + timedelta(microseconds=1), most=9)[0]] == [SKIPPED, REGULAR]


def test_missed_points_are_one_range_and_the_point_on_time_still_runs() -> None:
    decisions, after, *_ = table().due(at(60.5), most=9)
    assert decisions == [Decision(SKIPPED, at(1), at(59), 59), Decision(REGULAR, at(60), at(60), 1)]
    assert after.next == at(61)


def test_with_catch_up_every_missed_point_runs_in_order_as_far_as_there_is_room() -> None:
    decisions, after, *_ = table(catchup=True).due(at(5), most=3)
    assert decisions == [Decision(CAUGHT_UP, at(m), at(m), 1) for m in (1, 2, 3)]
    decisions, after, *_ = after.due(at(5), most=3)
    assert decisions == [Decision(REGULAR, at(m), at(m), 1) for m in (4, 5)]
    assert after.due(at(5), most=3) == ([], after, at(6), "")
    assert table(catchup=True).due(at(5), most=0)[0] == []


def test_with_last_the_newest_missed_point_runs_and_those_before_are_one_range() -> None:
    decisions, after, *_ = table(catchup="last").due(at(60.5), most=0)  # one run needs no room to wait for
    assert decisions == [
        Decision(SKIPPED, at(1), at(58), 58),
        Decision(CAUGHT_UP, at(59), at(59), 1),
        Decision(REGULAR, at(60), at(60), 1),
    ]
    assert after.next == at(61)
    assert table(catchup="last").due(at(2.5), most=0)[0][0] == Decision(CAUGHT_UP, at(1), at(1), 1)


def test_with_last_the_newest_of_points_too_many_to_count_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "MAX_COUNTED", 5)
    decisions, *_ = table(catchup="last").due(at(600.5), most=0)
    assert decisions == [
        Decision(SKIPPED, at(1), at(599) - MICROSECOND, None),
        Decision(CAUGHT_UP, at(599), at(599), 1),
        Decision(REGULAR, at(600), at(600), 1),
    ]


def test_with_a_window_points_older_than_it_are_one_range_and_the_rest_is_caught_up() -> None:
    decisions, after, *_ = table(catchup="3m").due(at(60), most=2)
    assert decisions == [
        Decision(SKIPPED, at(1), at(56), 56),
        Decision(CAUGHT_UP, at(57), at(57), 1),
        Decision(CAUGHT_UP, at(58), at(58), 1),
    ]
    # what has become older while it waited for room is skipped when its turn comes
    decisions, *_ = after.due(at(63), most=9)
    assert decisions[0] == Decision(SKIPPED, at(59), at(59), 1)
    assert [d.first for d in decisions[1:]] == [at(m) for m in (60, 61, 62, 63)]


@pytest.mark.parametrize(("window", "kinds"), [("1s", [REGULAR, REGULAR]), ("9999999d", [CAUGHT_UP] * 58)])
def test_a_window_may_be_short_or_endless(window: str, kinds: list[ScheduleEventKind]) -> None:
    decisions, *_ = table(catchup=window).due(at(60), most=99)
    assert [d.kind for d in decisions if d.kind is not SKIPPED][: len(kinds)] == kinds


class Listed(Every):
    """A schedule of exactly these points."""

    def __init__(self, points: list[datetime]) -> None:
        super().__init__()
        self.points = points

    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        return next((point for point in self.points if point > current), None)


@given(
    st.lists(st.integers(1, 2_000), unique=True, max_size=40).map(sorted),
    st.sampled_from([False, True, "last", "1s", "2m", "10m"]),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3), st.booleans()), max_size=20),
    st.integers(1, 50),
)
def test_every_point_is_accounted_for_once_and_in_order(
    seconds: list[int], catchup: bool | str, turns: list[tuple[int, int, bool]], most_counted: int
) -> None:
    """Whatever the mode, the room there is, and how long nobody looks; a pause may end at each look."""
    points = [T0 + timedelta(seconds=s) for s in seconds]
    dag = dag_spec("d", "a", schedule=Listed(points), catchup=catchup)
    timetable_, now, decided = Timetable(dag, T0), T0, list[Decision]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable, "MAX_COUNTED", most_counted)
        for seconds_away, most, was_paused in [*turns, (3_000, 99, False)]:
            now += timedelta(seconds=seconds_away)
            if was_paused and not dag.catchup.is_on:
                served = timetable_.passed_over(now)
            else:
                served = timetable_.due(now, most=most)
                check_one_look(served.decisions, dag.catchup, now, most)
            decided += served.decisions
            timetable_ = served.timetable
    # of each point exactly one decision, and the decisions in the order of the points
    assert [p for d in decided for p in points if d.first <= p <= d.last] == points
    assert all(d.count == len([p for p in points if d.first <= p <= d.last]) for d in decided if d.count)
    assert all(d.first in points for d in decided)
    assert timetable_.next is None


def check_one_look(decisions: list[Decision], catchup: Catchup, now: datetime, most: int) -> None:
    """What was decided at one time is what the mode says."""
    runs = [d for d in decisions if d.run_type is not None]
    late = [d for d in runs if d.kind is CAUGHT_UP]
    skipped = [d for d in decisions if d.kind is SKIPPED]
    assert all((now - d.first > ON_TIME) == (d.kind is CAUGHT_UP) for d in runs)
    assert len(skipped) <= 1
    if catchup.takes_turns:
        assert len(runs) <= most
    if catchup.mode is CatchupMode.ALL:
        assert not skipped
    elif catchup.mode is CatchupMode.LAST:
        assert len(late) == (1 if skipped else min(1, len(late)))
    elif catchup.window is not None:
        assert all(now - d.first <= catchup.window for d in late)
        assert all(now - d.last > catchup.window for d in skipped)
    else:
        assert not late


def test_a_range_too_long_to_count_ends_where_it_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "MAX_COUNTED", 5)
    decisions, after, *_ = table().due(at(60.5), most=9)
    assert decisions == [
        Decision(SKIPPED, at(1), at(59.5) - MICROSECOND, None),
        Decision(REGULAR, at(60), at(60), 1),
    ]
    assert after.next == at(61)
    assert table().due(at(6.5), most=9)[0][0] == Decision(SKIPPED, at(1), at(5), 5)
    assert [d.first for d in table().due(at(61), most=9)[0][1:]] == [at(60), at(61)]


def test_what_was_decided_stands_when_the_schedule_breaks_down_after_it() -> None:
    class Broken(Every):
        def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
            if current == at(2):
                raise KeyError("moon")
            return super().next(current, previous)

    decisions, after, following, problem = Timetable(dag_spec("d", "a", schedule=Broken(60)), T0).due(
        at(2.5), most=9
    )
    assert [d.first for d in decisions] == [at(1), at(2)]
    assert (after.after, following) == (at(2), None)
    assert "moon" in problem


def test_a_schedule_that_ends_is_skipped_to_its_end() -> None:
    decisions, after, *_ = table(last=at(3)).due(at(60), most=9)
    assert decisions == [Decision(SKIPPED, at(1), at(3), 3)]
    assert after.next is None


def test_start_and_end_are_points_of_the_schedule_themselves() -> None:
    within = table(start=at(2), end=at(4))
    assert within.next == at(2)
    decisions, after, *_ = within.due(at(4), most=9)
    assert [d.first for d in decisions] == [at(2), at(3), at(4)]
    assert after.next is None


def test_a_dag_without_a_schedule_is_never_due() -> None:
    assert Timetable.of(dag_spec("d", "a"), None, T0).next is None


@pytest.mark.parametrize(
    ("accounted", "catchup", "start", "schedule_start", "first"),
    [
        (None, False, None, None, at(11)),
        (None, False, at(3), None, at(11)),
        (None, True, None, None, at(11)),
        (None, True, at(3), None, at(3)),
        (None, True, None, at(4), at(4)),
        (None, True, at(20), None, at(20)),
        (None, False, at(20), None, at(20)),
        (at(5), False, None, None, at(6)),
        (at(5), True, at(3), None, at(6)),
        (at(5), True, at(8), None, at(8)),
    ],
)
def test_where_a_timetable_begins(
    accounted: datetime | None,
    catchup: bool,
    start: datetime | None,
    schedule_start: datetime | None,
    first: datetime,
) -> None:
    schedule = Every(60)
    schedule.start = schedule_start
    dag = dag_spec("d", "a", schedule=schedule, catchup=catchup, start=start)
    assert Timetable.of(dag, accounted, at(10)).next == first


def test_the_schedule_is_told_the_point_before() -> None:
    class Alternating(Every):
        def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
            seen.append(previous)
            return super().next(current, previous)

    seen: list[datetime | None] = []
    Timetable(dag_spec("d", "a", schedule=Alternating(60)), T0).due(at(2), most=9)
    assert seen == [None, at(1), at(2)]


def test_which_decisions_make_which_runs() -> None:
    kinds = {kind: Decision(kind, T0, T0, 1).run_type for kind in (REGULAR, CAUGHT_UP, SKIPPED)}
    assert kinds == {REGULAR: RunType.SCHEDULED, CAUGHT_UP: RunType.CATCHUP, SKIPPED: None}
