"""Which tasks get the workers when there are more tasks than workers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, Bench

MANY = 10_000


def side_by_side(id: str, tasks: int, **head: Any) -> DagSpec:
    return dag_spec(id, ";".join(f"t{n}" for n in range(tasks)), **head)


def triggered(bench: Bench, *dags: DagSpec) -> None:
    for dag in dags:
        bench.register(dag)
        bench.trigger(dag.id)


def served(bench: Bench, count: int) -> list[str]:
    """Let what has run longest end, again and again, and return whose tasks get the next workers."""
    before = len(bench.jobs)
    while len(bench.jobs) < before + count:
        bench.end_key(next(iter(bench.running)))
    return [job.run.dag_id for job in bench.jobs[before:]]


@pytest.mark.parametrize("workers", [1, 4])
def test_ten_thousand_ready_tasks_leave_every_second_worker_to_a_small_dag(workers: int) -> None:
    bench = Bench(max_workers=workers)
    triggered(bench, side_by_side("big", MANY), side_by_side("small", 20))
    assert served(bench, 40) == ["small", "big"] * 20


def test_the_next_task_of_a_chain_gets_the_next_free_worker() -> None:
    bench = Bench(max_workers=4)
    triggered(bench, side_by_side("big", MANY), dag_spec("small", "a >> b >> c >> d >> e"))
    assert served(bench, 17) == [*(["small", "big", "big", "big"] * 4), "small"]


def test_a_pool_gives_its_slots_in_turn_and_keeps_nobody_from_the_workers() -> None:
    bench = Bench(max_workers=3, pools={"db": 1})
    of_db = TaskOptions(pool="db")
    triggered(bench, side_by_side("big", MANY, options=of_db), side_by_side("small", 10, options=of_db))
    triggered(bench, side_by_side("other", 10))
    assert Counter(key.run_id.split("/")[0] for key in bench.running) == {"big": 1, "other": 2}
    order = served(bench, 20)
    assert [dag_id for dag_id in order if dag_id != "other"][:10] == ["small", "big"] * 5
    assert order.count("other") == 8  # all that were left: two workers are theirs alone


def test_max_active_tasks_counts_all_runs_of_a_dag_and_leaves_the_other_workers_to_others() -> None:
    bench = Bench(max_workers=5)
    dag = side_by_side("big", MANY, max_active_tasks=2)
    triggered(bench, dag, side_by_side("small", 10))
    bench.trigger("big")
    seen = []
    for _ in range(30):
        seen.append(Counter(key.run_id.split("/")[0] for key in bench.running))
        bench.end_key(next(iter(bench.running)))
    assert {running["big"] for running in seen} == {1, 2}
    assert {running.total() for running in seen[:8]} == {5}
    assert seen[-1] == {"big": 2}


def test_a_retry_that_waits_does_not_count_for_max_active_tasks() -> None:
    bench = Bench()
    options = TaskOptions(retries=1, retry_delay=timedelta(seconds=5))
    triggered(bench, side_by_side("d", 2, options=options, max_active_tasks=1))
    bench.end("t0", BAD)
    assert [key.task_id for key in bench.running] == ["t1"]
    bench.wait(5)
    assert [key.task_id for key in bench.running] == ["t1"]
    bench.end("t1")
    assert [key.task_id for key in bench.running] == ["t0"]


def test_a_new_version_with_more_room_fills_it_at_once() -> None:
    bench = Bench()
    triggered(bench, side_by_side("d", 5, max_active_tasks=1))
    assert len(bench.running) == 1
    bench.register(side_by_side("d", 5, max_active_tasks=3))
    assert len(bench.running) == 3
    bench.register(side_by_side("d", 5))
    assert len(bench.running) == 5


def test_a_higher_priority_goes_before_all_that_waits() -> None:
    bench = Bench(max_workers=1)
    triggered(bench, side_by_side("big", MANY), side_by_side("urgent", 3, priority=1))
    triggered(bench, side_by_side("idle", 3, priority=-1))
    assert served(bench, 6) == ["urgent"] * 3 + ["big"] * 3


def test_the_priority_of_a_task_wins_over_that_of_its_dag() -> None:
    bench = Bench(max_workers=1)
    options = {"b": TaskOptions(priority=0), "d": TaskOptions(priority=9)}
    triggered(bench, dag_spec("d", "a; b; c; d", options=options, priority=5))
    served(bench, 3)
    assert [job.task.id for job in bench.jobs] == ["d", "a", "c", "b"]


def test_of_a_dag_the_older_run_comes_first() -> None:
    bench = Bench(max_workers=1)
    dag = side_by_side("d", 3)
    triggered(bench, dag)
    bench.wait(1)
    bench.trigger("d")
    served(bench, 5)
    runs = [job.run.run_id for job in bench.jobs]
    assert runs == sorted(runs)
