"""A scheduler ends before its runs do, and the next one goes on with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from ppacer_nb.engine.interruption import DIED, MOST_INTERRUPTIONS, STOPPED
from ppacer_nb.errors import NotFound, SchedulerError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import RunEvent, TaskEvent
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import AttemptState, TriggerRule
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, GOOD, T0, Bench, Every
from tests.engine.bench import STOPPED as CANCELLED

ONCE = TaskOptions(on_interrupt="fail")
RETRIED = TaskOptions(retries=1, retry_delay=timedelta(hours=1))
CLEANUP = TaskOptions(cleanup=True, trigger_rule=TriggerRule.ALL_DONE)


def spec(chains: str, options: Mapping[str, TaskOptions] | None = None, **head: Any) -> DagSpec:
    return dag_spec("d", chains, options=options or {}, **head)


def bench_with(dag: DagSpec, max_workers: int = 100) -> Bench:
    bench = Bench(max_workers=max_workers)
    bench.register(dag, scheduled=dag.schedule is not None)
    return bench


def goes_on(bench: Bench, dag: DagSpec) -> None:
    """The scheduler dies, and the next one is given `dag`."""
    bench.crash()
    assert bench.said
    bench.register(dag, bench.accounted("d"), scheduled=dag.schedule is not None)


def attempts(bench: Bench, task_id: str) -> list[tuple[int, str]]:
    found = [e for e in bench.events if isinstance(e, TaskEvent) and e.task_id == task_id]
    return [(e.attempt, e.state.value) for e in found]


def test_what_ran_is_interrupted_and_tried_again_and_what_succeeded_stays() -> None:
    dag = spec("a >> b >> c")
    bench = bench_with(dag)
    run_id = bench.trigger()
    bench.end("a")
    goes_on(bench, dag)
    assert bench.said == ["run running", "b:2 running", "start b:2"]
    bench.end("b")
    bench.end("c")
    assert bench.run_states() == {run_id: "success"}
    assert attempts(bench, "b") == [(1, "running"), (1, "interrupted"), (2, "running"), (2, "success")]


def test_a_run_waits_visibly_and_says_why_until_its_dag_is_defined() -> None:
    bench = bench_with(spec("a"))
    run_id = bench.trigger()
    bench.crash()
    assert bench.run_states() == {run_id: "queued"}
    latest = bench.events[-1]
    assert isinstance(latest, RunEvent)
    assert (latest.reason, latest.interruptions, latest.restarts) == (DIED, 1, 0)
    assert list(bench.engine.parked) == [run_id]


def test_an_interruption_uses_up_no_retry() -> None:
    dag = spec("a", {"a": TaskOptions(retries=1)})
    bench = bench_with(dag)
    run_id = bench.trigger()
    goes_on(bench, dag)
    bench.end("a", BAD)
    bench.wait()
    bench.end("a")
    assert bench.run_states() == {run_id: "success"}


def test_failures_before_an_interruption_have_used_up_theirs() -> None:
    dag = spec("a", {"a": TaskOptions(retries=1)})
    bench = bench_with(dag)
    run_id = bench.trigger()
    bench.end("a", BAD)
    bench.wait()
    goes_on(bench, dag)
    bench.end("a", BAD)
    assert bench.run_states() == {run_id: "failed"}


def test_what_must_not_run_twice_fails_with_a_sentence_and_a_notification() -> None:
    dag = spec("a >> b", {"a": ONCE})
    bench = bench_with(dag)
    run_id = bench.trigger()
    goes_on(bench, dag)
    assert bench.said == [
        *("run running", "a:1 failed", "notify failure"),
        *("b:0 upstream_failed", "run failed"),
    ]
    failed = next(e for e in bench.events if isinstance(e, TaskEvent) and e.state is AttemptState.FAILED)
    assert failed.error is not None
    assert failed.error.message == (
        "task 'a' ran when its scheduler died: it is not tried again, as its on_interrupt is 'fail'."
    )
    assert bench.run_states() == {run_id: "failed"}


def test_what_ran_whenever_a_scheduler_died_is_given_up_at_last() -> None:
    dag = spec("a")
    bench = bench_with(dag)
    run_id = bench.trigger()
    for _ in range(MOST_INTERRUPTIONS - 1):
        goes_on(bench, dag)
        assert list(bench.running)
    goes_on(bench, dag)
    assert bench.run_states() == {run_id: "failed"}


def test_only_interruptions_in_a_row_count_against_a_task() -> None:
    dag = spec("a", {"a": TaskOptions(retries=1)})
    bench = bench_with(dag)
    bench.trigger()
    for _ in range(MOST_INTERRUPTIONS - 1):
        goes_on(bench, dag)
    bench.end("a", BAD)
    bench.wait()
    for _ in range(MOST_INTERRUPTIONS - 1):
        goes_on(bench, dag)
    assert list(bench.running)


def test_a_retry_that_waited_is_due_when_it_was() -> None:
    dag = spec("a", {"a": RETRIED})
    bench = bench_with(dag)
    bench.trigger()
    bench.end("a", BAD)
    bench.wait(1800)
    goes_on(bench, dag)
    assert bench.engine.next_wakeup == T0 + timedelta(hours=1)
    bench.wait(1800)
    assert [key.attempt for key in bench.running] == [2]


def test_a_retry_that_fell_due_meanwhile_comes_at_once() -> None:
    dag = spec("a", {"a": RETRIED})
    bench = bench_with(dag)
    bench.trigger()
    bench.end("a", BAD)
    bench.now += timedelta(days=1)
    goes_on(bench, dag)
    bench.wait()
    assert [key.attempt for key in bench.running] == [2]


def test_runs_go_on_in_their_order_and_take_turns() -> None:
    dag = spec("a", max_active_runs=1)
    bench = bench_with(dag)
    first, second = bench.trigger(), bench.trigger()
    goes_on(bench, dag)
    third = bench.trigger()
    assert bench.run_states() == {first: "running", second: "queued", third: "queued"}
    bench.end("a")
    assert bench.run_states() == {first: "success", second: "running", third: "queued"}


def test_schedule_points_missed_meanwhile_are_caught_up_behind_what_goes_on() -> None:
    dag = spec("a", schedule=Every(3600), catchup=True, max_active_runs=1)
    bench = bench_with(dag)
    bench.wait(3600)
    bench.now += timedelta(hours=2)
    goes_on(bench, dag)
    for _ in range(3):
        bench.end("a")
    points = [e.logical_date for e in bench.events if isinstance(e, RunEvent) and e.state == "success"]
    assert points == [T0 + timedelta(hours=hour) for hour in (1, 2, 3)]


def test_a_run_goes_on_with_the_newest_version_of_its_dag() -> None:
    bench = bench_with(spec("a >> b"))
    run_id = bench.trigger()
    bench.end("a")
    newer = spec("a >> x >> b; a >> b", params={"city": "Lodz"})
    goes_on(bench, newer)
    assert [key.task_id for key in bench.running] == ["x"]
    machine = bench.engine.runs[run_id]
    assert (machine.created.version, machine.created.params) == (newer.version, {"city": "Lodz"})
    bench.end("x")
    bench.end("b")
    assert bench.run_states() == {run_id: "success"}


def test_what_ran_and_is_no_task_of_the_newest_version_is_let_go() -> None:
    bench = bench_with(spec("a; b"))
    run_id = bench.trigger()
    bench.end("a")
    goes_on(bench, spec("a"))
    assert bench.run_states() == {run_id: "success"}


def test_a_run_that_was_being_cancelled_ends_so() -> None:
    dag = spec("a >> b; drop", {"drop": CLEANUP})
    bench = bench_with(dag, max_workers=1)
    run_id = bench.trigger()
    bench.cancel(run_id)
    goes_on(bench, dag)
    assert bench.states(run_id) == {"a": "cancelled", "b": "cancelled", "drop": "running"}
    bench.end("drop")
    assert bench.run_states() == {run_id: "cancelled"}


def test_a_task_that_was_being_cancelled_is_not_tried_again() -> None:
    dag = spec("a; b")
    bench = bench_with(dag)
    run_id = bench.trigger()
    bench.cancel_task(run_id, "a")
    goes_on(bench, dag)
    assert bench.states(run_id) == {"a": "cancelled", "b": "running"}


def test_the_timeout_of_a_run_counts_anew_when_it_goes_on() -> None:
    dag = spec("a", timeout=timedelta(hours=1))
    bench = bench_with(dag)
    run_id = bench.trigger()
    bench.now += timedelta(hours=5)
    goes_on(bench, dag)
    assert bench.run_states() == {run_id: "running"}
    assert bench.engine.next_wakeup == bench.now + timedelta(hours=1)


class TestWhileTheDagIsNotDefined:
    def parked(self) -> tuple[Bench, str]:
        bench = bench_with(spec("a >> b"))
        run_id = bench.trigger()
        bench.crash()
        return bench, run_id

    def test_its_run_can_be_cancelled(self) -> None:
        bench, run_id = self.parked()
        bench.cancel(run_id)
        assert bench.run_states() == {run_id: "cancelled"}
        assert bench.engine.parked == {}

    def test_and_be_restarted_when_it_is_defined_again(self) -> None:
        bench, run_id = self.parked()
        bench.cancel(run_id)
        bench.register(spec("a >> b"), scheduled=False)
        bench.restart(run_id)
        bench.end("a")
        bench.end("b")
        assert bench.run_states() == {run_id: "success"}

    @pytest.mark.parametrize("action", ["restart", "clear", "cancel_task", "mark"])
    def test_nothing_else_can_be_done_with_it(self, action: str) -> None:
        bench, run_id = self.parked()
        given = {"restart": (), "mark": ("a", "success")}.get(action, ("a",))
        with pytest.raises(SchedulerError, match="waits until its DAG 'd' is defined again: run the cell"):
            getattr(bench, action)(run_id, *given)

    def test_other_dags_go_on(self) -> None:
        bench, run_id = self.parked()
        bench.register(dag_spec("other", "x"), scheduled=False)
        bench.trigger("other")
        bench.end("x")
        assert bench.run_states() == {run_id: "queued", next(reversed(bench.run_states())): "success"}

    def test_it_cannot_be_triggered(self) -> None:
        bench, _ = self.parked()
        with pytest.raises(NotFound, match="no DAG 'd'"):
            bench.trigger()


class TestStopping:
    def test_what_is_stopped_is_interrupted_and_tried_again_at_the_next_start(self) -> None:
        dag = spec("a >> b")
        bench = bench_with(dag)
        run_id = bench.trigger()
        bench.stop()
        assert attempts(bench, "a") == [(1, "running"), (1, "interrupted")]
        assert bench.events[-1].reason == STOPPED  # type: ignore[union-attr]
        assert bench.run_states() == {run_id: "queued"}
        bench.register(dag, scheduled=False)
        bench.end("a")
        bench.end("b")
        assert bench.run_states() == {run_id: "success"}

    def test_what_ends_while_it_stops_has_ended(self) -> None:
        bench = bench_with(spec("a; b"))
        bench.trigger()
        bench.engine.drain()
        bench.engine.interrupt()
        bench.end("a", GOOD)
        bench.end("b", BAD)
        assert (attempts(bench, "a")[-1], attempts(bench, "b")[-1]) == ((1, "success"), (1, "failed"))

    def test_what_somebody_cancelled_meanwhile_is_cancelled(self) -> None:
        bench = bench_with(spec("a; b"))
        run_id = bench.trigger()
        bench.cancel_task(run_id, "a")
        bench.engine.drain()
        bench.engine.interrupt()
        bench.end("a", CANCELLED)
        bench.end("b", CANCELLED)
        assert bench.states(run_id) == {"a": "cancelled", "b": "interrupted"}

    def test_what_waited_waits_on(self) -> None:
        dag = spec("a; b", {"b": RETRIED})
        bench = bench_with(dag, max_workers=1)
        run_id = bench.trigger()
        bench.end("a")
        bench.end("b", BAD)
        bench.stop()
        assert bench.states(run_id) == {"a": "success", "b": "up_for_retry"}
        bench.register(dag, scheduled=False)
        assert bench.engine.next_wakeup == T0 + timedelta(hours=1)
