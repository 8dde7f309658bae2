"""Backfills in the engine: what they run and leave out, in which order, and how they go on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ppacer_nb.engine import backfill as backfill_module
from ppacer_nb.engine import timetable
from ppacer_nb.engine.backfill import restored
from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.errors import InvalidOption, InvalidParameters, NotFound, SchedulerError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import BackfillEvent, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import run_id_of
from ppacer_nb.model.points import PointRun
from ppacer_nb.status import BackfillState, RunState, RunType
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, T0, Bench, Every


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def hourly(**head: Any) -> DagSpec:
    return dag_spec("d", "a", **{"schedule": Every(3600), **head})


def bench_with(dag: DagSpec | None = None) -> Bench:
    """A bench at half past, whose DAG has just been defined."""
    bench = Bench()
    bench.now = at(0.5)
    bench.register(dag or hourly())
    return bench


def backfilled(bench: Bench) -> list[datetime]:
    return [e.first for e in bench.events if isinstance(e, ScheduleEvent) and e.kind == "backfilled"]


def run_id(hours: float) -> str:
    return run_id_of("d", RunType.BACKFILL, at(hours))


def drain_runs(bench: Bench, outcome: Any = None) -> None:
    while bench.running:
        key = next(iter(bench.running))
        bench.end_key(key) if outcome is None else bench.end_key(key, outcome)


def states(bench: Bench) -> list[str]:
    return [e.state.value for e in bench.events if isinstance(e, BackfillEvent)]


def test_it_runs_the_points_of_its_range_one_after_another() -> None:
    bench = bench_with()
    plan = bench.backfill(at(-3), at(-1))
    assert (plan.points, plan.skipped) == ((at(-3), at(-2), at(-1)), [])
    for done, hours in enumerate((-3, -2, -1)):
        assert [key.run_id for key in bench.running] == [run_id(hours)]
        assert len(backfilled(bench)) == done + 1
        bench.end("a")
    assert states(bench) == ["running", "finished"]
    assert bench.run_states() == {run_id(hours): "success" for hours in (-3, -2, -1)}


def test_as_many_run_at_once_as_it_says_beside_the_scheduled_runs_of_the_dag() -> None:
    bench = bench_with(hourly(max_active_runs=1))
    bench.backfill(at(-4), at(0), concurrency=2)
    bench.wait(1800)
    assert sorted(key.run_id for key in bench.running) == [
        run_id(-4),
        run_id(-3),
        run_id_of("d", RunType.SCHEDULED, at(1)),
    ]
    entry = bench.engine.dags["d"]
    assert (len(entry.active), entry.room) == (1, 0)
    drain_runs(bench)
    assert backfilled(bench) == [at(h) for h in (-4, -3, -2, -1, 0)]


def test_a_preview_runs_nothing() -> None:
    bench = bench_with()
    plan = bench.backfill(at(-3), at(-1), dry_run=True)
    assert (plan.backfill_id, len(plan.points), bench.said) == ("", 3, [])
    assert bench.engine.backfills == {}


RUNS = [
    PointRun(at(-5), RunType.SCHEDULED, RunState.SUCCESS),
    PointRun(at(-4), RunType.MANUAL, RunState.FAILED),
    PointRun(at(-4), RunType.BACKFILL, RunState.SUCCESS),
    PointRun(at(-3), RunType.SCHEDULED, RunState.FAILED),
    PointRun(at(-2), RunType.SCHEDULED, RunState.CANCELLED),
    PointRun(at(-1), RunType.SCHEDULED, RunState.SUCCESS),
    PointRun(at(-1), RunType.MANUAL, RunState.RUNNING),
]


@pytest.mark.parametrize(
    ("rerun", "run"), [("none", [-6, 0]), ("failed", [-6, -3, -2, 0]), ("all", [-6, -5, -4, -3, -2, 0])]
)
def test_what_has_been_run_is_left_out_unless_it_is_to_be_run_again(rerun: str, run: list[int]) -> None:
    plan = bench_with().backfill(at(-6), at(0), runs=RUNS, rerun=rerun, dry_run=True)
    assert list(plan.points) == [at(h) for h in run]
    why = {-5: "succeeded", -4: "succeeded", -3: "failed", -2: "failed", -1: "unfinished"}
    assert {s.point: s.why for s in plan.skipped} == {at(h): w for h, w in why.items() if h not in run}


def test_where_all_is_left_out_no_backfill_begins() -> None:
    bench = bench_with()
    plan = bench.backfill(at(-5), at(-5), runs=RUNS)
    assert (plan.backfill_id, plan.points, bench.said) == ("", (), [])


def test_points_that_the_schedule_or_a_catch_up_has_yet_to_come_to_are_left_to_it() -> None:
    bench = Bench()
    bench.now = at(0.5)
    bench.register(hourly(catchup=True, max_active_runs=1), accounted=at(-4))
    plan = bench.backfill(at(-6), at(3), runs=bench.point_runs(), dry_run=True)
    assert list(plan.points) == [at(h) for h in (-6, -5, -4)]
    assert [s.why for s in plan.skipped] == ["unfinished", "to come", "to come", "to come"]
    bench = Bench()
    bench.now = at(0.5)
    bench.register(hourly(max_active_runs=1), accounted=at(-2))
    bench.catch_up("all")
    plan = bench.backfill(at(-2), at(0), runs=bench.point_runs(), dry_run=True)
    assert [s.why for s in plan.skipped] == ["unfinished", "unfinished"]


def test_a_paused_dag_is_filled_too_and_so_is_the_pause() -> None:
    bench = bench_with()
    bench.pause()
    bench.wait(7200)
    bench.backfill(at(1), at(2))
    drain_runs(bench)
    assert backfilled(bench) == [at(1), at(2)]


def test_a_failure_does_not_end_it() -> None:
    bench = bench_with()
    bench.backfill(at(-2), at(-1))
    bench.end("a", BAD)
    bench.end("a")
    assert bench.run_states() == {run_id(-2): "failed", run_id(-1): "success"}
    assert states(bench) == ["running", "finished"]


def test_it_is_paused_and_resumed() -> None:
    bench = bench_with()
    bench.backfill(at(-3), at(-1))
    bench.steer_backfill("pause")
    bench.end("a")
    assert bench.running == {}
    with pytest.raises(SchedulerError, match="backfill of DAG 'd' is paused already"):
        bench.steer_backfill("pause")
    bench.steer_backfill("resume")
    with pytest.raises(SchedulerError, match="backfill of DAG 'd' is not paused"):
        bench.steer_backfill("resume")
    drain_runs(bench)
    assert states(bench) == ["running", "paused", "running", "finished"]
    assert len(backfilled(bench)) == 3


def test_it_is_cancelled_with_its_runs_and_others_go_on() -> None:
    bench = bench_with()
    other = bench.trigger()
    bench.backfill(at(-3), at(-1), concurrency=2)
    bench.steer_backfill("cancel")
    for key in [key for key in bench.running if key.run_id != other]:
        bench.end_key(key, BAD)
    bench.end("a")
    assert bench.run_states() == {other: "success", run_id(-3): "cancelled", run_id(-2): "cancelled"}
    assert states(bench) == ["running", "cancelled"]
    with pytest.raises(NotFound, match="no backfill of DAG 'd' is under way"):
        bench.steer_backfill("cancel")


def test_runs_that_are_there_already_go_on_from_their_beginning_with_the_new_params() -> None:
    bench = bench_with(hourly(params={"x": 1}))
    bench.backfill(at(-3), at(-2))
    bench.end("a", BAD)
    bench.end("a")
    bench.backfill(at(-3), at(-1), runs=bench.point_runs(), rerun="all", params={"x": 2})
    assert [key.attempt for key in bench.running] == [2]
    drain_runs(bench)
    assert bench.run_states() == {run_id(h): "success" for h in (-3, -2, -1)}
    assert [(job.run.run_id, job.run.attempt, job.run.params) for job in bench.jobs[2:]] == [
        (run_id(-3), 2, {"x": 2}),
        (run_id(-2), 2, {"x": 2}),
        (run_id(-1), 1, {"x": 2}),
    ]
    assert states(bench) == ["running", "finished"] * 2


def test_a_run_to_be_run_again_that_somebody_restarted_meanwhile_is_waited_for() -> None:
    bench = bench_with()
    bench.backfill(at(-3), at(-2))
    drain_runs(bench, BAD)
    bench.backfill(at(-3), at(-2), runs=bench.point_runs(), rerun="failed")
    bench.restart(run_id(-2))
    bench.end_key(next(key for key in bench.running if key.run_id == run_id(-3)))
    assert [(key.run_id, key.attempt) for key in bench.running] == [(run_id(-2), 2)]
    bench.end("a")
    assert states(bench)[-1] == "finished"


def test_what_was_to_run_again_waits_while_the_backfill_is_paused() -> None:
    bench = bench_with()
    bench.backfill(at(-3), at(-2))
    drain_runs(bench, BAD)
    bench.backfill(at(-3), at(-2), runs=bench.point_runs(), rerun="failed")
    bench.steer_backfill("pause")
    backfill = bench.engine.backfills["d"]
    backfill.recalling = run_id(-2)  # as if the pause had come before the history of its run
    assert bench.engine.recalled(run_id(-2), [], bench.now) == []
    assert bench.engine.recalled(run_id(-2), [], bench.now) == []
    bench.end("a")
    bench.steer_backfill("resume")
    drain_runs(bench)
    assert states(bench)[-1] == "finished"
    assert set(bench.run_states().values()) == {"success"}


def test_an_empty_dag_is_filled_at_once() -> None:
    bench = bench_with(dag_spec("d", "", schedule=Every(3600)))
    bench.backfill(at(-50), at(-1))
    assert (len(backfilled(bench)), states(bench)) == (50, ["running", "finished"])


@pytest.mark.parametrize("ended", [0, 1, 2])
def test_it_goes_on_after_a_restart_where_its_events_say(ended: int) -> None:
    bench = bench_with()
    bench.backfill(at(-3), at(-1), concurrency=2)
    for _ in range(ended):
        bench.end_key(next(iter(bench.running)))
    live = bench.engine.backfills["d"]
    events = [e for e in bench.events if not isinstance(e, TaskEvent)]
    again = restored(events)
    assert vars(again) == vars(live)
    # its runs in flight ended with their scheduler
    for id in live.unfinished:
        latest = [e for e in bench.events if isinstance(e, RunEvent) and e.run_id == id][-1]
        events.append(RunEvent(**{**_fields(latest), "state": RunState.FAILED}))
    after = Bench()
    after.now = bench.now
    assert isinstance(after.engine, Coordinator)
    after.engine.restore_backfill(events)
    after.register(hourly(), accounted=at(0))
    drain_runs(after)
    assert [*backfilled(bench), *backfilled(after)] == [at(-3), at(-2), at(-1)]
    assert states(after) == ["finished"]


def _fields(event: RunEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in RunEvent.__slots__}


def test_a_stopping_scheduler_begins_no_more_runs_of_it() -> None:
    bench = bench_with()
    bench.backfill(at(-3), at(-1))
    bench.engine.drain()
    bench.end("a")
    assert bench.running == {}
    assert bench.engine.backfills["d"].state is BackfillState.RUNNING


def test_backfills_of_the_same_instant_have_names_of_their_own() -> None:
    bench = bench_with()
    ids = set()
    for _ in range(3):
        ids.add(bench.backfill(at(-3), at(-1)).backfill_id)
        bench.steer_backfill("cancel")
        drain_runs(bench, BAD)
    assert len(ids) == 3


def test_what_cannot_be_filled_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_with()
    with pytest.raises(
        InvalidOption, match=r"of DAG 'd' has no point from 2026-11-23 05:21 to .* another range"
    ):
        bench.backfill(at(0.1), at(0.2))
    with pytest.raises(InvalidOption, match="lies in the future"):
        bench.backfill(at(5), at(6))
    with pytest.raises(InvalidOption, match=r"rerun .* is 'some': give one of none, failed, all"):
        bench.backfill(at(-3), at(-1), rerun="some")
    with pytest.raises(InvalidOption, match=r"concurrency .* is 0: give a whole number"):
        bench.backfill(at(-3), at(-1), concurrency=0)
    with pytest.raises(InvalidParameters, match="no parameter 'x'"):
        bench.backfill(at(-3), at(-1), params={"x": 1})
    for module in (timetable, backfill_module):
        monkeypatch.setattr(module, "MAX_COUNTED", 3)
    monkeypatch.setattr(timetable.points_of, "__defaults__", (3,))
    with pytest.raises(InvalidOption, match="has over 3 points: give a shorter range"):
        bench.backfill(at(-4), at(-1))
    bench.backfill(at(-3), at(-1))
    with pytest.raises(SchedulerError, match="a backfill of DAG 'd' is running: wait for it, or cancel it"):
        bench.backfill(at(-9), at(-8))
    bench.steer_backfill("cancel")
    bench.engine.drain()
    with pytest.raises(SchedulerError, match="the scheduler is stopping: no backfill of 'd' begins"):
        bench.backfill(at(-9), at(-8))
    bench = bench_with(dag_spec("d", "a"))
    with pytest.raises(InvalidOption, match="DAG 'd' has no schedule, so there are no dates to fill"):
        bench.backfill(at(-3), at(-1))
