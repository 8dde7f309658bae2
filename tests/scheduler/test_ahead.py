"""Runs are recorded a little ahead of their points, and their tasks begin at the points and not before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ppacer_nb.status import RunState
from ppacer_nb.testing import Does, SimulatedClock, World, dag_spec, simulated
from tests.engine.bench import T0, Every

LEAD = timedelta(milliseconds=5)
MS = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with simulated(T0, store=tmp_path / "p.duckdb") as found:
        found.clock.lead = LEAD
        yield found


def states(world: World) -> list[RunState]:
    return [run.state for run in world.scheduler.history.runs()]


def test_a_run_is_on_disk_before_its_point_and_its_task_begins_at_it(world: World) -> None:
    world.register(dag_spec("d", "a", schedule=Every(60)))
    world.advance(MINUTE - 6 * MS)
    assert states(world) == []
    world.advance(2 * MS)
    assert states(world) == [RunState.RUNNING]
    assert world.started == []
    world.advance(4 * MS - timedelta(microseconds=1))
    assert world.started == []
    world.advance(timedelta(microseconds=1))
    assert world.started == [("a", 1)]
    (run,) = world.scheduler.history.runs()
    assert run.created_at == run.started_at == run.logical_date == T0 + MINUTE


def test_every_point_becomes_one_run(world: World) -> None:
    for number in range(3):
        world.register(dag_spec(f"d{number}", "a", schedule=Every(60)))
    world.advance(timedelta(hours=1) - 2 * MS)
    assert [run.logical_date for run in world.scheduler.history.runs(dag_id="d1", limit=100)] == [
        T0 + n * MINUTE for n in range(60, 0, -1)
    ]
    assert len(world.started) == 3 * 59


def test_what_is_to_end_at_a_time_does_not_end_ahead_of_it(world: World) -> None:
    world.script["a"] = Does(after="30s")
    world.register(dag_spec("slow", "a", timeout=timedelta(seconds=30)))
    world.register(dag_spec("d", "b", schedule=Every(30)))
    world.scheduler.trigger("slow")
    world.advance(timedelta(seconds=30) - 2 * MS)
    assert world.executor.stopped == []


def test_a_run_that_is_cancelled_ahead_of_its_point_never_begins(world: World) -> None:
    world.register(dag_spec("d", "a", schedule=Every(60)))
    world.advance(MINUTE - 2 * MS)
    (run,) = world.scheduler.history.runs()
    world.scheduler.cancel(run.run_id)
    world.advance(MINUTE / 2)
    assert world.started == []
    assert states(world) == [RunState.CANCELLED]


def test_a_dag_that_is_paused_ahead_of_a_point_has_that_run_and_no_other(world: World) -> None:
    world.register(dag_spec("d", "a", schedule=Every(60)))
    world.advance(MINUTE - 2 * MS)
    world.scheduler.pause("d")
    world.advance(3 * MINUTE)
    assert world.started == [("a", 1)]


def test_a_scheduler_that_ends_ahead_of_a_point_leaves_its_run_to_the_next(world: World) -> None:
    dag = dag_spec("d", "a", schedule=Every(60))
    world.register(dag)
    world.advance(MINUTE - 2 * MS)
    world.restart(down_for=timedelta(seconds=1))
    assert world.started == []
    world.register(dag)
    world.advance(0)
    assert world.started == [("a", 2)]  # the first attempt was never begun, and uses up no retry
    world.advance(30)
    assert states(world) == [RunState.SUCCESS]


def test_a_clock_that_is_put_back_ahead_of_a_point_doubles_nothing_and_holds_nothing_up(
    world: World,
) -> None:
    world.register(dag_spec("d", "a", schedule=Every(60)))
    world.advance(MINUTE - 2 * MS)
    world.clock.put(T0 - timedelta(hours=1))
    assert world.started == [("a", 1)]
    world.advance(timedelta(hours=1) + MINUTE + MS)
    assert len(world.started) == 1
    world.advance(MINUTE)
    assert len(world.started) == 2


def test_it_wakes_ahead_of_a_point_and_at_it_and_not_in_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    wait = SimulatedClock.wait

    async def noted(clock: SimulatedClock, until: datetime | None, news: object) -> None:
        if until is not None:
            waits.append((until - T0).total_seconds())
        await wait(clock, until, news)  # type: ignore[arg-type]

    monkeypatch.setattr(SimulatedClock, "wait", noted)
    world.register(dag_spec("d", "a", schedule=Every(60)))
    world.advance(3 * MINUTE - timedelta(seconds=1))
    assert set(waits) == {59.995, 60, 119.995, 120, 179.995}
    assert len(waits) < 30, "it went round and round"
