from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ppacer_nb.errors import NotRunning
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.scheduler.clock import SystemClock
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.store.store import Store
from ppacer_nb.testing import Does, SimulatedClock, StoreContract, dag_spec, simulated

T0 = datetime(2027, 3, 1, tzinfo=UTC)


class TestStoreInMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with Store(None) as store:
            yield store


class TestStoreInAFile(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with Store(tmp_path / "ppacer.duckdb") as store:
            yield store


def test_time_stands_still_until_it_is_told_to_move() -> None:
    with simulated(T0) as world:
        assert world.clock.now() == T0
        world.advance("90s")
        assert world.clock.now() == T0 + timedelta(seconds=90)


def test_a_task_takes_as_long_as_its_script_says() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does("done", after="5m")
        assert world.run(dag_spec("d", "a >> b")) is RunState.SUCCESS
        run = world.scheduler.history.runs()[0]
        a, b = world.scheduler.history.attempts(run.run_id)
        assert a.duration(T0) == timedelta(minutes=5)
        assert b.started_at == T0 + timedelta(minutes=5)
        assert a.value_preview == "'done'"


def test_a_list_in_the_script_is_one_entry_for_each_attempt() -> None:
    with simulated(T0) as world:
        world.script["a"] = [OSError("full"), Does(OSError("slow"), after=3), 7]
        options = TaskOptions(retries=5, retry_delay=timedelta(hours=1))
        assert world.run(dag_spec("d", "a", options=options)) is RunState.SUCCESS
        assert world.started == [("a", 1), ("a", 2), ("a", 3)]
        assert world.clock.now() == T0 + timedelta(hours=2, seconds=3)


def test_a_scripted_task_prints_and_stops_when_it_is_told() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h", prints=["one", "two"])
        options = TaskOptions(timeout=timedelta(minutes=1))
        assert world.run(dag_spec("d", "a", options=options)) is RunState.FAILED
        run = world.scheduler.history.runs()[0]
        world.scheduler.flush()
        assert [record.line.message for record in world.scheduler.history.logs(run.run_id)] == ["one", "two"]
        assert world.executor.stopped == [(run.run_id, "a", 1)]
        world.advance("2h")
        assert [a.state for a in world.scheduler.history.attempts(run.run_id)] == [AttemptState.FAILED]


def test_stopping_the_world_interrupts_what_runs() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="1h")
        world.scheduler.register(dag_spec("d", "a"), scheduled=False)
        _, end = world.scheduler.trigger_run("d")
        world.advance("1m")
        assert not end.done()
    with pytest.raises(NotRunning, match="stopped before the run ended"):
        end.result(timeout=0)


def test_a_jump_says_whether_there_was_anything_to_wait_for() -> None:
    with simulated(T0) as world:
        assert not world.clock.jump()
        world.script["a"] = Does(after="1h")
        world.scheduler.register(dag_spec("d", "a", options=TaskOptions(timeout=None)), scheduled=False)
        world.scheduler.trigger("d")
        assert world.clock.jump()
        assert world.clock.now() == T0 + timedelta(hours=1)
        assert not world.clock.jump()


def test_a_scheduler_that_hangs_is_an_error_and_not_a_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppacer_nb.testing.clock.PATIENCE", timedelta(0))
    clock = SimulatedClock(T0)
    with pytest.raises(TimeoutError, match="still at work"):
        clock.advance("1m")


def test_the_same_world_twice_gives_the_same_history() -> None:
    def history() -> list[tuple[object, ...]]:
        with simulated(T0) as world:
            world.script["b"] = [Does(ValueError("x"), after=2), Does(1, after=1)]
            options = TaskOptions(retries=1, retry_delay=timedelta(seconds=1))
            world.run(dag_spec("d", "a >> b, c >> d; e", options=options))
            return list(
                map(tuple, world.scheduler.history.sql("SELECT * FROM task_events ORDER BY seq").rows)
            )

    assert history() == history()


def test_the_notation_of_dags() -> None:
    dag = dag_spec("d", "a >> b, c >> d; e; a >> d", options={"e": TaskOptions(retries=2)})
    assert {id: task.upstreams for id, task in dag.tasks.items()} == {
        "a": (),
        "e": (),
        "b": ("a",),
        "c": ("a",),
        "d": ("b", "c", "a"),
    }
    assert [dag.tasks[id].options.retries for id in "ae"] == [0, 2]


def test_the_functions_of_scripted_tasks_are_not_called() -> None:
    before = threading.active_count()
    with simulated(T0) as world:
        world.run(dag_spec("d", "a"))
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("ppacer-task")]
    assert threading.active_count() == before


def test_the_system_clock_is_aware_and_in_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
