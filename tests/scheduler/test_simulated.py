"""The real loop, the real engine and the real store, in simulated time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb.errors import InvalidOption, NotFound, NotRunning, SchedulerError, Skip
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.notification import Notification
from ppacer_nb.model.overview import PoolUse
from ppacer_nb.model.points import UpcomingPoint
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.scheduler.clock import Signal
from ppacer_nb.status import RunState, ScheduleEventKind, TriggerRule
from ppacer_nb.testing import Does, SimulatedClock, World, dag_spec, simulated
from tests.engine.bench import GOOD, T0, Every

SECOND = timedelta(seconds=1)


def run_states(world: World) -> list[str]:
    """The states of all runs, the oldest first."""
    world.scheduler.flush()
    return [run.state.value for run in reversed(world.scheduler.history.runs())]


def task_states(world: World, run_id: str) -> list[tuple[str, int, str]]:
    world.scheduler.flush()
    return [(a.task_id, a.attempt, a.state.value) for a in world.scheduler.history.attempts(run_id)]


def test_runs_are_made_at_their_points_and_not_before() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("59s")
        assert world.started == []
        world.advance("1s")
        assert world.started == [("a", 1)]
        world.advance("1h")
        assert len(world.started) == 61
        points = [run.logical_date for run in world.scheduler.history.runs(limit=100)]
        assert sorted(points) == [T0 + minute * 60 * SECOND for minute in range(1, 62)]
        attempts = world.scheduler.history.sql("SELECT started_at FROM task_runs ORDER BY 1").rows
        assert [at.replace(tzinfo=UTC) for (at,) in attempts] == sorted(points)


def test_the_next_points_are_those_of_the_dags_that_run_by_schedule() -> None:
    with simulated(T0) as world:
        scheduler = world.scheduler
        scheduler.register(dag_spec("minute", "a", schedule=Every(60)))
        scheduler.register(dag_spec("hour", "a", schedule=Every(3600)))
        scheduler.register(dag_spec("by_hand", "a", schedule=Every(60)), scheduled=False)
        minutes = [UpcomingPoint("minute", T0 + n * 60 * SECOND) for n in range(1, 60)]
        hour = [UpcomingPoint(id, T0 + 3600 * SECOND) for id in ("hour", "minute")]
        assert scheduler.upcoming(limit=61) == [*minutes, *hour]
        assert scheduler.upcoming("hour", limit=1) == hour[:1]
        assert len(scheduler.upcoming()) == 10
        assert scheduler.upcoming("by_hand") == scheduler.upcoming("nothing") == []
        scheduler.pause("minute")
        assert scheduler.upcoming(limit=1) == hour[:1]
        world.advance("1h")
        assert [it.point for it in scheduler.upcoming(limit=1)] == [T0 + 7200 * SECOND]


def test_the_loop_turns_when_something_is_due_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[datetime | None] = []
    wait = SimulatedClock.wait

    async def counted(self: SimulatedClock, until: datetime | None, news: Signal) -> None:
        waits.append(until)
        await wait(self, until, news)

    monkeypatch.setattr(SimulatedClock, "wait", counted)
    with simulated(T0) as world:
        for number in range(10):
            world.scheduler.register(dag_spec(f"d{number}", "a", schedule=Every(3600)))
        world.advance(1)
        waits.clear()
        world.advance("59m")
        quiet = len(waits)
        world.advance("1m")
        assert world.started == [("a", 1)] * 10
        busy = len(waits) - quiet
    assert quiet <= 2  # being told to go on, and nothing else
    assert busy <= 8  # the point, its records on disk, the ends: not one turn for each task


def test_a_failed_task_is_tried_again_after_its_delay_and_in_a_new_attempt() -> None:
    with simulated(T0) as world:
        world.script["a"] = [OSError("full"), OSError("full"), "done"]
        options = TaskOptions(retries=3, retry_delay=10 * SECOND, retry_backoff=3)
        assert world.run(dag_spec("d", "a >> b", options=options)) is RunState.SUCCESS
        run = world.scheduler.history.runs()[0]
        assert task_states(world, run.run_id) == [
            ("a", 1, "up_for_retry"),
            ("a", 2, "up_for_retry"),
            ("a", 3, "success"),
            ("b", 1, "success"),
        ]
        assert world.clock.now() == T0 + 40 * SECOND
        errors = [attempt.error for attempt in world.scheduler.history.attempts(run.run_id)]
        assert errors[0] is not None
        assert errors[0].message == "OSError: full"


def test_a_task_that_takes_too_long_is_stopped_at_its_timeout() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h")
        options = TaskOptions(timeout=90 * SECOND)
        assert world.run(dag_spec("d", "a >> b", options=options)) is RunState.FAILED
        assert world.clock.now() == T0 + 90 * SECOND
        run_id = world.scheduler.history.run_ids()[0]
        assert task_states(world, run_id) == [("a", 1, "failed"), ("b", 0, "upstream_failed")]
        error = world.scheduler.history.attempts(run_id)[0].error
        assert error is not None
        assert (error.kind, error.message) == ("TaskTimeout", "ran longer than its timeout of 1m30s")


def test_a_task_that_ends_exactly_at_its_timeout_has_ended() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after=90)
        assert world.run(dag_spec("d", "a", options=TaskOptions(timeout=90 * SECOND))) is RunState.SUCCESS


def test_cancelling_a_run_stops_it_and_says_by_whom() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h")
        world.scheduler.register(dag_spec("d", "a >> b"), scheduled=False)
        run_id, end = world.scheduler.trigger_run("d", by="Ola")
        world.advance("1m")
        world.scheduler.cancel(run_id, by="Jan")
        world.advance(0)
        assert end.result(timeout=0) is RunState.CANCELLED
        run = world.scheduler.history.run(run_id)
        assert run is not None
        assert run.reason == "cancelled by Jan"
        assert task_states(world, run_id) == [("a", 1, "cancelled"), ("b", 0, "cancelled")]
        with pytest.raises(NotFound, match="no unfinished run"):
            world.scheduler.cancel(run_id)


def test_missed_points_are_skipped_as_one_range_after_a_restart(tmp_path: Path) -> None:
    store, dag = tmp_path / "x.duckdb", dag_spec("d", "a", schedule=Every(60))
    with simulated(T0, store=store) as world:
        world.scheduler.register(dag)
        world.advance("2m")
    with simulated(T0 + 3600 * SECOND, store=store) as world:
        world.scheduler.register(dag)
        world.advance("1m")
        rows = world.scheduler.history.sql(
            "SELECT event, points, first_point, last_point FROM schedule_events ORDER BY seq"
        ).rows
    naive = T0.replace(tzinfo=None)
    minutes = [
        (row[0], row[1], (row[2] - naive) / (60 * SECOND), (row[3] - naive) / (60 * SECOND)) for row in rows
    ]
    assert minutes == [
        ("regular", 1, 1, 1),
        ("regular", 1, 2, 2),
        ("skipped", 56, 3, 58),
        ("regular", 1, 59, 59),
        ("regular", 1, 60, 60),
        ("regular", 1, 61, 61),
    ]


def test_missed_points_are_run_in_order_where_catch_up_is_on(tmp_path: Path) -> None:
    store = tmp_path / "x.duckdb"
    dag = dag_spec("d", "a", schedule=Every(600), catchup=True, max_active_runs=1)
    with simulated(T0, store=store) as world:
        world.scheduler.register(dag)
        world.advance("10m")
    with simulated(T0 + 3600 * SECOND, store=store) as world:
        world.script["a"] = Does(after=10)
        world.scheduler.register(dag)
        world.advance("9m")
        kinds = world.scheduler.history.sql("SELECT event FROM schedule_events ORDER BY seq").rows
        dates = [run.logical_date for run in reversed(world.scheduler.history.runs())]
    assert [kind for (kind,) in kinds] == ["regular", *["caught_up"] * 4, "regular"]
    assert dates == [T0 + minutes * 60 * SECOND for minutes in (10, 20, 30, 40, 50, 60)]


def test_no_point_is_run_twice_though_the_clock_is_set_back(tmp_path: Path) -> None:
    store, dag = tmp_path / "x.duckdb", dag_spec("d", "a", schedule=Every(60))
    for start in (T0, T0 + 30 * SECOND, T0 - 3600 * SECOND):
        with simulated(start, store=store) as world:
            world.scheduler.register(dag)
            world.clock.advance_to(T0 + 300 * SECOND)
    with simulated(T0 + 300 * SECOND, store=store) as world:
        ids = world.scheduler.history.run_ids()
    assert len(ids) == len(set(ids)) == 5


def test_a_dag_replaced_while_its_run_is_in_flight() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1m")
        old, new = dag_spec("d", "a >> b"), dag_spec("d", "a >> c")
        world.scheduler.register(old, scheduled=False)
        first = world.scheduler.trigger("d")
        world.scheduler.register(new, scheduled=False)
        second = world.scheduler.trigger("d")
        world.advance("2m")
        assert [id for id, *_ in task_states(world, first)] == ["a", "b"]
        assert [id for id, *_ in task_states(world, second)] == ["a", "c"]
        versions = [world.scheduler.history.run(run_id).version for run_id in (first, second)]  # type: ignore[union-attr]
        assert versions == [old.version, new.version]
        (summary,) = world.scheduler.dags()
        assert (summary.version, summary.active_runs) == (new.version, 0)


def test_a_dag_defined_as_it_was_before_is_again_the_newest_version() -> None:
    one, two = dag_spec("d", "a"), dag_spec("d", "a >> b")
    with simulated(T0) as world:
        for dag in (one, two, one, one):
            world.scheduler.register(dag, scheduled=False)
            world.scheduler.flush()
            world.advance(1)
        newest = world.scheduler.history.dag_version("d")
        assert newest is not None
        assert newest.version == one.version
        assert world.scheduler.history.sql("SELECT version, versions FROM dags").rows == [(one.version, 2)]
        assert world.scheduler.history.sql("SELECT count(*) FROM dag_versions").rows == [(3,)]


def test_what_a_scheduler_says_of_itself_and_its_dags(tmp_path: Path) -> None:
    with simulated(T0, store=tmp_path / "x.duckdb") as world:
        world.scheduler.register(dag_spec("gone", "a"))
    with simulated(T0, store=tmp_path / "x.duckdb", max_workers=1) as world:
        world.script["a"] = Does(after="1h")
        dag = dag_spec(
            "d",
            "a, b",
            schedule=Every(60),
            catchup="7d",
            tags=("x",),
            description="two tasks",
            max_active_runs=1,
        )
        world.scheduler.register(dag)
        world.scheduler.trigger("d")
        world.scheduler.trigger("d")
        info = world.scheduler.info()
        assert (info.running, info.busy, info.queued, info.max_workers) == (True, 1, 1, 1)
        assert (info.started_at, info.problem) == (T0, "")
        assert info.store == str(tmp_path / "x.duckdb")
        d, gone = world.scheduler.dags()
        assert (d.dag_id, d.defined, d.next_point) == ("d", True, T0 + 60 * SECOND)
        assert (d.catchup, gone.catchup) == ("7d", "")
        assert (d.active_runs, d.queued_runs, d.tags, d.description) == (1, 1, ("x",), "two tasks")
        assert (gone.dag_id, gone.defined, gone.next_point) == ("gone", False, None)
        assert world.scheduler.progress("d/none") == []


def test_what_a_scheduler_says_of_its_pools() -> None:
    with simulated(T0, pools={"db": 2, "api": 1}) as world:
        world.script["a"] = Does(after="1h")
        world.scheduler.register(dag_spec("d", "a; b >> c", options={"a": TaskOptions(pool="db")}))
        world.scheduler.trigger("d")
        assert world.scheduler.info().pools == [PoolUse("db", 1, 2), PoolUse("api", 0, 1)]
        world.advance("1h")
        assert world.scheduler.info().pools == [PoolUse("db", 0, 2), PoolUse("api", 0, 1)]


def test_an_unknown_executor_is_refused_by_name() -> None:
    with simulated(T0) as world:
        with pytest.raises(
            InvalidOption, match=r"the executor 'thraed' .did you mean 'thread'.*kernel, thread"
        ):
            world.scheduler.register(dag_spec("d", "a", options=TaskOptions(executor="thraed")))
        assert world.scheduler.dags() == []


def test_a_manual_run_of_a_date_that_was_run_already_is_refused() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a"), scheduled=False)
        world.scheduler.trigger("d", logical_date=T0)
        world.advance(0)
        with pytest.raises(SchedulerError, match="exists already, its state is success: choose another"):
            world.scheduler.trigger("d", logical_date=T0)


def told(world: World) -> None:
    """Return when the listeners have been told of all that is on disk."""
    world.scheduler.flush()
    world.scheduler.info()  # this is answered in a turn after the one that
    world.scheduler.info()  # hears of the commit, and this after its announcement


def test_listeners_hear_which_runs_and_dags_changed_and_a_broken_one_is_let_go(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    calls: list[int] = []

    def broken(_: frozenset[str]) -> None:
        calls.append(1)
        raise ValueError("no browser")

    with simulated(T0) as world:
        world.scheduler.subscribe(broken)
        unsubscribe = world.scheduler.subscribe(heard.extend)
        world.scheduler.register(dag_spec("d", "a"), scheduled=False)
        run_id = world.scheduler.trigger("d")
        world.advance(0)
        told(world)
        assert set(heard) == {"d", run_id}
        unsubscribe()
        unsubscribe()
        heard.clear()
        world.scheduler.trigger("d")
        world.advance(0)
        told(world)
        assert heard == []
        assert run_states(world) == ["success", "success"]
    assert calls == [1]
    assert "a listener failed and is not called again" in caplog.text


def test_an_executor_that_cannot_take_a_task_fails_the_attempt(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with simulated(T0) as world:

        def refuse(*_: object) -> None:
            raise RuntimeError("no more processes")

        monkeypatch.setattr(world.executor, "submit", refuse)
        assert world.run(dag_spec("d", "a >> b")) is RunState.FAILED
        attempt = world.scheduler.history.attempts(world.scheduler.history.run_ids()[0])[0]
        assert attempt.error is not None
        assert attempt.error.message == "task 'a' could not be started: RuntimeError: no more processes"


def test_a_defect_of_an_executor_in_stopping_or_closing_does_not_end_the_scheduler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1m")

        def refuse(*_: object, **__: object) -> None:
            raise RuntimeError("lost the process")

        monkeypatch.setattr(world.executor, "stop", refuse)
        monkeypatch.setattr(world.executor, "close", refuse)
        world.scheduler.register(dag_spec("d", "a"), scheduled=False)
        world.scheduler.cancel(world.scheduler.trigger("d"))
        world.advance("1m")
        assert run_states(world) == ["cancelled"]
        assert "lost the process" in world.scheduler.info().problem
    assert "did not close" in caplog.text


def test_a_defect_in_one_decision_loses_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ppacer_nb.scheduler.loop.LAST_WAIT", timedelta(0))
    with simulated(T0) as world:
        world.script.update({"a": Does(after=5), "b": Does(after=5)})
        world.scheduler.register(dag_spec("d", "a, b"), scheduled=False)
        world.scheduler.register(dag_spec("e", "b >> c"), scheduled=False)
        world.scheduler.trigger("d")
        world.scheduler.trigger("e")
        loop: Any = world.scheduler._loop
        ended = loop._coordinator.attempt_ended

        def defect(key: Any, *rest: Any) -> Any:
            if key.task_id == "a":
                raise KeyError("a defect of ours")
            return ended(key, *rest)

        monkeypatch.setattr(loop._coordinator, "attempt_ended", defect)
        world.advance(5)
        assert run_states(world)[1] == "success"
        assert "KeyError: 'a defect of ours'" in world.scheduler.info().problem
    assert "internal error" in caplog.text


def test_no_body_starts_before_its_start_is_on_disk() -> None:
    with simulated(T0) as world:
        submit = world.executor.submit

        def check(job: Any, listener: Any) -> None:
            rows = world.scheduler.history.sql(
                f"SELECT count(*) FROM task_events WHERE run_id = '{job.key.run_id}' AND state = 'running'"
            ).rows
            seen.append(rows[0][0])
            submit(job, listener)

        seen: list[int] = []
        world.executor.submit = check  # type: ignore[method-assign]
        world.run(dag_spec("d", "a >> b >> c"))
        assert seen == [1, 2, 3]


def test_notifications_are_sent_and_kept() -> None:
    got: list[Notification] = []
    with simulated(T0, receivers=[got.append]) as world:
        world.script["a"] = ValueError("no")
        options = TaskOptions(retries=1, notify=frozenset({"failure", "retry"}))
        world.run(dag_spec("d", "a", options=options))
        scheduler = world.scheduler
    assert [n.kind for n in got] == ["retry", "failure"]
    assert got[1].text.endswith("attempt 2) failed: ValueError: no")
    assert scheduler.options.receivers


def test_notifications_are_in_the_history(tmp_path: Path) -> None:
    def broken(_: Notification) -> None:
        raise OSError("no network")

    store = tmp_path / "x.duckdb"
    with simulated(T0, store=store, receivers=[broken]) as world:
        world.script["a"] = ValueError("no")
        world.run(dag_spec("d", "a"))
    with simulated(T0, store=store) as world:
        rows = world.scheduler.history.sql("SELECT kind, task_id, attempt, problems FROM notifications").rows
    ((kind, task_id, attempt, problems),) = rows
    assert (kind, task_id, attempt) == ("failure", "a", 1)
    assert problems.endswith("broken: OSError: no network")


def test_after_stopping_everything_says_so() -> None:
    with simulated(T0) as world:
        pass
    for ask in (
        world.scheduler.info,
        world.scheduler.dags,
        lambda: world.scheduler.trigger("d"),
        lambda: world.scheduler.cancel("d/1"),
    ):
        with pytest.raises(NotRunning, match="has stopped: start it again"):
            ask()
    world.scheduler.flush()


def test_the_kinds_of_schedule_events_are_told_apart() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("1m")
        world.scheduler.trigger("d")
        world.advance(0)
        rows = world.scheduler.history.sql("SELECT event, run_id FROM schedule_events ORDER BY seq").rows
        assert [event for event, _ in rows] == [
            ScheduleEventKind.REGULAR.value,
            ScheduleEventKind.MANUALLY_TRIGGERED.value,
        ]
        assert [run_id for _, run_id in rows] == list(reversed(world.scheduler.history.run_ids()))


def test_what_is_asked_in_the_turn_in_which_a_task_ends_comes_after_what_follows_from_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h")
        world.scheduler.register(dag_spec("d", "a >> b"), scheduled=False)
        run_id = world.scheduler.trigger("d")
        world.advance("1m")
        loop = world.scheduler._loop
        posted, post = threading.Event(), loop._post

        def noted(act: Any) -> None:
            post(act)
            posted.set()

        monkeypatch.setattr(loop, "_post", noted)
        cancelling = threading.Thread(target=world.scheduler.cancel, args=(run_id,))

        def both(_: object) -> None:
            """Runs in the loop's thread: what is posted meanwhile is taken in by one turn."""
            world.executor._end(AttemptKey(run_id, "a", 1), GOOD)
            posted.clear()
            cancelling.start()
            assert posted.wait(20)

        loop.look(both)
        cancelling.join(20)
        world.advance(0)
        assert world.started == [("a", 1)]
        world.scheduler.flush()
        events = world.scheduler.history.events(run_id)
        assert [(getattr(e, "task_id", "run"), e.state.value) for e in events] == [
            ("run", "queued"),
            ("run", "running"),
            ("a", "running"),
            ("a", "success"),
            ("b", "running"),
            ("run", "running"),
            ("b", "cancelled"),
            ("run", "cancelled"),
        ]


