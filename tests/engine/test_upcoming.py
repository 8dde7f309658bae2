from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.engine.timetable import Timetable
from ppacer_nb.engine.upcoming import points_after, upcoming_points
from ppacer_nb.model.points import UpcomingPoint
from ppacer_nb.testing import dag_spec
from tests.engine.bench import T0, Every

SECOND = timedelta(seconds=1)


def table(id: str, seconds: int, after: datetime = T0, last: datetime | None = None) -> Timetable:
    return Timetable(dag_spec(id, "a", schedule=Every(seconds, last)), after)


def test_the_points_after_now_come_in_order_and_end_with_the_schedule() -> None:
    points = points_after(table("d", 60, last=T0 + 120 * SECOND), T0)
    assert list(points) == [T0 + 60 * SECOND, T0 + 120 * SECOND]


def test_a_dag_without_a_schedule_has_no_points() -> None:
    assert list(points_after(Timetable(dag_spec("d", "a"), T0), T0)) == []


def test_points_that_wait_for_their_turn_are_not_to_come() -> None:
    behind = table("d", 60, after=T0 - timedelta(days=1))
    assert next(points_after(behind, T0)) == T0 + 60 * SECOND


def test_points_that_are_accounted_for_already_are_not_to_come() -> None:
    ahead = table("d", 60, after=T0 + 600 * SECOND)
    assert next(points_after(ahead, T0)) == T0 + 660 * SECOND


def test_the_bounds_of_the_dag_hold() -> None:
    dag = dag_spec("d", "a", schedule=Every(60), start=T0 + 120 * SECOND, end=T0 + 200 * SECOND)
    assert list(points_after(Timetable(dag, T0), T0)) == [T0 + 120 * SECOND, T0 + 180 * SECOND]


def test_a_schedule_that_raises_has_the_points_before_it_did() -> None:
    class Weary(Every):
        def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
            if current >= T0 + 120 * SECOND:
                raise OSError("the calendar service is down")
            return super().next(current, previous)

    dag = dag_spec("d", "a", schedule=Weary(60))
    assert list(points_after(Timetable(dag, T0), T0)) == [T0 + 60 * SECOND, T0 + 120 * SECOND]


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 300)), st.integers(0, 20))
def test_the_points_of_all_dags_are_those_of_each_in_their_order(every: dict[str, int], most: int) -> None:
    tables = [table(id, seconds) for id, seconds in every.items()]
    found = upcoming_points(tables, T0, most)
    of_each = [(point, t.dag.id) for t in tables for point in islice(points_after(t, T0), most)]
    assert found == [UpcomingPoint(dag_id, point) for point, dag_id in sorted(of_each)[:most]]
