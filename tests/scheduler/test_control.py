"""What people ask of runs and DAGs, with the real loop, engine and store in simulated time."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb.errors import NotFound, SchedulerError
from ppacer_nb.model.attempt import ErrorInfo, Failed
from ppacer_nb.model.events import ScheduleEvent
from ppacer_nb.model.history import RunRecord, latest_states
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.overview import DagSummary
from ppacer_nb.model.points import PointRange
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.status import RunState, ScheduleEventKind
from ppacer_nb.store.store import Store
from ppacer_nb.testing import Does, World, dag_spec, simulated
from tests.engine.bench import T0, Every

NO = ValueError("no")


def run_of(world: World, run_id: str) -> RunRecord:
    world.scheduler.flush()
    run = world.scheduler.history.run(run_id)
    assert run is not None
    return run


def attempts(world: World, run_id: str) -> list[tuple[str, int, str]]:
    world.scheduler.flush()
    return [(a.task_id, a.attempt, a.state.value) for a in world.scheduler.history.attempts(run_id)]


def triggered(world: World, chains: str, **head: Any) -> str:
    """The run of a DAG that is triggered once, when it has come to rest."""
    world.scheduler.register(dag_spec("d", chains, **head), scheduled=False)
    run_id = world.scheduler.trigger("d", by="Ola")
    world.advance(0)
    return run_id


def dag(world: World) -> DagSummary:
    (found,) = world.scheduler.dags()
    return found


def test_a_failed_run_is_restarted_to_its_good_end_and_says_by_whom() -> None:
    with simulated(T0) as world:
        world.script["b"] = [NO, "mended"]
        run_id = triggered(world, "a >> b >> c")
        assert run_of(world, run_id).state is RunState.FAILED
        world.advance("1h")
        world.scheduler.restart(run_id, by="Ola")
        end = world.scheduler.end_of(run_id)
        world.advance(0)
        assert end.result(timeout=0) is RunState.SUCCESS
        assert world.started == [("a", 1), ("b", 1), ("b", 2), ("c", 1)]
        run = run_of(world, run_id)
        assert (run.restarts, run.tasks_done, run.tasks_failed) == (1, 3, 0)
        assert (run.created_at, run.started_at) == (T0, T0 + timedelta(hours=1))
        asked = "SELECT reason, restarts, ts FROM run_events WHERE reason LIKE 'restarted%'"
        assert world.scheduler.history.sql(asked).rows == [
            ("restarted by Ola", 1, (T0 + timedelta(hours=1)).replace(tzinfo=None))
        ]


def test_a_run_that_was_restarted_is_one_run_in_its_place() -> None:
    with simulated(T0) as world:
        world.script["a"] = NO
        first = triggered(world, "a")
        second = world.scheduler.trigger("d")
        world.advance(0)
        for _ in range(2):
            world.scheduler.restart(first)
            world.advance(0)
        world.scheduler.flush()
        history = world.scheduler.history
        assert [(run.run_id, run.restarts) for run in history.runs()] == [(second, 0), (first, 2)]
        assert history.run_ids() == [second, first]
        assert history.counts() == {RunState.FAILED: 2}
        assert history.sql("SELECT run_id, restarts FROM dag_runs WHERE restarts > 0").rows == [(first, 2)]


def test_a_run_of_an_earlier_scheduler_is_restarted_with_the_values_it_has(tmp_path: Path) -> None:
    with simulated(T0, store=tmp_path / "s.duckdb") as world:
        world.script.update(a=42, b=Does(after="1h"))
        run_id = triggered(world, "a >> b; c >> d", max_active_runs=1)
        world.scheduler.cancel(run_id)
    assert run_of_offline(tmp_path, run_id).state is RunState.CANCELLED
    with simulated(T0, store=tmp_path / "s.duckdb") as world:
        with pytest.raises(NotFound, match="no DAG 'd'"):
            world.scheduler.restart(run_id)
        newest = dag_spec("d", "a >> b; c >> d", description="newer")
        world.scheduler.register(newest, scheduled=False)
        world.scheduler.restart(run_id)
        world.advance(0)
        run = run_of(world, run_id)
        assert (run.state, run.version, run.restarts) == (RunState.SUCCESS, newest.version, 1)
        assert [task for task, _ in world.started] == ["b"]
        value = world.scheduler.history.value(run_id, "a")
        assert value is not None
        assert value.preview == "42"


def run_of_offline(folder: Path, run_id: str) -> RunRecord:
    with OfflineScheduler(folder / "s.duckdb") as offline:
        run = offline.history.run(run_id)
        assert run is not None
        return run


def test_a_run_that_did_not_outlive_its_scheduler_goes_on(tmp_path: Path) -> None:
    with simulated(T0) as world:
        world.script.update(a=Does(after="1h"), b=NO)
        options = {"b": TaskOptions(retries=1, retry_delay=timedelta(hours=1))}
        run_id = triggered(world, "a >> c; b", options=options)
        events = world.scheduler.history.events(run_id)
    with Store(tmp_path / "s.duckdb") as store:  # as it is if the scheduler is killed there
        store.log.events(events)
    with simulated(T0, store=tmp_path / "s.duckdb") as world:
        assert attempts(world, run_id) == [("a", 1, "interrupted"), ("b", 1, "up_for_retry")]
        world.scheduler.register(dag_spec("d", "a >> c; b"), scheduled=False)
        world.advance(0)
        assert world.started == [("a", 2), ("c", 1)]
        world.advance("1h")
        assert run_of(world, run_id).state is RunState.SUCCESS
        assert world.started == [("a", 2), ("c", 1), ("b", 2)]


def test_a_run_that_goes_on_has_its_params_as_they_were(tmp_path: Path) -> None:
    params = {"day": T0.date(), "cities": ("Lodz", "Gdansk")}
    dag = dag_spec("d", "a", params=params)
    with simulated(T0, store=tmp_path / "s.duckdb") as world:
        world.script["a"] = Does(after="1h")
        world.scheduler.register(dag, scheduled=False)
        world.scheduler.trigger("d", params={"day": date(2027, 3, 1)})
        world.advance("1m")
    with simulated(T0, store=tmp_path / "s.duckdb") as world:
        world.scheduler.register(dag, scheduled=False)
        world.advance(0)
        (job,) = world.executor.started
        assert job.run.params == {**params, "day": date(2027, 3, 1)}


def test_what_is_refused_changes_nothing() -> None:
    with simulated(T0) as world:
        run_id = triggered(world, "a >> b")
        with pytest.raises(SchedulerError, match="succeeded: clear a task to run it again"):
            world.scheduler.restart(run_id)
        with pytest.raises(NotFound, match="has no task 'c'"):
            world.scheduler.clear(run_id, ["c"])
        with pytest.raises(SchedulerError, match="is success already"):
            world.scheduler.mark(run_id, "a", "success")
        with pytest.raises(NotFound, match="no unfinished run"):
            world.scheduler.cancel_task(run_id, "a")
        with pytest.raises(NotFound, match="no run 'd/7'"):
            world.scheduler.restart("d/7")
        world.advance(0)
        assert len(world.started) == 2
        assert run_of(world, run_id).restarts == 0


def test_a_restart_in_the_turn_in_which_the_run_ends_knows_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated(T0) as world:
        world.script["a"] = [Does(after="1h"), None]
        run_id = triggered(world, "a >> b")
        loop = world.scheduler._loop
        posted, post = threading.Event(), loop._post

        def noted(act: Any) -> None:
            post(act)
            posted.set()

        monkeypatch.setattr(loop, "_post", noted)
        restarting = threading.Thread(target=world.scheduler.restart, args=(run_id,))

        def both(_: object) -> None:
            """Runs in the loop's thread: what is posted meanwhile is taken in by one turn."""
            world.executor._end(AttemptKey(run_id, "a", 1), Failed(ErrorInfo("TaskFailed", "no")))
            posted.clear()
            restarting.start()
            assert posted.wait(20)

        loop.look(both)
        restarting.join(20)
        world.advance(0)
        assert world.started == [("a", 1), ("a", 2), ("b", 1)]
        assert run_of(world, run_id).state is RunState.SUCCESS


