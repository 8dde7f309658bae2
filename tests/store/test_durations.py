"""How long tasks took lately."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ppacer_nb.model.events import TaskEvent
from ppacer_nb.status import AttemptState
from ppacer_nb.store.durations import RUNS, SUCCESSES
from ppacer_nb.store.store import Store
from tests.store.events import T0, run_event

RUNNING, SUCCESS, FAILED = AttemptState.RUNNING, AttemptState.SUCCESS, AttemptState.FAILED


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(None) as store:
        yield store


def ran(store: Store, number: int, seconds: float, end: AttemptState = SUCCESS, dag: str = "d") -> None:
    """Let a run have had an attempt of its task ``a`` that took this long."""
    run_id = f"{dag}/{number}"
    begin = TaskEvent(run_id, "a", 1, RUNNING, T0, queued_at=T0)
    ended = TaskEvent(run_id, "a", 1, end, T0 + timedelta(seconds=seconds))
    store.log.events([run_event(run_id), begin, ended])
    store.log.flush()


def durations(store: Store, *tasks: str) -> dict[str, list[float]]:
    found = store.history.durations("d", tasks or ("a",))
    return {id: [one.total_seconds() for one in of_task] for id, of_task in found.items()}


def test_the_newest_come_first(store: Store) -> None:
    ran(store, 1, 5)
    ran(store, 2, 7)
    assert durations(store) == {"a": [7, 5]}


def test_only_successes_of_the_dag_count(store: Store) -> None:
    ran(store, 1, 5)
    ran(store, 2, 9, FAILED)
    ran(store, 3, 11, dag="e")
    ran(store, 4, -1)  # the clock was put back
    assert durations(store) == {"a": [5]}
    assert durations(store, "b") == {}
    assert store.history.durations("d", []) == {}


def test_a_task_that_was_marked_took_no_time(store: Store) -> None:
    store.log.events([run_event("d/1"), TaskEvent("d/1", "a", 0, SUCCESS, T0)])
    store.log.flush()
    assert durations(store) == {}


def test_each_success_of_a_task_that_ran_again_counts(store: Store) -> None:
    ran(store, 1, 5)
    again = [
        TaskEvent("d/1", "a", 2, RUNNING, T0, queued_at=T0),
        TaskEvent("d/1", "a", 2, SUCCESS, T0 + timedelta(seconds=3)),
    ]
    store.log.events(again)
    store.log.flush()
    assert durations(store) == {"a": [3, 5]}


def test_what_lies_long_ago_is_not_looked_at(store: Store) -> None:
    for number in range(RUNS + 3):
        ran(store, number, number + 1, SUCCESS if number < 3 else FAILED)
    assert durations(store) == {}
    for number in range(100, 100 + SUCCESSES + 2):
        ran(store, number, number)
    assert durations(store) == {"a": [float(number) for number in range(111, 101, -1)]}
