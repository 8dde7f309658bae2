"""What happened, and what the engine says to it: see `Bench.said` for the short form of commands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ppacer_nb.engine.commands import Stop
from ppacer_nb.errors import InvalidOption, InvalidParameters, NotFound, SchedulerError
from ppacer_nb.model.attempt import ErrorInfo, Failed
from ppacer_nb.model.events import RunEvent, ScheduleEvent
from ppacer_nb.model.ids import AttemptKey, run_id_of
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import AttemptState, RunType, TriggerRule
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, GOOD, NOTHING, STOPPED, T0, Bench, Every

SECOND = timedelta(seconds=1)


def bench_with(chains: str = "a", *, max_workers: int = 100, **head: object) -> Bench:
    bench = Bench(max_workers=max_workers)
    bench.register(dag_spec("d", chains, **head))  # type: ignore[arg-type]
    return bench


# Running through a graph


def test_a_chain_runs_task_by_task_each_recorded_before_it_starts() -> None:
    bench = bench_with("a >> b")
    bench.trigger()
    assert bench.said == [
        "manually_triggered 1",
        "run queued",
        "run running",
        "a:1 running",
        "start a:1",
    ]
    bench.end("a")
    assert bench.said == ["a:1 success", "b:1 running", "start b:1"]
    bench.end("b")
    assert bench.said == ["b:1 success", "run success"]
    assert bench.engine.runs == {}
    assert bench.engine.next_wakeup is None


def test_a_diamond_joins_when_both_sides_are_done() -> None:
    bench = bench_with("a >> b, c >> d")
    bench.trigger()
    bench.end("a")
    bench.end("c")
    assert "start d:1" not in bench.said
    bench.end("b")
    assert bench.said == ["b:1 success", "d:1 running", "start d:1"]


def test_the_results_a_task_asked_for_come_with_its_job() -> None:
    bench = bench_with("a >> b")
    bench.trigger()
    bench.end("a")
    machine = next(iter(bench.engine.runs.values()))
    assert machine.tasks["a"].value == NOTHING
    assert machine.job("b", machine.dag.cwd, 1).inputs == {}  # ordered after a, but not given its result


def test_a_failure_spreads_to_everything_downstream_and_nothing_else() -> None:
    bench = bench_with("a >> b >> c; a >> d; e")
    run_id = bench.trigger()
    bench.end("a", BAD)
    bench.end("e")
    assert bench.states(run_id) == {
        "a": "failed",
        "b": "upstream_failed",
        "c": "upstream_failed",
        "d": "upstream_failed",
        "e": "success",
    }
    assert bench.run_states() == {run_id: "failed"}


def test_the_run_fails_though_a_later_task_dealt_with_the_failure() -> None:
    options = {"b": TaskOptions(trigger_rule=TriggerRule.ONE_FAILED)}
    bench = bench_with("a >> b", options=options)
    run_id = bench.trigger()
    bench.end("a", BAD)
    bench.end("b")
    assert bench.states(run_id) == {"a": "failed", "b": "success"}
    assert bench.run_states() == {run_id: "failed"}


def test_a_skip_spreads_and_the_run_succeeds() -> None:
    options = {"b": TaskOptions(trigger_rule=TriggerRule.ONE_FAILED)}
    bench = bench_with("a >> b >> c", options=options)
    run_id = bench.trigger()
    bench.end("a")
    assert bench.said[-3:] == ["b:0 skipped", "c:0 skipped", "run success"]
    assert bench.states(run_id) == {"a": "success", "b": "skipped", "c": "skipped"}


def test_always_starts_at_once_beside_its_upstream() -> None:
    bench = bench_with("a >> b", options={"b": TaskOptions(trigger_rule=TriggerRule.ALWAYS)})
    bench.trigger()
    assert {key.task_id for key in bench.running} == {"a", "b"}


def test_one_success_starts_once_though_more_upstreams_succeed_later() -> None:
    bench = bench_with("a, b >> c", options={"c": TaskOptions(trigger_rule=TriggerRule.ONE_SUCCESS)})
    run_id = bench.trigger()
    bench.end("a")
    bench.end("c")
    bench.end("b")
    assert bench.states(run_id) == {"a": "success", "b": "success", "c": "success"}
    assert bench.said.count("start c:1") == 1


def test_a_dag_with_no_tasks_succeeds_at_once() -> None:
    bench = bench_with("")
    bench.trigger()
    assert bench.said == ["manually_triggered 1", "run queued", "run running", "run success"]


def test_a_thousand_empty_runs_that_waited_end_without_deep_recursion() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", max_active_runs=1))
    first = bench.trigger()
    bench.register(dag_spec("d", "", max_active_runs=1))
    waiting = [bench.trigger() for _ in range(1000)]
    assert {bench.run_states()[run_id] for run_id in waiting} == {"queued"}
    bench.end("a")
    assert set(bench.run_states().values()) == {"success"}
    assert len(bench.run_states()) == len({first, *waiting}) == 1001


def test_the_end_of_an_attempt_that_does_not_run_changes_nothing() -> None:
    bench = bench_with("a", options=TaskOptions(retries=1))
    run_id = bench.trigger()
    first = bench.key("a")
    assert bench.said
    bench.end_key(AttemptKey("d/none", "a", 1))
    bench.end_key(AttemptKey(run_id, "a", 2))
    bench.engine.body_started(AttemptKey("d/none", "a", 1), "late", bench.now)
    assert bench.said == []
    bench.end("a", BAD)
    bench.wait()
    assert bench.said == ["a:1 up_for_retry", "a:2 running", "start a:2"]
    bench.end_key(first, GOOD)
    assert bench.said == []
    bench.engine.body_started(first, "late", bench.now)
    assert bench.engine.next_wakeup is None


# Retries


def test_a_retry_comes_exactly_when_its_delay_is_over() -> None:
    bench = bench_with("a >> b", options=TaskOptions(retries=1, retry_delay=30 * SECOND))
    bench.trigger()
    bench.end("a", BAD)
    assert bench.said[-1] == "a:1 up_for_retry"
    assert bench.engine.next_wakeup == T0 + 30 * SECOND
    bench.wait(29.999999)
    assert bench.said == []
    bench.wait(0.000001)
    assert bench.said == ["a:2 running", "start a:2"]
    bench.end("a")
    assert bench.said == ["a:2 success", "b:1 running", "start b:1"]


def test_each_wait_is_longer_by_the_backoff_and_the_last_failure_is_final() -> None:
    options = TaskOptions(retries=3, retry_delay=10 * SECOND, retry_backoff=2)
    bench = bench_with("a", options=options)
    run_id = bench.trigger()
    waits = []
    for _ in range(3):
        bench.end("a", BAD)
        assert bench.engine.next_wakeup is not None
        waits.append(bench.engine.next_wakeup - bench.now)
        bench.wait(waits[-1].total_seconds())
    assert waits == [10 * SECOND, 20 * SECOND, 40 * SECOND]
    bench.end("a", BAD)
    assert bench.said[-3:] == ["a:4 failed", "notify failure", "run failed"]
    assert bench.run_states() == {run_id: "failed"}


def test_a_waiting_retry_takes_no_worker() -> None:
    bench = bench_with("a, b", max_workers=1, options=TaskOptions(retries=1, retry_delay=SECOND))
    bench.trigger()
    bench.end("a", BAD)
    assert next(iter(bench.running)).task_id == "b"
    bench.wait(1)
    bench.end("b")
    assert next(iter(bench.running))[1:] == ("a", 2)


# Timeouts


def test_a_timeout_counts_from_the_start_of_the_body() -> None:
    bench = bench_with("a", options=TaskOptions(timeout=10 * SECOND))
    bench.trigger()
    bench.wait(100)  # the kernel takes its time
    assert bench.engine.next_wakeup is None
    bench.body("a")
    assert bench.engine.next_wakeup == bench.now + 10 * SECOND
    assert bench.said[-1] == "start a:1"
    bench.wait(9.9)
    assert bench.said == []
    bench.wait(0.1)
    assert bench.said == ["time out a:1"]
    bench.end("a", Failed(ErrorInfo("TaskTimeout", "too long")))
    assert bench.said == ["a:1 failed", "notify failure", "run failed"]


def test_a_task_that_ends_in_time_leaves_no_timer_behind() -> None:
    bench = bench_with("a", options=TaskOptions(timeout=10 * SECOND))
    bench.trigger()
    bench.body("a")
    bench.end("a")
    assert bench.engine.next_wakeup is None


@pytest.mark.parametrize("timeout", [None, timedelta.max])
def test_a_timeout_may_be_none_or_longer_than_time_itself(timeout: timedelta | None) -> None:
    bench = bench_with("a", options=TaskOptions(timeout=timeout))
    bench.trigger()
    bench.body("a")
    assert bench.engine.next_wakeup in (None, datetime.max.replace(tzinfo=UTC))


def test_the_sentence_of_a_timeout_says_how_long_it_was() -> None:
    bench = bench_with("a", options=TaskOptions(timeout=90 * SECOND))
    bench.trigger()
    bench.body("a")
    (stop,) = bench.engine.advance(T0 + 90 * SECOND)
    assert isinstance(stop, Stop)
    assert stop.reason == "ran longer than its timeout of 1m30s"


# Cancelling


def test_cancelling_stops_what_runs_and_starts_nothing_more() -> None:
    bench = bench_with("a >> b; c")
    run_id = bench.trigger()
    bench.end("c")
    assert bench.said
    bench.cancel(run_id)
    assert [said for said in bench.said if not said.startswith("run ")] == ["stop a:1", "b:0 cancelled"]
    bench.end("a", STOPPED)
    assert bench.said == ["a:1 cancelled", "run cancelled"]
    assert bench.engine.runs == {}


def test_a_task_that_ends_well_while_it_is_cancelled_keeps_its_success() -> None:
    bench = bench_with("a >> b")
    run_id = bench.trigger()
    bench.cancel(run_id)
    bench.end("a", GOOD)
    assert bench.states(run_id) == {"a": "success", "b": "cancelled"}
    assert bench.run_states() == {run_id: "cancelled"}


def test_a_failure_of_a_cancelled_run_is_not_retried() -> None:
    bench = bench_with("a", options=TaskOptions(retries=5))
    run_id = bench.trigger()
    bench.cancel(run_id)
    bench.end("a", BAD)
    assert bench.states(run_id) == {"a": "failed"}
    assert bench.run_states() == {run_id: "cancelled"}
    assert bench.engine.next_wakeup is None


def test_a_cancelled_retry_does_not_come_and_nobody_wakes_for_it() -> None:
    bench = bench_with("a", options=TaskOptions(retries=1, retry_delay=SECOND))
    run_id = bench.trigger()
    bench.end("a", BAD)
    bench.cancel(run_id)
    assert bench.engine.next_wakeup is None
    assert bench.states(run_id) == {"a": "cancelled"}
    assert bench.run_states() == {run_id: "cancelled"}


def test_a_ready_task_that_waits_for_a_worker_is_cancelled_with_its_run() -> None:
    bench = bench_with("a", max_workers=1)
    first, second = bench.trigger(), bench.trigger()
    bench.cancel(second)
    assert bench.run_states() == {first: "running", second: "cancelled"}
    bench.end("a")
    assert bench.running == {}


def test_a_queued_run_is_cancelled_and_the_next_one_takes_its_place() -> None:
    bench = bench_with("a", max_active_runs=1)
    first, second, third = (bench.trigger() for _ in range(3))
    bench.cancel(second)
    assert bench.run_states() == {first: "running", second: "cancelled", third: "queued"}
    bench.end("a")
    assert bench.run_states()[third] == "running"


def test_cancelling_a_run_of_a_dag_without_tasks_that_waits() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", max_active_runs=1))
    bench.trigger()
    bench.register(dag_spec("d", "", max_active_runs=1))
    waiting = bench.trigger()
    bench.cancel(waiting)
    assert bench.run_states()[waiting] == "cancelled"


def test_cancelling_what_is_not_there_names_the_nearest() -> None:
    bench = bench_with("a")
    run_id = bench.trigger()
    with pytest.raises(NotFound, match=f"no unfinished run '{run_id}x' .did you mean '{run_id}'"):
        bench.cancel(run_id + "x")


# Limits


def test_runs_beyond_max_active_runs_wait_their_turn() -> None:
    bench = bench_with("a", max_active_runs=2)
    runs = [bench.trigger() for _ in range(4)]
    assert [bench.run_states()[run_id] for run_id in runs] == ["running", "running", "queued", "queued"]
    bench.end_key(AttemptKey(runs[1], "a", 1))
    assert [bench.run_states()[run_id] for run_id in runs] == ["running", "success", "running", "queued"]


def test_no_more_attempts_than_workers_and_the_next_starts_when_one_ends() -> None:
    bench = bench_with("a, b, c", max_workers=2)
    bench.trigger()
    assert [key.task_id for key in bench.running] == ["a", "b"]
    bench.end("a")
    assert [key.task_id for key in bench.running] == ["b", "c"]


def test_a_pool_bounds_tasks_of_all_dags() -> None:
    bench = Bench(pools={"db": 1})
    for dag_id in ("d", "e"):
        bench.register(dag_spec(dag_id, "a, b", options={"a": TaskOptions(pool="db")}))
        bench.trigger(dag_id)
    assert [key.task_id for key in bench.running] == ["a", "b", "b"]
    bench.end("a", BAD)
    assert [key.task_id for key in bench.running] == ["b", "b", "a"]


def test_a_pool_that_the_scheduler_does_not_have_is_refused_by_name() -> None:
    bench = Bench(pools={"db": 1})
    with pytest.raises(InvalidOption, match=r"'a' of DAG 'd' asks for the pool 'gpu'.*--pool gpu=SLOTS"):
        bench.register(dag_spec("d", "a", options=TaskOptions(pool="gpu")))
    assert bench.engine.dags == {}


# Versions


def test_runs_in_flight_end_on_the_version_they_began_with() -> None:
    bench = bench_with("a >> b")
    old = bench.trigger()
    bench.register(dag_spec("d", "a >> c"))
    new = bench.trigger()
    for run_id in (old, new):
        bench.end_key(AttemptKey(run_id, "a", 1))
    assert [key.task_id for key in bench.running] == ["b", "c"]
    versions = {e.run_id: e.version for e in bench.events if isinstance(e, RunEvent)}
    assert versions[old] != versions[new]


def test_a_replaced_dag_keeps_count_of_its_runs() -> None:
    bench = bench_with("a", max_active_runs=1)
    bench.trigger()
    bench.register(dag_spec("d", "a >> b", max_active_runs=1))
    waiting = bench.trigger()
    assert bench.run_states()[waiting] == "queued"


def test_more_room_in_a_new_version_is_used_at_once() -> None:
    bench = bench_with("a", max_active_runs=1)
    runs = [bench.trigger() for _ in range(3)]
    bench.register(dag_spec("d", "a", max_active_runs=2))
    assert [bench.run_states()[run_id] for run_id in runs] == ["running", "running", "queued"]


def test_a_new_version_with_the_same_schedule_goes_on_where_the_old_one_stood() -> None:
    bench = bench_with("a", schedule=Every(60))
    bench.wait(60)
    assert "regular 1" in bench.said
    bench.wait(30)
    bench.register(dag_spec("d", "a >> b", schedule=Every(60)))
    assert bench.said == []
    bench.wait(30)
    assert bench.said[0] == "regular 1"


def test_a_new_schedule_takes_the_place_of_the_old_one() -> None:
    bench = bench_with("a", schedule=Every(60))
    bench.register(dag_spec("d", "a", schedule=Every(45)))
    assert bench.engine.next_wakeup == T0 + 45 * SECOND
    bench.wait(60)
    assert bench.said.count("regular 1") == 1
    bench.register(dag_spec("d", "a"))
    assert bench.engine.next_wakeup is None


def test_a_dag_that_is_not_scheduled_runs_when_it_is_triggered_only() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", schedule=Every(60)), scheduled=False)
    bench.wait(600)
    assert bench.said == []
    bench.trigger()
    assert "start a:1" in bench.said


# Schedules


def test_a_run_is_made_exactly_at_its_point_and_carries_it() -> None:
    bench = bench_with("a", schedule=Every(60), timezone=ZoneInfo("Europe/Warsaw"), params={"x": 1})
    assert bench.engine.next_wakeup == T0 + 60 * SECOND
    bench.wait(60)
    assert bench.said == ["regular 1", "run queued", "run running", "a:1 running", "start a:1"]
    machine = next(iter(bench.engine.runs.values()))
    assert machine.run_id == "d/scheduled-20261123T051600Z"
    info = machine.info("a", 1)
    assert (info.logical_date.isoformat(), info.params) == ("2026-11-23T06:16:00+01:00", {"x": 1})
    assert bench.engine.next_wakeup == T0 + 120 * SECOND


def test_points_missed_before_the_start_are_skipped_as_a_range_unless_they_are_to_be_caught_up() -> None:
    off, on = Bench(), Bench()
    for bench, catchup in ((off, False), (on, True)):
        dag = dag_spec("d", "a", schedule=Every(600), catchup=catchup)
        bench.register(dag, accounted=T0 - 3000 * SECOND)
    assert off.said[:1] == ["skipped 4"]
    assert [said for said in on.said if said.endswith(" 1")] == ["caught_up 1"] * 4 + ["regular 1"]
    assert {run_id.split("/")[1].split("-")[0] for run_id in on.engine.runs} == {"catchup", "scheduled"}


def test_catching_up_keeps_to_max_active_runs_and_to_the_order() -> None:
    bench = Bench()
    dag = dag_spec("d", "a", schedule=Every(600), catchup=True, max_active_runs=2)
    bench.register(dag, accounted=T0 - 3000 * SECOND)
    made = []
    while bench.running:
        assert len(bench.engine.runs) <= 2
        made.append(next(iter(bench.running)).run_id)
        bench.end_key(AttemptKey(made[-1], "a", 1))
    points = [T0 + minutes * 60 * SECOND for minutes in (-40, -30, -20, -10)]
    assert made == [
        *(run_id_of("d", RunType.CATCHUP, point) for point in points),
        run_id_of("d", RunType.SCHEDULED, T0),
    ]
    assert bench.engine.next_wakeup == T0 + 600 * SECOND


@pytest.mark.parametrize(
    ("catchup", "said"),
    [
        ("last", ["skipped 3", "caught_up 1", "regular 1"]),
        ("21m", ["skipped 2", "caught_up 1", "caught_up 1", "regular 1"]),
    ],
)
def test_after_an_absence_and_after_a_sleep_the_mode_says_what_is_run(catchup: str, said: list[str]) -> None:
    dag = dag_spec("d", "a", schedule=Every(600), catchup=catchup)
    absent, asleep = Bench(), Bench()
    absent.register(dag, accounted=T0 - 3000 * SECOND)
    asleep.register(dag)
    asleep.wait(3000)
    for bench in (absent, asleep):
        assert [s for s in bench.said if s.startswith(("skipped", "caught_up", "regular"))] == said


def test_points_that_waited_for_their_turn_are_skipped_when_their_schedule_is_replaced() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", schedule=Every(600), catchup=True, max_active_runs=1))
    bench.wait(3000)
    bench.register(dag_spec("d", "a", schedule=Every(900), catchup=True, max_active_runs=1))
    kinds = [(e.kind.value, e.count) for e in bench.events if isinstance(e, ScheduleEvent)]
    assert kinds == [("caught_up", 1), ("skipped", 4)]
    assert bench.engine.next_wakeup == T0 + 3600 * SECOND


def test_empty_runs_are_caught_up_to_the_last() -> None:
    bench = Bench()
    dag = dag_spec("d", "", schedule=Every(600), catchup=True, max_active_runs=2)
    bench.register(dag, accounted=T0 - 60_000 * SECOND)
    assert len(bench.run_states()) == 100
    assert set(bench.run_states().values()) == {"success"}


def test_after_a_long_sleep_the_missed_points_are_skipped_and_the_last_one_still_runs() -> None:
    bench = bench_with("a", schedule=Every(60))
    bench.wait(3630)
    assert bench.said[:3] == ["skipped 59", "regular 1", "run queued"]
    (skipped, regular) = (e for e in bench.events if isinstance(e, ScheduleEvent))
    assert (skipped.first, skipped.last) == (T0 + 60 * SECOND, T0 + 59 * 60 * SECOND)
    assert (regular.first, skipped.run_id) == (T0 + 3600 * SECOND, None)
    assert regular.run_id == run_id_of("d", RunType.SCHEDULED, T0 + 3600 * SECOND)


def test_the_schedule_ends_with_its_last_point() -> None:
    bench = bench_with("a", schedule=Every(60), end=T0 + 90 * SECOND)
    bench.wait(60)
    assert bench.engine.next_wakeup is None
    assert bench.engine.dags["d"].next_point is None


class Broken(Every):
    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        if current >= T0 + 60 * SECOND:
            raise KeyError("moon")
        return super().next(current, previous)


def test_a_schedule_of_the_users_own_that_raises_stands_still_and_says_why() -> None:
    bench = bench_with("a", schedule=Broken(60))
    bench.register(dag_spec("other", "a", schedule=Every(60)))
    bench.wait(60)
    assert "moon" in bench.engine.dags["d"].problem
    assert bench.engine.dags["d"].next_point is None
    assert bench.engine.dags["other"].next_point == T0 + 120 * SECOND
    bench.register(dag_spec("d", "a", schedule=Every(60)))
    assert bench.engine.dags["d"].problem == ""
    assert bench.engine.dags["d"].next_point is not None


def test_a_point_whose_follower_cannot_be_found_is_still_run() -> None:
    bench = bench_with("a", schedule=Broken(60))
    bench.wait(60)
    assert "regular 1" in bench.said


# Manual runs


def test_a_manual_run_stands_for_now_or_for_the_date_it_is_given() -> None:
    bench = bench_with("a", params={"city": "Gdansk", "top": 3})
    assert bench.trigger() == run_id_of("d", RunType.MANUAL, T0)
    date = datetime(2020, 2, 29, tzinfo=UTC)
    run_id = bench.trigger(logical_date=date, params={"top": 5})
    machine = bench.engine.runs[run_id]
    assert run_id == run_id_of("d", RunType.MANUAL, date)
    assert machine.info("a", 1).params == {"city": "Gdansk", "top": 5}
    assert machine.created.reason == "test"


def test_manual_runs_of_one_instant_have_ids_of_their_own_also_when_one_has_ended() -> None:
    bench = bench_with("a")
    ids = [bench.trigger(), bench.trigger()]
    bench.end_key(AttemptKey(ids[0], "a", 1))
    bench.end_key(AttemptKey(ids[1], "a", 1))
    ids.append(bench.trigger())
    assert len(set(ids)) == 3
    bench.register(dag_spec("d", "a >> b"))
    assert bench.trigger() not in ids


def test_a_second_run_for_the_same_date_is_refused_while_the_first_is_under_way() -> None:
    bench = bench_with("a")
    bench.trigger(logical_date=T0)
    with pytest.raises(SchedulerError, match="under way already"):
        bench.trigger(logical_date=T0)


def test_triggering_what_is_not_there_names_what_there_is() -> None:
    with pytest.raises(NotFound, match="no DAG 'd': none is defined yet"):
        Bench().trigger()
    bench = bench_with("a")
    with pytest.raises(NotFound, match=r"no DAG 'dd' .did you mean 'd'.*there are d"):
        bench.trigger("dd")
    with pytest.raises(InvalidParameters, match="DAG 'd' has no parameter 'x': it has no params"):
        bench.trigger(params={"x": 1})
    assert bench.events == []


# Draining


def test_a_draining_engine_lets_what_runs_go_on_and_starts_nothing() -> None:
    bench = bench_with("a >> b", schedule=Every(60), options=TaskOptions(retries=1), max_active_runs=1)
    run_id, waiting = bench.trigger(), bench.trigger()
    assert bench.said
    bench.engine.drain()
    bench.end("a")
    assert bench.said == ["a:1 success"]
    bench.wait(60)
    with pytest.raises(SchedulerError, match="'d' was not triggered"):
        bench.trigger()
    bench.cancel(run_id)
    bench.cancel(waiting)
    assert bench.run_states() == {run_id: "cancelled", waiting: "cancelled"}
    assert "regular 1" not in bench.said


# Notifications


@pytest.mark.parametrize(
    ("notify", "outcomes", "expected"),
    [
        ({"failure"}, [BAD, BAD], ["notify failure"]),
        ({"failure"}, [BAD, GOOD], []),
        ({"failure", "retry", "success"}, [BAD, GOOD], ["notify retry", "notify success"]),
        (set(), [BAD, BAD], []),
        ({"failure"}, [STOPPED], []),
    ],
)
def test_who_is_told_of_what(notify: set[str], outcomes: list[object], expected: list[str]) -> None:
    options = TaskOptions(retries=1, notify=frozenset(notify))  # type: ignore[arg-type]
    bench = bench_with("a", options=options)
    bench.trigger()
    for outcome in outcomes:
        bench.end("a", outcome)  # type: ignore[arg-type]
        bench.wait(0)
    assert [said for said in bench.said if said.startswith("notify")] == expected


def test_states_of_attempts_follow_each_other_as_their_type_allows() -> None:
    bench = bench_with("a >> b; c", options=TaskOptions(retries=1))
    run_id = bench.trigger()
    bench.end("a", BAD)
    bench.wait()
    bench.end("a", BAD)
    bench.cancel(run_id)
    assert AttemptState(bench.states(run_id)["b"]) is AttemptState.UPSTREAM_FAILED
