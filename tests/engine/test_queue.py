from __future__ import annotations

from ppacer_nb.engine.queue import Limits, ReadyQueue, ReadyTask


def _queue(*tasks: str, max_workers: int = 100, **pools: int) -> ReadyQueue:
    """Tasks as "dag/run task" or "dag/run task pool"."""
    queue = ReadyQueue(Limits(max_workers, pools))
    for text in tasks:
        run_id, task_id, *pool = text.split()
        queue.put(ReadyTask(run_id, run_id.split("/")[0], task_id, pool[0] if pool else None))
    return queue


def _taken(queue: ReadyQueue) -> list[str]:
    taken = []
    while (task := queue.take()) is not None:
        taken.append(f"{task.run_id} {task.task_id}")
    return taken


def test_dags_take_turns_and_within_a_dag_the_first_ready_is_the_first_served() -> None:
    queue = _queue("a/1 x", "a/1 y", "a/2 z", "b/1 x", "c/1 x", "b/1 y")
    assert _taken(queue) == ["a/1 x", "b/1 x", "c/1 x", "a/1 y", "b/1 y", "a/2 z"]


def test_no_more_tasks_than_workers() -> None:
    queue = _queue("a/1 x", "a/1 y", "a/1 z", max_workers=2)
    assert _taken(queue) == ["a/1 x", "a/1 y"]
    assert (queue.busy, len(queue)) == (2, 1)
    queue.release(None)
    assert _taken(queue) == ["a/1 z"]


def test_a_full_pool_lets_others_pass() -> None:
    queue = _queue("a/1 x db", "a/1 y db", "a/1 z", "b/1 x db", db=1)
    assert _taken(queue) == ["a/1 x", "a/1 z"]
    queue.release("db")
    assert _taken(queue) == ["b/1 x"]
    queue.release("db")
    assert _taken(queue) == ["a/1 y"]
    assert len(queue) == 0


def test_what_waits_of_a_run_can_be_forgotten() -> None:
    queue = _queue("a/1 x", "a/2 x", "b/1 x")
    queue.discard("a/1", ["x", "y"])
    queue.discard("b/1", ["x", "y"])
    assert _taken(queue) == ["a/2 x"]