def test_a_task_that_skips_leaves_its_reason_in_the_history() -> None:
    with simulated(T0) as world:
        world.script["a"] = Skip("no new rows")
        assert world.run(dag_spec("d", "a >> b")) is RunState.SUCCESS
        run_id = world.scheduler.history.run_ids()[0]
        assert task_states(world, run_id) == [("a", 1, "skipped"), ("b", 0, "skipped")]
        reasons = [attempt.reason for attempt in world.scheduler.history.attempts(run_id)]
        assert reasons == ["no new rows", "by its trigger rule"]


def test_a_falsy_short_circuit_skips_what_is_downstream() -> None:
    with simulated(T0) as world:
        world.script["check"] = [[]]
        options = {"check": TaskOptions(short_circuit=True)}
        assert world.run(dag_spec("d", "check >> a >> b; x", options=options)) is RunState.SUCCESS
        run_id = world.scheduler.history.run_ids()[0]
        attempts = {a.task_id: a for a in world.scheduler.history.attempts(run_id)}
        assert {id: a.state.value for id, a in attempts.items()} == {
            "check": "success",
            "x": "success",
            "a": "skipped",
            "b": "skipped",
        }
        assert attempts["b"].reason == "short-circuited by check"


def test_a_run_that_takes_too_long_is_stopped_at_its_timeout_and_cleaned_up_after() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="5h")
        world.script["drop"] = Does(after="1m")
        options = {
            "a": TaskOptions(timeout=None),
            "drop": TaskOptions(cleanup=True, trigger_rule=TriggerRule.ALL_DONE),
        }
        dag = dag_spec("d", "a >> b >> drop", options=options, timeout=7200 * SECOND)
        assert world.run(dag) is RunState.FAILED
        assert world.clock.now() == T0 + 7260 * SECOND
        run_id = world.scheduler.history.run_ids()[0]
        assert task_states(world, run_id) == [
            ("a", 1, "failed"),
            ("b", 0, "cancelled"),
            ("drop", 1, "success"),
        ]
        run = world.scheduler.history.run(run_id)
        assert run is not None
        assert run.reason == "ran longer than its timeout of 2h"
        error = world.scheduler.history.attempts(run_id)[0].error
        assert error is not None
        assert (error.kind, error.message) == ("TaskTimeout", "its run ran longer than its timeout of 2h")