def test_a_cleared_task_and_what_is_downstream_of_it_run_again() -> None:
    with simulated(T0) as world:
        run_id = triggered(world, "a >> b >> c")
        world.scheduler.clear(run_id, ["b"], by="Ola")
        world.advance(0)
        assert world.started == [("a", 1), ("b", 1), ("c", 1), ("b", 2), ("c", 2)]
        assert run_of(world, run_id).state is RunState.SUCCESS
        cleared = "SELECT task_id, reason FROM task_events WHERE state = 'cleared' ORDER BY seq"
        assert world.scheduler.history.sql(cleared).rows == [
            *[("b", "b cleared by Ola"), ("c", "b cleared by Ola")],
        ]


def test_a_marked_success_lets_the_run_end_well_and_a_marked_failure_badly() -> None:
    with simulated(T0) as world:
        world.script["a"] = NO
        run_id = triggered(world, "a >> b")
        world.scheduler.mark(run_id, "a", "success", by="Ola")
        world.advance(0)
        assert run_of(world, run_id).state is RunState.SUCCESS
        assert latest_states(world.scheduler.history.attempts(run_id)) == {"a": "success", "b": "success"}
        world.scheduler.mark(run_id, "a", "failed", by="Jan")
        world.advance(0)
        assert run_of(world, run_id).state is RunState.FAILED
        marks = "SELECT state, reason FROM task_events WHERE reason LIKE 'a marked%' AND task_id = 'a'"
        assert world.scheduler.history.sql(f"{marks} AND state <> 'cleared'").rows == [
            *[("success", "a marked success by Ola"), ("failed", "a marked failed by Jan")],
        ]


