from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.engine.queue import Limits, ReadyQueue, ReadyTask


def _queue(*tasks: str, max_workers: int = 100, **pools: int) -> ReadyQueue:
    """Tasks as "dag/run task", with a pool, a priority or both behind it."""
    queue = ReadyQueue(Limits(max_workers, pools))
    for text in tasks:
        queue.put(_task(text))
    return queue


def _task(text: str) -> ReadyTask:
    run_id, task_id, *more = text.split()
    pool = next((word for word in more if word.isalpha()), None)
    priority = next((int(word) for word in more if not word.isalpha()), 0)
    return ReadyTask(run_id, run_id.split("/")[0], task_id, pool, priority)


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
    queue.release("a", None)
    assert _taken(queue) == ["a/1 z"]


def test_a_full_pool_lets_others_pass() -> None:
    queue = _queue("a/1 x db", "a/1 y db", "a/1 z", "b/1 x db", db=1)
    assert _taken(queue) == ["a/1 x", "a/1 z"]
    queue.release("a", "db")
    assert _taken(queue) == ["b/1 x"]
    queue.release("b", "db")
    assert _taken(queue) == ["a/1 y"]
    assert len(queue) == 0


def test_what_waits_of_a_run_can_be_forgotten() -> None:
    queue = _queue("a/1 x", "a/2 x", "b/1 x")
    queue.discard("a/1", ["x", "y"])
    queue.discard("b/1", ["x", "y"])
    assert _taken(queue) == ["a/2 x"]
    assert len(queue) == 0


def test_what_is_forgotten_in_front_gives_its_place_to_what_is_behind() -> None:
    queue = _queue("a/1 x 9", "a/1 y 1", "b/1 x 5")
    queue.discard("a/1", ["x"])
    assert _taken(queue) == ["b/1 x", "a/1 y"]


def test_the_higher_priority_comes_first_in_a_dag_and_among_dags() -> None:
    queue = _queue("a/1 x", "a/1 y 2", "b/1 x 1", "b/1 y -1", "c/1 x 2")
    assert _taken(queue) == ["a/1 y", "c/1 x", "b/1 x", "a/1 x", "b/1 y"]


def test_a_full_pool_lets_lower_priorities_pass() -> None:
    queue = _queue("a/1 x db 9", "a/1 y db 9", "a/1 z 1", "b/1 x 2", db=1)
    assert _taken(queue) == ["a/1 x", "b/1 x", "a/1 z"]


def test_among_equals_the_dag_that_was_served_longest_ago_comes_first_whatever_it_was_served() -> None:
    queue = _queue("a/1 x 1", "a/1 y", "b/1 x", "b/1 y")
    assert _taken(queue) == ["a/1 x", "b/1 x", "a/1 y", "b/1 y"]


def test_a_dag_at_its_limit_lets_others_pass_whatever_their_priority() -> None:
    queue = _queue("a/1 x 9", "a/2 y 9", "a/2 z db 9", "b/1 x", db=1)
    queue.limit("a", 1)
    assert _taken(queue) == ["a/1 x", "b/1 x"]
    queue.release("b", None)
    assert _taken(queue) == []
    queue.release("a", None)
    assert _taken(queue) == ["a/2 y"]
    queue.limit("a", 2)
    assert _taken(queue) == ["a/2 z"]
    queue.limit("a", None)
    queue.put(_task("a/3 x"))
    queue.limit("a", 1)  # a new version has less room than runs of the old one take
    queue.release("a", None)
    assert _taken(queue) == []
    queue.release("a", "db")
    assert _taken(queue) == ["a/3 x"]


