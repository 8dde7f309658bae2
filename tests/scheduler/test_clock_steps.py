"""A real scheduler and a real store while the clock is put forward and back, and after it was wrong."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import pytest

from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import RunState
from ppacer_nb.testing import Does, dag_spec, simulated
from ppacer_nb.views.answers import status
from ppacer_nb.views.reader import Reader
from tests.engine.bench import T0, Every

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_how_long_a_task_took_is_not_known_if_the_clock_was_put_back_meanwhile() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(dag_spec("d", "a", options=TaskOptions(timeout=11 * MINUTE)))
        run_id = world.scheduler.trigger("d")
        world.advance("5m")
        world.clock.put(T0 - HOUR)
        world.advance("5m")
        world.scheduler.flush()
        sql = "SELECT state, started_at, ended_at, duration FROM {} WHERE run_id = '{}'"
        for view in ("dag_runs", "task_runs"):
            ((state, started, ended, duration),) = world.scheduler.history.sql(sql.format(view, run_id)).rows
            assert state == "success"
            assert (started.replace(tzinfo=UTC), ended.replace(tzinfo=UTC)) == (T0, T0 - HOUR + 5 * MINUTE)
            assert duration is None
        run = world.scheduler.history.run(run_id)
        assert run is not None
        assert run.duration(world.clock.now()) is None


def test_a_run_that_went_on_after_the_clock_was_put_back_began_when_it_began_last() -> None:
    with simulated(T0) as world:
        world.script["a"] = [OSError("full"), Does(after="10m")]
        world.scheduler.register(dag_spec("d", "a"))
        run_id = world.scheduler.trigger("d")
        world.advance("5m")
        world.clock.put(T0 - HOUR)
        world.scheduler.restart(run_id)
        world.advance("10m")
        world.scheduler.flush()
        sql = "SELECT started_at, ended_at, duration FROM dag_runs"
        ((started, ended, duration),) = world.scheduler.history.sql(sql).rows
        assert (started.replace(tzinfo=UTC), ended.replace(tzinfo=UTC)) == (
            T0 - HOUR,
            T0 - HOUR + 10 * MINUTE,
        )
        assert duration == 10 * MINUTE


@pytest.mark.parametrize("step", [-HOUR, DAY])
def test_a_step_of_the_clock_times_no_task_out(step: timedelta) -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(
            dag_spec("d", "a", options=TaskOptions(timeout=11 * MINUTE), timeout=11 * MINUTE)
        )
        _, end = world.scheduler.trigger_run("d")
        world.advance("5m")
        world.clock.put(world.clock.now() + step)
        world.advance("5m")
        assert end.result(timeout=0) is RunState.SUCCESS


def test_a_task_that_hangs_is_timed_out_though_the_clock_was_put_back() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="10h")
        world.scheduler.register(dag_spec("d", "a", options=TaskOptions(timeout=10 * MINUTE)))
        _, end = world.scheduler.trigger_run("d")
        world.advance("5m")
        world.clock.put(T0 - DAY)
        world.advance("299s")
        assert not end.done()
        world.advance("1s")
        assert end.result(timeout=0) is RunState.FAILED


def test_a_history_that_goes_on_into_the_future_is_no_riddle(tmp_path: Path) -> None:
    store, dag = tmp_path / "x.duckdb", dag_spec("d", "a", schedule=Every(60))
    with simulated(T0 + DAY, store=store) as world:
        world.scheduler.register(dag)
        world.advance("90s")
    with simulated(T0, store=store) as world:
        world.scheduler.register(dag)
        world.advance("2m")
        assert world.started == []
        (summary,) = world.scheduler.dags()
        assert summary.next_point == T0 + DAY + 2 * MINUTE
        assert summary.problem.startswith(
            "its history goes up to 2026-11-24 05:16:00 UTC, which lies in the future"
        )
        info, reader = world.scheduler.info(), Reader(world.clock.now(), UTC)
        assert "d: its history goes up to" in status(info, [summary], {}, reader, here=True).text
        world.scheduler.trigger("d")
        world.scheduler.register(dag_spec("d_again", "a", schedule=Every(60)))
        world.advance("2m")
        assert len(world.started) == 3
        assert [d.problem for d in world.scheduler.dags()] == [summary.problem, ""]
        world.clock.put(T0 + DAY + MINUTE)
        assert world.scheduler.dags()[0].problem == ""
        before = len(world.started)
        world.advance("1m")
        assert len(world.started) == before + 2


def test_a_clock_that_was_put_back_says_which_dags_stand_still() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a", schedule=Every(60)))
        world.scheduler.register(dag_spec("by_hand", "a"))
        world.advance("10m")
        assert [d.problem for d in world.scheduler.dags()] == ["", ""]
        world.clock.put(T0 + 9.5 * MINUTE)  # within what counts as on time
        assert [d.problem for d in world.scheduler.dags()] == ["", ""]
        world.clock.put(T0)
        problems = {d.dag_id: d.problem for d in world.scheduler.dags()}
        assert "05:25:00 UTC, which lies in the future" in problems["d"]
        assert problems["by_hand"] == ""


def test_a_version_that_is_defined_after_the_clock_was_put_back_is_the_newest() -> None:
    with simulated(T0) as world:
        world.scheduler.register(dag_spec("d", "a"))
        world.clock.put(T0 - DAY)
        newer = dag_spec("d", "a >> b")
        world.scheduler.register(newer)
        world.scheduler.flush()
        newest = world.scheduler.history.dag_version("d")
        assert newest is not None
        assert newest.version == newer.version
        assert world.scheduler.history.sql("SELECT version FROM dags").rows == [(newer.version,)]
