from __future__ import annotations

from datetime import timedelta

from ppacer_nb.model.grid import GridCell, GridRun
from ppacer_nb.model.history import begun, latest_states
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.store.queries import History
from ppacer_nb.testing import Does, World, dag_spec, simulated
from tests.engine.bench import T0, Every

NO = ValueError("no")


def check(history: History, dag_id: str) -> list[GridRun]:
    """Check that the grid says of all runs what the run history says of each, and return it."""
    found = history.grid(dag_id, limit=1000)
    records = history.runs(dag_id=dag_id, limit=1000)
    assert [run.run_id for run in found] == [record.run_id for record in records]
    for run, record in zip(found, records, strict=True):
        for name in ("run_type", "logical_date", "state", "created_at", "started_at", "ended_at"):
            assert getattr(run, name) == getattr(record, name), (run.run_id, name)
        attempts = history.attempts(run.run_id)
        assert {cell.task_id: cell.state for cell in run.cells} == latest_states(attempts)
        latest = {attempt.task_id: attempt for attempt in begun(attempts)}
        for cell in run.cells:
            attempt = latest[cell.task_id]
            assert (cell.attempt, cell.started_at) == (attempt.attempt, attempt.started_at)
            if cell.attempt:
                assert cell.ended_at == attempt.ended_at
    return found


def test_it_says_what_the_history_says_of_each_run() -> None:
    with simulated(T0) as world:
        world.script["b"] = [NO, "mended"]
        world.scheduler.register(
            dag_spec("d", "a >> b >> c", options=TaskOptions(retries=1), schedule=Every(600))
        )
        world.scheduler.register(dag_spec("other", "a", schedule=Every(60)))
        world.advance("15m")
        mended, *_ = check_after(world)
        assert [(c.task_id, c.state, c.attempt) for c in mended.cells] == [
            *[("a", AttemptState.SUCCESS, 1), ("b", AttemptState.SUCCESS, 2), ("c", AttemptState.SUCCESS, 1)],
        ]
        world.script["b"] = NO
        world.advance("10m")
        failed, *_ = check_after(world)
        assert [(c.state, c.attempt) for c in failed.cells] == [
            *[(AttemptState.SUCCESS, 1), (AttemptState.FAILED, 2), (AttemptState.UPSTREAM_FAILED, 0)],
        ]
        world.script["b"] = Does(after="5m")
        world.scheduler.restart(failed.run_id)
        world.advance("1m")
        goes_on, *_ = check_after(world)
        assert (goes_on.state, goes_on.ended_at, goes_on.duration) == (RunState.RUNNING, None, None)
        assert [c.state for c in goes_on.cells] == [AttemptState.SUCCESS, AttemptState.RUNNING]
        world.advance("9m")
        assert [run.state for run in check_after(world)] == [RunState.SUCCESS] * 3


def check_after(world: World) -> list[GridRun]:
    world.scheduler.flush()
    return check(world.scheduler.history, "d")


def test_the_latest_runs_come_first_and_what_is_new_can_be_asked_for() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.advance("5m")
        world.scheduler.flush()
        history = world.scheduler.history
        newest, second, *_ = all_runs = history.grid("d")
        assert [run.logical_date for run in all_runs] == [T0 + timedelta(minutes=n) for n in (5, 4, 3, 2, 1)]
        assert history.grid("d", limit=2) == [newest, second]
        assert history.grid("d", since=second.place) == [newest, second]
        assert history.grid("d", since=newest.place + 1) == []
        assert history.grid("nothing") == []


def test_how_long_something_took_is_known_only_once_it_has_ended_and_the_clock_was_right() -> None:
    begin, end = T0, T0 + timedelta(seconds=2)
    assert GridCell("a", AttemptState.SUCCESS, 1, begin, end).duration == timedelta(seconds=2)
    assert GridCell("a", AttemptState.RUNNING, 1, begin, None).duration is None
    assert GridCell("a", AttemptState.SUCCESS, 1, end, begin).duration is None
    assert GridCell("a", AttemptState.SKIPPED, 0, None, end).duration is None
