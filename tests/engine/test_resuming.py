"""A failed task that goes on in its held kernel, in the engine: what runs again, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ppacer_nb.errors import NotFound, SchedulerError
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import TriggerRule
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, HELD, Bench


def bench_with(chains: str, *, max_workers: int = 100, **options: TaskOptions) -> Bench:
    bench = Bench(max_workers=max_workers)
    bench.register(dag_spec("d", chains, options=options), scheduled=False)
    return bench


def test_a_resumed_task_and_what_is_downstream_of_it_run_and_the_run_goes_on() -> None:
    bench = bench_with("a >> b >> c; x", x=TaskOptions())
    run_id = bench.trigger()
    bench.end("x")
    bench.end("a")
    bench.end("b", HELD)
    assert bench.run_states()[run_id] == "failed"
    assert not bench.said[-1].startswith("release")
    bench.resume(run_id, "b")
    assert bench.said == [
        *("keep b:1", "run queued", "b:0 cleared", "c:0 cleared"),
        *("run running", "b:2 running", "start b:2"),
    ]
    bench.end("b")
    bench.end("c")
    assert bench.run_states()[run_id] == "success"
    assert bench.engine.held == {}


def test_the_job_of_a_resumed_task_names_the_attempt_and_later_ones_do_not() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", options=TaskOptions(retries=1)), scheduled=False)
    run_id = bench.trigger()
    key = bench.key("a")
    bench.end("a", HELD)
    bench.resume(run_id, "a")
    bench.end("a", BAD)
    bench.wait()
    assert [(job.run.attempt, job.resumes) for job in bench.jobs] == [(1, None), (2, key), (3, None)]


def test_a_held_attempt_is_not_tried_again_by_itself() -> None:
    bench = bench_with("a", a=TaskOptions(retries=5))
    run_id = bench.trigger()
    bench.end("a", HELD)
    assert bench.run_states()[run_id] == "failed"


@pytest.mark.parametrize(("retries", "attempts_held"), [(0, [True]), (2, [False, False, True])])
def test_only_the_last_attempt_is_to_hold_its_kernel(retries: int, attempts_held: list[bool]) -> None:
    bench = Bench()
    options = TaskOptions(retries=retries, hold_on_failure=timedelta(minutes=1))
    bench.register(dag_spec("d", "a", options=options), scheduled=False)
    bench.trigger()
    for _ in range(retries + 1):
        bench.end("a", BAD)
        bench.wait()
    assert [job.hold is not None for job in bench.jobs] == attempts_held


def test_other_failed_tasks_stay_failed() -> None:
    bench = bench_with("a; b")
    run_id = bench.trigger()
    bench.end("b", BAD)
    bench.end("a", HELD)
    bench.resume(run_id, "a")
    bench.end("a")
    assert bench.states(run_id) == {"a": "success", "b": "failed"}
    assert bench.run_states()[run_id] == "failed"


def test_a_task_is_resumed_while_its_run_still_runs() -> None:
    bench = bench_with("a >> b; x")
    run_id = bench.trigger()
    bench.end("a", HELD)
    bench.resume(run_id, "a")
    bench.end("a")
    bench.end("b")
    bench.end("x")
    assert bench.run_states()[run_id] == "success"


def test_what_runs_downstream_is_waited_for() -> None:
    bench = bench_with("a >> b", b=TaskOptions(trigger_rule=TriggerRule.ONE_FAILED))
    run_id = bench.trigger()
    bench.end("a", HELD)
    with pytest.raises(SchedulerError, match=r"task 'b' of run .* runs now: wait for its end"):
        bench.resume(run_id, "a")
    bench.end("b")
    bench.resume(run_id, "a")
    bench.end("a")
    assert bench.states(run_id)["b"] == "skipped"


def test_a_run_that_is_being_cancelled_and_a_scheduler_that_stops_go_on_with_nothing() -> None:
    bench = bench_with("a; x")
    run_id = bench.trigger()
    bench.end("a", HELD)
    bench.cancel(run_id)
    with pytest.raises(SchedulerError, match="is being cancelled"):
        bench.resume(run_id, "a")
    bench.end("x")
    bench.engine.drain()
    with pytest.raises(SchedulerError, match="is stopping"):
        bench.resume(run_id, "a")


def test_a_kernel_kept_for_a_task_that_is_cancelled_before_it_starts_is_released() -> None:
    bench = bench_with("a", max_workers=1)
    run_id = bench.trigger()
    bench.end("a", HELD)
    bench.trigger()  # takes the worker
    bench.resume(run_id, "a")
    bench.cancel(run_id)
    assert "release a:1" in bench.said


def test_the_oldest_kernel_goes_when_more_are_held_than_there_are_workers() -> None:
    bench = bench_with("a", max_workers=2)
    runs = [bench.trigger() for _ in range(3)]
    for run_id in runs:
        (key,) = (key for key in bench.running if key.run_id == run_id)
        bench.end_key(key, HELD)
    assert [key.run_id for key in bench.engine.held] == runs[1:]
    assert bench.said.count("release a:1") == 1
    with pytest.raises(SchedulerError, match="no kernel is held for task 'a'"):
        bench.resume(runs[0], "a")


def test_what_there_is_not_is_named() -> None:
    bench = bench_with("load >> total")
    run_id = bench.trigger()
    with pytest.raises(NotFound, match=r"has no task 'lod' .did you mean 'load'.*there are load, total"):
        bench.resume(run_id, "lod")
    with pytest.raises(NotFound, match="no run 'd/7'"):
        bench.resume("d/7", "load")
    bench.end("load", HELD)
    assert run_id not in bench.engine.runs
    del bench.engine.dags["d"]
    with pytest.raises(NotFound, match="no DAG 'd'"):
        bench.resume(run_id, "load")


def test_a_run_goes_on_with_the_newest_version_of_its_dag() -> None:
    bench = bench_with("a >> b; old")
    run_id = bench.trigger()
    bench.end("old")
    bench.end("a", HELD)
    newer = dag_spec("d", "a >> b; new")
    bench.register(newer, scheduled=False)
    bench.resume(run_id, "a")
    assert {key.task_id for key in bench.running} == {"a", "new"}
    bench.end("new")
    bench.end("a")
    bench.end("b")
    assert bench.run_states()[run_id] == "success"
    last = bench.events[-1]
    assert last.version == newer.version  # type: ignore[union-attr]


def test_what_was_ready_when_its_upstream_failed_waits_again_for_the_resumed_one() -> None:
    bench = Bench(max_workers=1)
    options = {"b": TaskOptions(trigger_rule=TriggerRule.ALL_DONE)}
    bench.register(dag_spec("d", "a >> b; c", options=options), scheduled=False)
    run_id = bench.trigger()
    bench.end("a", HELD)  # c has the only worker now, and b is ready
    bench.resume(run_id, "a")
    bench.end("c")
    assert [key.task_id for key in bench.running] == ["a"]
    bench.end("a")
    bench.end("b")
    assert bench.run_states() == {run_id: "success"}