def test_a_task_that_runs_is_cancelled_and_the_rest_of_the_run_goes_on() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h")
        run_id = triggered(world, "a >> b; x >> y")
        world.scheduler.cancel_task(run_id, "a", by="Ola")
        world.advance(0)
        assert set(attempts(world, run_id)) == {
            *[("a", 1, "cancelled"), ("b", 0, "upstream_failed"), ("x", 1, "success"), ("y", 1, "success")],
        }
        (a,) = [a for a in world.scheduler.history.attempts(run_id) if a.task_id == "a"]
        assert a.reason == "cancelled by Ola"
        assert run_of(world, run_id).state is RunState.FAILED


def test_a_paused_dag_says_so_and_its_points_are_skipped() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("1m")
        world.scheduler.pause("d", by="Ola")
        assert (dag(world).paused, dag(world).next_point) == (True, None)
        world.advance("1h")
        assert world.started == [("a", 1)]
        world.scheduler.unpause("d", by="Jan")
        assert (dag(world).paused, dag(world).next_point) == (False, T0 + timedelta(minutes=62))
        world.advance("1m")
        assert len(world.started) == 2
        history = world.scheduler.history
        assert history.sql("SELECT event, points FROM schedule_events ORDER BY seq").rows == [
            *[("regular", 1), ("skipped", 60), ("regular", 1)],
        ]
        assert history.sql("SELECT dag_id, event, reason FROM dag_events ORDER BY seq").rows == [
            *[("d", "paused", "paused by Ola"), ("d", "unpaused", "unpaused by Jan")],
        ]


def test_a_pause_outlives_the_scheduler(tmp_path: Path) -> None:
    paused = "SELECT dag_id FROM dags WHERE paused"
    with simulated(T0, store=tmp_path / "s.duckdb") as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("1m")
        world.scheduler.pause("d")
    with OfflineScheduler(tmp_path / "s.duckdb") as offline:
        assert [summary.paused for summary in offline.dags()] == [True]
    with simulated(T0 + timedelta(hours=1), store=tmp_path / "s.duckdb") as world:
        assert dag(world).paused
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("1h")
        assert world.started == []
        assert world.scheduler.history.sql(paused).rows == [("d",)]
        world.scheduler.unpause("d")
        assert world.scheduler.history.sql(paused).rows == []
        world.advance("1m")
        events = "SELECT event, points FROM schedule_events ORDER BY seq"
        assert world.scheduler.history.sql(events).rows[1:] == [("skipped", 119), ("regular", 1)]


def test_points_missed_while_no_scheduler_ran_are_offered_until_somebody_decides(tmp_path: Path) -> None:
    path, hour = tmp_path / "s.duckdb", timedelta(hours=1)
    daily = dag_spec("d", "a", schedule=Every(3600), max_active_runs=1)
    with simulated(T0, store=path) as world:
        world.scheduler.register(daily)
        world.advance("1h")
    for _ in range(2):  # the offer outlives a scheduler that nobody told anything
        with simulated(T0 + 5.5 * hour, store=path) as world:
            world.scheduler.register(daily)
            assert dag(world).missed == PointRange(T0 + 2 * hour, T0 + 5 * hour, 4)
    with OfflineScheduler(path) as offline:
        (summary,) = offline.dags()
        assert summary.missed == PointRange(T0 + 2 * hour, T0 + 5 * hour, 4)
    with simulated(T0 + 5.5 * hour, store=path) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(daily)
        points = world.scheduler.catchup("d", "all", by="Ola")
        assert points == [T0 + hours * hour for hours in (2, 3, 4, 5)]
        assert (dag(world).missed, dag(world).to_catch_up) == (None, 3)
        world.advance("10m")
    with simulated(T0 + 5.7 * hour, store=path) as world:  # so does what was decided, without what has run
        world.scheduler.register(daily)
        world.advance(0)
        assert [job.run.logical_date for job in world.executor.started] == points[1:]
        history = world.scheduler.history
        assert history.sql("SELECT choice, decided_by FROM catchup_events").rows == [("all", "Ola")]
        ran = "SELECT first_point FROM schedule_events WHERE event = 'caught_up' ORDER BY seq"
        assert history.sql(ran).rows == [(point.replace(tzinfo=None),) for point in points]
        with pytest.raises(SchedulerError, match="no missed points"):
            world.scheduler.catchup("d", "none")


def test_a_missed_point_that_was_run_as_scheduled_is_not_caught_up() -> None:
    with simulated(T0) as world:
        history, log = world.scheduler.history, world.scheduler._store.log
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("2m")
        point = T0 + timedelta(minutes=1)
        # as a clock that was set back while no scheduler ran leaves it
        again = ScheduleEvent("d", ScheduleEventKind.SKIPPED, point, point, 1, T0, missed=True)
        log.events([again])
        log.flush()
        world.scheduler._loop.look(lambda c: c.restore_missed(history.missed(), {}))
        assert world.scheduler.catchup("d", "last") == []


def test_listeners_are_told_of_a_pause() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance(0)
        told: list[frozenset[str]] = []
        world.scheduler.subscribe(told.append)
        world.scheduler.pause("d")
        world.advance(0)
        assert told == [{"d"}]
