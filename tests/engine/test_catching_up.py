"""Points missed while no scheduler ran, in the engine: they are offered, and run once if somebody says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ppacer_nb.engine import catching_up, timetable
from ppacer_nb.errors import InvalidOption, NotFound, SchedulerError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import CatchupEvent, ScheduleEvent
from ppacer_nb.model.ids import run_id_of
from ppacer_nb.model.points import PointRange
from ppacer_nb.status import CatchupChoice, RunType
from ppacer_nb.testing import dag_spec
from tests.engine.bench import T0, Bench, Every


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def ten_minutely(**head: Any) -> DagSpec:
    return dag_spec("d", "a", **{"schedule": Every(600), **head})


def returned(dag: DagSpec | None = None, minutes_away: float = 50) -> Bench:
    """A bench whose DAG was not scheduled for a while."""
    bench = Bench()
    bench.now = at(5)
    bench.register(dag or ten_minutely(), accounted=at(-minutes_away))
    return bench


def caught_up(bench: Bench) -> list[datetime]:
    return [e.first for e in bench.events if isinstance(e, ScheduleEvent) and e.kind == "caught_up"]


def drain_runs(bench: Bench) -> None:
    while bench.running:
        bench.end_key(next(iter(bench.running)))


def test_what_was_missed_in_an_absence_or_a_sleep_is_offered() -> None:
    bench = returned()
    assert bench.engine.missed == {"d": [PointRange(at(-40), at(0), 5)]}
    bench.wait(1200)
    bench.wait(2400)
    ranges = [PointRange(at(-40), at(0), 5), PointRange(at(10), at(20), 2), PointRange(at(30), at(60), 4)]
    assert bench.engine.missed == {"d": ranges}
    assert all(e.missed for e in bench.events if isinstance(e, ScheduleEvent) and e.kind == "skipped")


def test_points_of_a_pause_and_of_other_modes_are_not_offered() -> None:
    bench = Bench()
    bench.register(ten_minutely())
    bench.pause()
    bench.wait(3600)
    bench.unpause()
    assert bench.engine.missed == {}
    assert returned(ten_minutely(catchup="last")).engine.missed == {}
    assert returned(ten_minutely(catchup="20m")).engine.missed == {}


@pytest.mark.parametrize(
    ("choice", "points"), [("none", []), ("last", [at(0)]), ("all", [at(m) for m in (-40, -30, -20, -10, 0)])]
)
def test_none_the_last_or_all_of_them_are_run_and_it_is_recorded_who_said_so(
    choice: str, points: list[datetime]
) -> None:
    bench = returned()
    assert bench.catch_up(choice) == points
    assert caught_up(bench) == points
    assert list(bench.run_states()) == [run_id_of("d", RunType.CATCHUP, point) for point in points]
    (decided,) = (e for e in bench.events if isinstance(e, CatchupEvent))
    assert decided == CatchupEvent("d", CatchupChoice(choice), tuple(points), bench.now, "test")
    assert bench.engine.missed == {}
    with pytest.raises(SchedulerError, match="DAG 'd' has no missed points to decide on"):
        bench.catch_up("all")


def test_they_run_in_order_as_far_as_there_is_room_beside_the_regular_points() -> None:
    bench = returned(ten_minutely(max_active_runs=2))
    bench.catch_up("all")
    assert (caught_up(bench), len(bench.engine.to_catch_up["d"])) == ([at(-40), at(-30)], 3)
    bench.wait(300)  # a regular point is made at once, and takes its turn
    bench.end_key(next(iter(bench.running)))
    assert caught_up(bench) == [at(-40), at(-30)]
    bench.end_key(next(iter(bench.running)))
    assert caught_up(bench) == [at(-40), at(-30), at(-20)]
    drain_runs(bench)
    assert caught_up(bench) == [at(m) for m in (-40, -30, -20, -10, 0)]
    assert set(bench.run_states().values()) == {"success"}


def test_a_point_with_a_run_already_is_not_run_again() -> None:
    bench = returned()
    assert bench.catch_up("all", with_run={at(-20), at(0)}) == [at(-40), at(-30), at(-10)]
    bench = returned()
    assert bench.catch_up("last", with_run={at(0)}) == [at(-10)]
    bench = returned(minutes_away=15)
    assert bench.catch_up("last", with_run={at(0), at(-10)}) == []
    assert bench.run_states() == {}


def test_none_gives_up_what_waits_for_its_turn() -> None:
    bench = returned(ten_minutely(max_active_runs=1))
    bench.catch_up("all")
    bench.catch_up("none")
    drain_runs(bench)
    assert caught_up(bench) == [at(-40)]


def test_a_paused_dag_catches_up_when_its_pause_ends() -> None:
    bench = returned(ten_minutely(max_active_runs=1))
    bench.pause()
    bench.catch_up("all")
    assert caught_up(bench) == []
    bench.unpause()
    drain_runs(bench)
    assert len(caught_up(bench)) == 5


def test_the_offer_and_the_choice_are_taken_from_the_log_by_the_next_scheduler() -> None:
    bench = Bench()
    bench.engine.restore_missed({"d": [PointRange(at(-90), at(-80), 2)]}, {"d": [at(-120), at(-110)]})
    bench.register(ten_minutely(max_active_runs=1), accounted=at(-80))
    assert caught_up(bench) == [at(-120)]
    drain_runs(bench)
    assert caught_up(bench) == [at(-120), at(-110)]
    assert bench.catch_up("all")[:3] == [at(-90), at(-80), at(-70)]


def test_only_the_last_of_too_many_points_can_be_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (timetable, catching_up):
        monkeypatch.setattr(module, "MAX_COUNTED", 3)
    bench = returned()
    with pytest.raises(SchedulerError, match="DAG 'd' missed over 3 points: catch up the last one, or run a"):
        bench.catch_up("all")
    assert bench.catch_up("last") == [at(0)]


def test_of_a_schedule_that_knows_the_points_no_more_nothing_is_run() -> None:
    bench = returned()
    bench.register(dag_spec("d", "a"))
    assert bench.catch_up("all") == []
    bench = returned(minutes_away=15)
    bench.register(dag_spec("d", "a"))
    assert bench.catch_up("last") == []


def test_what_cannot_be_decided_is_said_in_a_sentence() -> None:
    bench = returned()
    with pytest.raises(InvalidOption, match="as none, last or all, not 'some'"):
        bench.catch_up("some")
    with pytest.raises(NotFound, match="no DAG 'daily'"):
        bench.catch_up("all", dag_id="daily")
    bench.engine.drain()
    with pytest.raises(SchedulerError, match="the scheduler is stopping: 'd' does not catch up"):
        bench.catch_up("last")
    assert len(bench.engine.missed["d"]) == 1


def test_of_a_dag_that_is_not_defined_points_can_only_be_let_go() -> None:
    bench = Bench()
    bench.engine.restore_missed({"gone": [PointRange(at(-90), at(-80), 2)]}, {})
    with pytest.raises(NotFound, match="no DAG 'gone'"):
        bench.catch_up("last", dag_id="gone")
    assert bench.catch_up("none", dag_id="gone") == []
    assert bench.engine.missed == {}
