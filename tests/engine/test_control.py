"""What people ask of runs, in the engine: what runs again, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from ppacer_nb.errors import InvalidOption, NotFound, SchedulerError
from ppacer_nb.model.attempt import Succeeded
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import RunEvent, TaskEvent
from ppacer_nb.model.placeholders import UpstreamResult
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.model.values import Value
from ppacer_nb.status import TriggerRule
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, HELD, STOPPED, Bench
from tests.scheduler.helpers import dag, task

ALL_DONE = TaskOptions(trigger_rule=TriggerRule.ALL_DONE)
ONE_FAILED = TaskOptions(trigger_rule=TriggerRule.ONE_FAILED)
ONE = Succeeded(Value(b"I1\n.", None, 4, "int", "1"))


def bench_with(
    chains: str, options: Mapping[str, TaskOptions] | None = None, *, max_workers: int = 100, **head: Any
) -> Bench:
    bench = Bench(max_workers=max_workers)
    bench.register(dag_spec("d", chains, options=options or {}, **head), scheduled=False)
    return bench


def passing_on(**options: Any) -> DagSpec:
    """A DAG whose task b receives the result of a."""
    return dag(task(print, id="a"), task(print, UpstreamResult("a"), id="b", after=("a",), **options))


def run_events(bench: Bench, run_id: str) -> list[RunEvent]:
    return [e for e in bench.events if isinstance(e, RunEvent) and e.run_id == run_id]


def failed_run(bench: Bench, *good: str, bad: str) -> str:
    """A run in which the tasks `good` end well, in that order, and then `bad` fails."""
    run_id = bench.trigger()
    for id in good:
        bench.end(id)
    bench.end(bad, BAD)
    assert bench.said
    return run_id


class TestRestart:
    def test_what_ended_badly_runs_again_and_what_succeeded_stays(self) -> None:
        bench = bench_with("a >> b >> c; x")
        run_id = failed_run(bench, "x", "a", bad="b")
        bench.restart(run_id)
        assert bench.said == [
            *("run queued", "b:0 cleared", "c:0 cleared", "run running", "b:2 running", "start b:2"),
        ]
        bench.end("b")
        bench.end("c")
        assert bench.run_states()[run_id] == "success"

    def test_a_success_that_has_seen_the_failure_runs_again(self) -> None:
        bench = bench_with("a >> clean >> after; x", {"clean": ALL_DONE})
        run_id = failed_run(bench, "x", bad="a")
        bench.end("clean")
        bench.end("after")
        bench.restart(run_id)
        for id in ("a", "clean", "after"):
            bench.end(id)
        assert bench.run_states()[run_id] == "success"
        attempts = [(e.task_id, e.attempt) for e in bench.events if isinstance(e, TaskEvent) and e.attempt]
        assert {("a", 2), ("clean", 2), ("after", 2), ("x", 1)} == {
            max(of for of in attempts if of[0] == id) for id, _ in attempts
        }

    def test_it_is_counted_and_recorded_with_who_asked(self) -> None:
        bench = bench_with("a")
        run_id = failed_run(bench, bad="a")
        for _ in range(2):
            bench.restart(run_id)
            bench.end("a", BAD)
        events = run_events(bench, run_id)
        assert [e.restarts for e in events] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert [e.reason for e in events if e.reason] == ["test", "restarted by test", "restarted by test"]

    def test_retries_are_counted_from_the_start_again(self) -> None:
        bench = bench_with("a", {"a": TaskOptions(retries=1)})
        run_id = bench.trigger()
        for _ in range(2):
            bench.end("a", BAD)
            bench.wait()
        assert bench.run_states()[run_id] == "failed"
        bench.restart(run_id)
        bench.end("a", BAD)
        assert bench.states(run_id) == {"a": "up_for_retry"}

    def test_a_cancelled_run_goes_on_where_it_was(self) -> None:
        bench = bench_with("a >> b >> c")
        run_id = bench.trigger()
        bench.end("a")
        bench.cancel(run_id)
        bench.end("b", STOPPED)
        bench.restart(run_id)
        bench.end("b")
        bench.end("c")
        assert bench.run_states()[run_id] == "success"

    def test_it_goes_on_with_the_newest_version_of_its_dag_and_says_so(self) -> None:
        bench = bench_with("a >> b; old")
        run_id = bench.trigger()
        bench.end("a")
        bench.end("old", BAD)
        bench.end("b", BAD)
        newest = dag_spec("d", "a >> b; new >> last")
        bench.register(newest, scheduled=False)
        bench.restart(run_id)
        for id in ("b", "new", "last"):
            bench.end(id)
        last = run_events(bench, run_id)[-1]
        assert (last.state, last.version, last.tasks) == ("success", newest.version, 4)

    def test_it_takes_its_turn_among_the_runs_of_its_dag(self) -> None:
        bench = bench_with("a", max_active_runs=1)
        run_id = failed_run(bench, bad="a")
        other = bench.trigger()
        bench.restart(run_id)
        assert bench.run_states() == {run_id: "queued", other: "running"}
        bench.end("a")
        assert bench.run_states() == {run_id: "running", other: "success"}

    def test_while_it_waits_for_its_turn_it_can_be_cancelled(self) -> None:
        bench = bench_with("a", max_active_runs=1)
        run_id = failed_run(bench, bad="a")
        bench.trigger()
        bench.restart(run_id)
        bench.cancel(run_id)
        assert bench.run_states()[run_id] == "cancelled"
        bench.end("a")
        assert bench.running == {}

    def test_what_waited_for_a_retry_when_its_run_was_cancelled_without_its_dag_runs_again(self) -> None:
        chains = "a >> b; x"
        bench = bench_with(chains, {"a": TaskOptions(retries=1, retry_delay=timedelta(hours=1))})
        run_id = bench.trigger()
        bench.end("a", BAD)
        bench.crash()
        bench.cancel(run_id)
        bench.register(dag_spec("d", chains, options={"a": TaskOptions(retries=1)}), scheduled=False)
        bench.restart(run_id)
        assert {(k.task_id, k.attempt) for k in bench.running} == {("a", 2), ("x", 2)}
        bench.end("a", BAD)
        assert bench.states(run_id)["a"] == "up_for_retry"  # the first failure counts no more
        bench.wait()
        for id in ("a", "b", "x"):
            bench.end(id)
        assert bench.run_states()[run_id] == "success"

    def test_held_kernels_of_what_runs_again_are_released(self) -> None:
        bench = bench_with("a")
        run_id = bench.trigger()
        bench.end("a", HELD)
        bench.restart(run_id)
        assert "release a:1" in bench.said
        assert bench.engine.held == {}

    def test_what_cannot_be_restarted_is_said_in_a_sentence(self) -> None:
        bench = bench_with("a")
        good = bench.trigger()
        with pytest.raises(SchedulerError, match="has not ended: wait for its end, or cancel it"):
            bench.restart(good)
        bench.end("a")
        with pytest.raises(SchedulerError, match="succeeded: clear a task to run it again"):
            bench.restart(good)
        with pytest.raises(NotFound, match="no run 'd/7'"):
            bench.restart("d/7")
        bad = failed_run(bench, bad="a")
        bench.engine.drain()
        with pytest.raises(SchedulerError, match="is stopping"):
            bench.restart(bad)
        del bench.engine.dags["d"]
        with pytest.raises(NotFound, match="no DAG 'd'"):
            bench.restart(bad)


class TestClear:
    def test_a_success_and_what_is_downstream_of_it_run_again(self) -> None:
        bench = bench_with("a >> b >> c; x")
        run_id = bench.trigger()
        for id in ("x", "a", "b", "c"):
            bench.end(id)
        bench.clear(run_id, "b")
        assert [k.task_id for k in bench.running] == ["b"]
        bench.end("b")
        bench.end("c")
        assert bench.run_states()[run_id] == "success"

    def test_what_waits_for_a_worker_downstream_waits_for_its_upstream_again(self) -> None:
        bench = bench_with("a >> b; x", max_workers=1)
        run_id = bench.trigger()
        bench.end("a")
        bench.clear(run_id, "a")  # while x has the worker, and b waits for it
        bench.end("x")
        assert [k.task_id for k in bench.running] == ["a"]
        bench.end("a")
        assert [k.task_id for k in bench.running] == ["b"]

    def test_what_waits_for_a_retry_downstream_waits_for_its_upstream_again(self) -> None:
        bench = bench_with("a >> b", {"b": TaskOptions(retries=3, retry_delay=timedelta(seconds=9))})
        run_id = bench.trigger()
        bench.end("a")
        bench.end("b", BAD)
        bench.clear(run_id, "a")
        bench.wait(20)
        assert [k.task_id for k in bench.running] == ["a"]
        bench.end("a")
        assert [(k.task_id, k.attempt) for k in bench.running] == [("b", 2)]

    def test_it_is_recorded_with_who_asked(self) -> None:
        bench = bench_with("a, b >> c")
        run_id = bench.trigger()
        for id in "abc":
            bench.end(id)
        bench.clear(run_id, "a", "b")
        cleared = [e for e in bench.events if isinstance(e, TaskEvent) and e.state == "cleared"]
        assert {(e.task_id, e.reason) for e in cleared} == {(id, "a, b cleared by test") for id in "abc"}

    def test_a_kernel_that_was_kept_for_a_task_is_released_if_its_upstream_runs_again(self) -> None:
        bench = bench_with("a >> b", max_active_runs=1)
        run_id = bench.trigger()
        bench.end("a")
        bench.end("b", HELD)
        bench.trigger()
        bench.resume(run_id, "b")  # waits for its turn
        bench.clear(run_id, "a")
        assert "release b:1" in bench.said
        for _ in range(2):
            bench.end("a")
            bench.end("b")
        assert bench.run_states()[run_id] == "success"
        assert [job.resumes for job in bench.jobs] == [None] * 6

    def test_what_runs_is_waited_for(self) -> None:
        bench = bench_with("a >> b")
        run_id = bench.trigger()
        bench.end("a")
        for id in "ab":
            with pytest.raises(SchedulerError, match=r"task 'b' of run .* runs now: wait for its end"):
                bench.clear(run_id, id)

    def test_what_there_is_not_is_named(self) -> None:
        bench = bench_with("load >> total")
        run_id = bench.trigger()
        with pytest.raises(NotFound, match=r"has no task 'lod' .did you mean 'load'"):
            bench.clear(run_id, "lod")
        with pytest.raises(InvalidOption, match="name the tasks"):
            bench.clear(run_id)


class TestMark:
    def test_a_failure_that_is_marked_a_success_lets_run_what_waited_for_it(self) -> None:
        bench = bench_with("a >> b >> c")
        run_id = failed_run(bench, bad="a")
        bench.mark(run_id, "a", "success")
        assert bench.said == [
            *("run queued", "a:0 cleared", "a:0 success", "b:0 cleared", "c:0 cleared"),
            *("run running", "b:1 running", "start b:1"),
        ]
        bench.end("b")
        bench.end("c")
        assert bench.run_states()[run_id] == "success"

    def test_a_success_that_is_marked_a_failure_spreads_over_an_ended_run(self) -> None:
        bench = bench_with("a >> b >> c; x")
        run_id = bench.trigger()
        for id in ("x", "a", "b", "c"):
            bench.end(id)
        bench.mark(run_id, "a", "failed")
        spread = {"a": "failed", "b": "upstream_failed", "c": "upstream_failed"}
        assert bench.states(run_id) == {**spread, "x": "success"}
        assert bench.run_states()[run_id] == "failed"
        assert bench.running == {}

    def test_what_starts_on_a_failure_starts_when_one_is_marked(self) -> None:
        bench = bench_with("a >> alarm", {"alarm": ONE_FAILED})
        run_id = bench.trigger()
        bench.end("a")
        assert bench.states(run_id)["alarm"] == "skipped"
        bench.mark(run_id, "a", "failed")
        bench.end("alarm")
        assert bench.states(run_id) == {"a": "failed", "alarm": "success"}

    def test_what_waits_for_every_end_has_run_and_stays(self) -> None:
        bench = bench_with("a >> clean", {"clean": ALL_DONE})
        run_id = failed_run(bench, bad="a")
        bench.end("clean")
        bench.mark(run_id, "a", "success")
        assert bench.running == {}
        assert bench.run_states()[run_id] == "success"

    def test_what_has_seen_the_end_of_a_task_that_runs_now_runs_again(self) -> None:
        bench = bench_with("a >> b >> clean", {"clean": ALL_DONE})
        run_id = failed_run(bench, bad="a")
        bench.end("clean")
        bench.mark(run_id, "a", "success")
        bench.end("b")
        assert [(k.task_id, k.attempt) for k in bench.running] == [("clean", 2)]

    def test_another_failure_still_keeps_what_waits_for_both_from_running(self) -> None:
        bench = bench_with("a, b >> c")
        run_id = bench.trigger()
        bench.end("a", BAD)
        bench.end("b", BAD)
        bench.mark(run_id, "a", "success")
        assert bench.states(run_id) == {"a": "success", "b": "failed", "c": "upstream_failed"}
        assert bench.run_states()[run_id] == "failed"

    def test_a_task_that_waits_need_not_run(self) -> None:
        bench = bench_with("a >> b >> c")
        run_id = bench.trigger()
        bench.mark(run_id, "b", "success")
        assert [k.task_id for k in bench.running] == ["a", "c"]

    def test_what_waits_for_a_worker_or_a_retry_is_taken_out(self) -> None:
        bench = bench_with("x; a; b", {"a": TaskOptions(retries=1)}, max_workers=1)
        run_id = bench.trigger()
        bench.end("x")
        bench.end("a", BAD)
        bench.end("b")
        bench.mark(run_id, "a", "failed")
        bench.wait(3600)
        assert bench.running == {}
        assert bench.run_states()[run_id] == "failed"
        second = bench.trigger()
        bench.mark(second, "a", "success")  # while x has the worker
        bench.end("x")
        assert [k.task_id for k in bench.running] == ["b"]

    def test_a_ready_task_waits_again_if_its_upstream_has_failed_after_all(self) -> None:
        bench = bench_with("a >> b; x", max_workers=1)
        run_id = bench.trigger()
        bench.end("a")
        bench.mark(run_id, "a", "failed")  # while x has the worker, and b waits for it
        bench.end("x")
        assert bench.states(run_id) == {"a": "failed", "b": "upstream_failed", "x": "success"}

    def test_a_retry_does_not_come_if_its_upstream_has_failed_after_all(self) -> None:
        bench = bench_with("a >> b", {"b": TaskOptions(retries=1)})
        run_id = bench.trigger()
        bench.end("a")
        bench.end("b", BAD)
        bench.mark(run_id, "a", "failed")
        bench.wait(3600)
        assert bench.states(run_id) == {"a": "failed", "b": "upstream_failed"}

    def test_it_hands_on_the_value_it_had_and_none_otherwise(self) -> None:
        bench = Bench()
        bench.register(passing_on(), scheduled=False)
        run_id = bench.trigger()
        bench.end("a", ONE)
        bench.end("b")
        bench.mark(run_id, "a", "failed")
        bench.mark(run_id, "a", "success")
        assert bench.jobs[-1].inputs == {"a": ONE.value}
        bench.end("b")
        second = bench.trigger()
        bench.end("a", BAD)
        bench.mark(second, "a", "success")
        assert (bench.jobs[-1].task.id, bench.jobs[-1].inputs) == ("b", {})

    def test_a_failure_hands_on_no_value_that_it_had_before(self) -> None:
        bench = Bench()
        bench.register(passing_on(trigger_rule=TriggerRule.ALL_DONE), scheduled=False)
        run_id = bench.trigger()
        bench.end("a", ONE)
        bench.end("b")
        bench.clear(run_id, "a")
        bench.end("a", BAD)
        assert [(job.task.id, dict(job.inputs)) for job in bench.jobs[1:]] == [
            *[("b", {"a": ONE.value}), ("a", {}), ("b", {})],
        ]

    def test_what_may_run_now_waits_for_the_turn_of_its_run(self) -> None:
        bench = bench_with("a >> b", max_active_runs=1)
        run_id = failed_run(bench, bad="a")
        other = bench.trigger()
        bench.mark(run_id, "a", "success")
        assert [key.run_id for key in bench.running] == [other]
        bench.end("a")
        bench.end("b")
        assert [(key.run_id, key.task_id) for key in bench.running] == [(run_id, "b")]

    def test_where_nothing_runs_it_needs_no_turn(self) -> None:
        bench = bench_with("a", max_active_runs=1)
        run_id = failed_run(bench, bad="a")
        bench.trigger()
        bench.mark(run_id, "a", "success")
        assert bench.run_states()[run_id] == "success"

    def test_nobody_is_told_of_a_failure_that_somebody_marked(self) -> None:
        bench = bench_with("a", {"a": TaskOptions(notify=frozenset({"failure", "success"}))})
        run_id = bench.trigger()
        bench.end("a")
        bench.mark(run_id, "a", "failed")
        assert bench.said.count("notify failure") == 0

    def test_a_kernel_that_is_held_or_kept_for_the_task_is_released(self) -> None:
        bench = bench_with("a", max_workers=1)
        first = bench.trigger()
        bench.end("a", HELD)
        bench.mark(first, "a", "success")
        assert "release a:1" in bench.said
        second = bench.trigger()
        bench.end("a", HELD)
        bench.trigger()  # takes the worker
        bench.resume(second, "a")
        bench.mark(second, "a", "success")
        assert "release a:1" in bench.said

    def test_what_cannot_be_marked_is_said_in_a_sentence(self) -> None:
        bench = bench_with("a >> b; x")
        run_id = bench.trigger()
        with pytest.raises(SchedulerError, match=r"task 'a' of run .* runs now"):
            bench.mark(run_id, "a", "success")
        with pytest.raises(InvalidOption, match="can be marked success or failed, not 'skipped'"):
            bench.mark(run_id, "a", "skipped")
        bench.end("a")
        with pytest.raises(SchedulerError, match=r"task 'b' of run .* runs now"):
            bench.mark(run_id, "a", "failed")
        bench.end("b")
        with pytest.raises(SchedulerError, match="is success already"):
            bench.mark(run_id, "a", "success")
        with pytest.raises(NotFound, match="has no task 'c'"):
            bench.mark(run_id, "c", "success")


class TestCancellingATask:
    def test_what_runs_is_stopped_and_the_rest_goes_on(self) -> None:
        bench = bench_with("a >> b; x >> y")
        run_id = bench.trigger()
        assert bench.said
        bench.cancel_task(run_id, "a")
        assert bench.said == ["stop a:1", "a:1 running"]
        bench.end("a", STOPPED)
        assert bench.states(run_id) == {"a": "cancelled", "b": "upstream_failed", "x": "running"}
        bench.end("x")
        bench.end("y")
        assert bench.run_states()[run_id] == "failed"

    def test_what_fails_while_it_is_stopped_is_not_tried_again(self) -> None:
        bench = bench_with("a", {"a": TaskOptions(retries=5)})
        run_id = bench.trigger()
        bench.cancel_task(run_id, "a")
        bench.end("a", BAD)
        assert bench.states(run_id) == {"a": "failed"}
        bench.restart(run_id)
        bench.end("a", BAD)
        assert bench.states(run_id) == {"a": "up_for_retry"}

    def test_what_waits_ends_at_once(self) -> None:
        bench = bench_with("a >> b >> clean; x", {"x": TaskOptions(retries=1), "clean": ALL_DONE})
        run_id = bench.trigger()
        bench.end("x", BAD)
        for id in ("b", "x"):
            bench.cancel_task(run_id, id)
        bench.wait(3600)
        assert [k.task_id for k in bench.running] == ["a", "clean"]
        reasons = {e.task_id: e.reason for e in bench.events if isinstance(e, TaskEvent) and not e.attempt}
        assert reasons == {"b": "cancelled by test", "x": "cancelled by test"}

    def test_what_waits_for_a_worker_does_not_get_one(self) -> None:
        bench = bench_with("x; a", max_workers=1)
        run_id = bench.trigger()
        bench.cancel_task(run_id, "a")
        bench.end("x")
        assert bench.running == {}
        assert bench.run_states()[run_id] == "failed"

    def test_a_run_that_waits_for_its_turn_decides_what_follows_when_it_begins(self) -> None:
        bench = bench_with("a >> clean", {"clean": ALL_DONE}, max_active_runs=1)
        first, second = bench.trigger(), bench.trigger()
        bench.cancel_task(second, "a")
        assert bench.run_states()[second] == "queued"
        bench.end("a")
        bench.end("clean")
        assert bench.run_states()[first] == "success"
        assert [(k.run_id, k.task_id) for k in bench.running] == [(second, "clean")]

    def test_what_cannot_be_cancelled_is_said_in_a_sentence(self) -> None:
        bench = bench_with("a; b")
        run_id = bench.trigger()
        bench.end("a")
        with pytest.raises(SchedulerError, match=r"task 'a' of run .* has ended, its state is success"):
            bench.cancel_task(run_id, "a")
        with pytest.raises(NotFound, match="has no task 'c'"):
            bench.cancel_task(run_id, "c")
        bench.cancel(run_id)
        with pytest.raises(SchedulerError, match="is being cancelled"):
            bench.cancel_task(run_id, "b")
        bench.end("b", STOPPED)
        with pytest.raises(NotFound, match="no unfinished run"):
            bench.cancel_task(run_id, "b")