def test_a_run_that_ends_in_time_leaves_no_timer() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h")
        options = TaskOptions(timeout=None)
        assert world.run(dag_spec("d", "a", options=options, timeout=3600 * SECOND)) is RunState.SUCCESS
        assert not world.clock.jump()


def test_a_run_whose_scheduler_is_stopped_is_cleaned_up_when_it_ends_under_the_next(tmp_path: Path) -> None:
    store = tmp_path / "x.duckdb"
    options = {
        "a": TaskOptions(timeout=None),
        "drop": TaskOptions(cleanup=True, trigger_rule=TriggerRule.ALL_DONE),
    }
    with simulated(T0, store=store) as world:
        world.script["a"] = Does(after="5h")
        world.scheduler.register(dag_spec("d", "a >> b >> drop", options=options), scheduled=False)
        run_id = world.scheduler.trigger("d")
        world.advance("1m")
    assert world.started == [("a", 1)]
    with simulated(T0, store=store) as world:
        world.scheduler.register(dag_spec("d", "a >> b >> drop", options=options), scheduled=False)
        world.advance(0)
        assert run_states(world) == ["success"]
        assert task_states(world, run_id) == [
            *(("a", 1, "interrupted"), ("a", 2, "success")),
            *(("b", 1, "success"), ("drop", 1, "success")),
        ]