class Reference:
    """The rule as it is written: of all tasks that may start, the first by priority, turn and age."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.dag_limits: dict[str, int | None] = {}
        self.waiting: list[ReadyTask] = []
        self.running: list[ReadyTask] = []
        self.served: list[str] = []  # the DAGs, in the order in which they were given workers

    def take(self) -> ReadyTask | None:
        may_start = [task for task in self.waiting if self._may_start(task)]
        if not may_start or len(self.running) >= self.limits.max_workers:
            return None
        task = min(may_start, key=lambda task: (-task.priority, self._turn(task), self.waiting.index(task)))
        self.waiting.remove(task)
        self.running.append(task)
        self.served.append(task.dag_id)
        return task

    def _turn(self, task: ReadyTask) -> int:
        """Return the place of the last time that the task's DAG was served; before all, if it never was."""
        places = [place for place, dag_id in enumerate(self.served) if dag_id == task.dag_id]
        return places[-1] if places else -1

    def _may_start(self, task: ReadyTask) -> bool:
        of_dag = Counter(t.dag_id for t in self.running)[task.dag_id]
        in_pool = Counter(t.pool for t in self.running)[task.pool]
        limit = self.dag_limits.get(task.dag_id)
        has_slot = task.pool is None or in_pool < self.limits.pools[task.pool]
        return has_slot and (limit is None or of_dag < limit)


@given(st.data(), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2))
def test_it_gives_out_what_the_rule_says(data: st.DataObject, workers: int, db: int, api: int) -> None:
    limits = Limits(workers, {"db": db, "api": api})
    queue, reference = ReadyQueue(limits), Reference(limits)
    actions = st.sampled_from(["put", "put", "put", "take", "take", "release", "discard", "limit"])
    for number in range(data.draw(st.integers(1, 60), "steps")):
        match data.draw(actions, "action"):
            case "put":
                dag_id = data.draw(st.sampled_from("abc"), "dag")
                pool, priority = (
                    data.draw(st.sampled_from([None, "db", "api"])),
                    data.draw(st.integers(-1, 1)),
                )
                task = ReadyTask(f"{dag_id}/1", dag_id, f"t{number}", pool, priority)
                queue.put(task)
                reference.waiting.append(task)
            case "take":
                assert queue.take() == reference.take()
            case "release" if reference.running:
                task = data.draw(st.sampled_from(reference.running), "ended")
                reference.running.remove(task)
                queue.release(task.dag_id, task.pool)
            case "discard" if reference.waiting:
                gone = data.draw(st.lists(st.sampled_from(reference.waiting), unique=True), "gone")
                reference.waiting = [task for task in reference.waiting if task not in gone]
                for task in gone:
                    queue.discard(task.run_id, [task.task_id, "none such"])
            case "limit":
                dag_id = data.draw(st.sampled_from("abc"), "limited")
                limit = data.draw(st.sampled_from([None, 1, 2]), "at")
                reference.dag_limits[dag_id] = limit
                queue.limit(dag_id, limit)
        assert (len(queue), queue.busy) == (len(reference.waiting), len(reference.running))
        in_pools = Counter(task.pool for task in reference.running)
        assert queue.slots_taken == {"db": in_pools["db"], "api": in_pools["api"]}


def _steps(action: Callable[[], object]) -> int:
    """Return how many calls, in Python and in C, an action makes: its cost, without a watch."""
    steps = 0

    def count(frame: object, what: str, arg: object) -> None:
        nonlocal steps
        steps += what in ("call", "c_call")

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return steps


def _a_busy_day(waiting: int) -> Callable[[], None]:
    """A pool that is full with `waiting` tasks of one DAG before it, and as many of a DAG at its limit."""
    queue = _queue("big/1 first db", "capped/1 first", db=1)
    queue.limit("capped", 1)
    _taken(queue)
    for number in range(waiting):
        queue.put(_task(f"big/{number} t db {number % 3}"))
        queue.put(_task(f"capped/{number} t {number % 3}"))

    def day() -> None:
        for number in range(90):
            assert queue.take() is None
            queue.put(_task(f"small/{number} t"))
            assert queue.take() is not None
            queue.release("small", None)
            queue.discard(f"big/{number}", ["t"])
            queue.discard(f"capped/{number}", ["t"])
        queue.release("big", "db")
        queue.release("capped", None)
        assert (len(_taken(queue)), len(queue)) == (2, 2 * waiting - 182)

    return day


def test_what_it_costs_does_not_depend_on_how_many_wait() -> None:
    few, many = _steps(_a_busy_day(100)), _steps(_a_busy_day(10_000))
    assert many == pytest.approx(few, rel=0.1)
