"""Backfills with the real loop, engine and store in simulated time."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ppacer_nb.errors import InvalidOption, NotFound
from ppacer_nb.model.backfill import BackfillRecord
from ppacer_nb.model.history import RunRecord
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.scheduler.run_once import run_once
from ppacer_nb.schedules import cron
from ppacer_nb.status import BackfillState
from ppacer_nb.testing import Does, World, dag_spec, simulated
from tests.engine.bench import T0, Every

NO = ValueError("no")
HOUR = timedelta(hours=1)


def progress(world: World) -> tuple[str, int, int, int]:
    record: BackfillRecord = world.scheduler.backfills()[0]
    return record.state.value, record.done, record.runs, record.failed


def test_it_says_how_far_it_has_come_and_its_runs_say_whose_they_are() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(dag_spec("d", "a", schedule=Every(3600)))
        plan = world.scheduler.backfill("d", T0 - 3 * HOUR, T0 - HOUR, by="Ola")
        assert progress(world) == ("running", 0, 3, 0)
        world.advance("10m")
        assert progress(world) == ("running", 1, 3, 0)
        world.scheduler.pause_backfill("d", by="Jan")
        world.advance("30m")
        assert progress(world) == ("paused", 2, 3, 0)
        world.script["a"] = NO
        world.scheduler.resume_backfill("d")
        world.advance("1m")
        assert progress(world) == ("finished", 3, 3, 1)
        history = world.scheduler.history
        reasons = history.sql("SELECT DISTINCT reason FROM run_events WHERE state = 'queued'").rows
        assert reasons == [(f"backfill {plan.backfill_id}",)]
        assert history.sql("SELECT event, backfill_id FROM schedule_events").rows == [
            *[("backfilled", plan.backfill_id)] * 3,
        ]
        assert history.sql("SELECT state, reason FROM backfill_events ORDER BY seq").rows == [
            *[("running", "asked for by Ola"), ("paused", "paused by Jan")],
            *[("running", "resumed by somebody"), ("finished", "")],
        ]
        assert history.sql("SELECT dag_id, runs, succeeded, failed, rerun FROM backfills").rows == [
            ("d", 3, 2, 1, "none")
        ]


def test_failed_dates_are_run_again_as_further_attempts_of_their_runs() -> None:
    with simulated(T0) as world:
        world.script["a"] = [NO, "mended"]
        world.scheduler.register(dag_spec("d", "a >> b", schedule=Every(3600), params={"x": 1}))
        first = world.scheduler.backfill("d", T0 - 3 * HOUR, T0 - HOUR)
        world.advance(0)
        assert progress(world) == ("finished", 3, 3, 3)
        left_out = world.scheduler.backfill("d", T0 - 4 * HOUR, T0 - HOUR, dry_run=True)
        assert (len(left_out.points), [s.why for s in left_out.skipped]) == (1, ["failed"] * 3)
        world.scheduler.backfill(
            "d", T0 - 4 * HOUR, T0 - HOUR, rerun="failed", concurrency=2, params={"x": 2}
        )
        world.advance(0)
        # of the run that is new, the first attempt fails as the script says
        assert progress(world) == ("finished", 4, 4, 1)
        runs = world.scheduler.history.runs(dag_id="d")
        assert sorted((run.restarts, run.params["x"]) for run in runs) == [(0, 2), (1, 2), (1, 2), (1, 2)]
        assert [b.backfill_id for b in world.scheduler.backfills()][-1] == first.backfill_id


def test_it_goes_on_under_the_next_scheduler_once_its_dag_is_defined(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    dag = dag_spec("d", "a", schedule=Every(3600))
    with simulated(T0, store=path) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(dag)
        world.scheduler.backfill("d", T0 - 4 * HOUR, T0 - HOUR)
        world.advance("15m")
    with OfflineScheduler(path) as offline:
        (record,) = offline.backfills()
        assert (record.state, record.done, record.runs) == (BackfillState.RUNNING, 1, 4)
    with simulated(T0 + timedelta(minutes=20), store=path) as world:
        world.advance("10m")
        assert world.started == []
        world.scheduler.register(dag)
        world.advance(0)
        dates = [job.run.logical_date for job in world.executor.started]
        assert dates == [T0 - 3 * HOUR, T0 - 2 * HOUR, T0 - HOUR]  # the first ran when its scheduler stopped
        assert progress(world) == ("finished", 4, 4, 0)
    with simulated(T0 + HOUR / 2, store=path) as world:
        world.scheduler.register(dag)
        with pytest.raises(NotFound, match="no backfill of DAG 'd' is under way"):
            world.scheduler.cancel_backfill("d")


def test_running_its_dag_once_leaves_it_and_what_is_to_be_caught_up_to_a_scheduler(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    dag = dag_spec("d", "a", schedule=Every(3600), max_active_runs=1)
    with simulated(T0, store=path) as world:
        world.scheduler.register(dag)
        world.advance("1h")
    with simulated(T0 + 5.5 * HOUR, store=path) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(dag)
        world.scheduler.catchup("d", "all")
        world.scheduler.backfill("d", T0 - 4 * HOUR, T0 - HOUR)
    ids = {run.run_id for run in history_of(path)}
    result = run_once(dag, store=path, executor="thread")
    assert {run.run_id for run in history_of(path)} == {*ids, result.run_id}
    with OfflineScheduler(path) as offline:
        (record,) = offline.backfills()
        assert (record.state, record.done, record.runs) == (BackfillState.RUNNING, 0, 4)
        assert len(offline.history.unfinished()) == 2


def history_of(path: Path) -> list[RunRecord]:
    with OfflineScheduler(path) as offline:
        return offline.history.runs()


def test_dates_are_read_in_the_timezone_of_the_dag() -> None:
    zone = ZoneInfo("Europe/Warsaw")
    daily = dag_spec("d", "a", schedule=cron("15 6 * * *").in_timezone(zone), timezone=zone)
    with simulated(T0) as world:
        world.scheduler.register(daily, scheduled=False)
        plan = world.scheduler.backfill("d", "2026-11-20", date(2026, 11, 22), dry_run=True)
        assert [f"{p.astimezone(zone):%d %H:%M}" for p in plan.points] == ["20 06:15", "21 06:15", "22 06:15"]
        assert world.scheduler.backfills() == []
        with pytest.raises(InvalidOption, match="ends before it begins"):
            world.scheduler.backfill("d", "2026-11-22", "2026-11-20")


def test_a_cancelled_one_stops_what_it_runs() -> None:
    with simulated(T0) as world:
        world.script["a"] = Does(after="10m")
        world.scheduler.register(dag_spec("d", "a", schedule=Every(3600)))
        world.scheduler.backfill("d", T0 - 4 * HOUR, T0 - HOUR, concurrency=3)
        world.scheduler.cancel_backfill("d", by="Ola")
        world.advance(0)
        assert progress(world) == ("cancelled", 3, 4, 3)
        assert {run.state.value for run in world.scheduler.history.runs()} == {"cancelled"}


def test_what_is_told_of_backfills_is_what_the_view_says() -> None:
    with simulated(T0) as world:
        world.script["a"] = [NO, "mended"]
        for id in ("d", "e"):
            world.scheduler.register(dag_spec(id, "a", schedule=Every(3600)))
        world.scheduler.backfill("d", T0 - 3 * HOUR, T0 - HOUR)
        world.advance(0)
        world.scheduler.backfill("d", T0 - 3 * HOUR, T0 - HOUR, rerun="failed")
        world.advance(0)
        world.script["a"] = Does(after="10m")
        world.scheduler.backfill("e", T0 - 2 * HOUR, T0 - HOUR, by="Ola")
        world.scheduler.cancel_backfill("e", by="Jan")
        world.scheduler.backfill("e", T0 - 2 * HOUR, T0 - HOUR)
        world.advance("1m")
        told = [
            (b.backfill_id, b.dag_id, b.state, b.runs, b.succeeded, b.failed, b.concurrency, b.reason)
            for b in world.scheduler.backfills()
        ]
        columns = "backfill_id, dag_id, state, runs, succeeded, failed, concurrency, reason"
        view = world.scheduler.history.sql(f"SELECT {columns} FROM backfills ORDER BY seq DESC").rows
        assert told == [tuple(row) for row in view]
        assert [b.state.value for b in world.scheduler.backfills()] == [
            *["running", "cancelled", "finished", "finished"],
        ]
        assert world.scheduler.history.backfills(limit=1) == world.scheduler.backfills()[:1]
