"""One scheduler for a store: who holds it, who may join, and what is left when its process goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import psutil
import pytest

from ppacer_nb import DAG
from ppacer_nb.errors import (
    AlreadyRunning,
    InvalidOption,
    NotFound,
    NotRunning,
    SchedulerError,
    StoreLocked,
)
from ppacer_nb.model.overview import SchedulerInfo
from ppacer_nb.model.run_filter import RunFilter
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.server.address import Address, publish, published
from ppacer_nb.server.client import RemoteScheduler
from ppacer_nb.session import Session, find_scheduler
from ppacer_nb.status import BackfillState, RunState
from tests.faces import failing_dag, may_go_on, rows, sales_dag, waiting_dag

# A scheduler in a process of its own, with one long task in a kernel; it says when that runs.
HOLDER = """
import sys, time
from pathlib import Path
from ppacer_nb import DAG, task
from ppacer_nb.session import Session

@task(timeout=None)
def long():
    import subprocess, time
    subprocess.Popen(["sleep", "1000"])
    print("under way")
    time.sleep(1000)

with DAG("long") as dag:
    long()
session = Session()
scheduler = session.start(store=Path(sys.argv[1]))
session.register()
run_id, _ = scheduler.trigger_run("long")
import queue
changes = queue.SimpleQueue()
scheduler.subscribe(changes.put)
while not scheduler.history.logs(run_id):
    changes.get()
    scheduler.flush()
print("ready", flush=True)
sys.stdin.read()
"""

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "held.duckdb")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "JPY_SESSION_NAME": "reports/morning.ipynb"},
        )
    assert _stream(process.stdout).readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    _stream(process.stdin).close()
    _stream(process.stdout).close()


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def test_a_second_start_says_who_holds_the_store(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning) as refused:
        Session().start(store=tmp_path / "held.duckdb")
    sentence = str(refused.value)
    assert f"process {holder.pid}" in sentence
    assert "reports/morning.ipynb" in sentence
    assert "%ppacer stop" in sentence
    assert "--store PATH" in sentence


def test_a_scheduler_of_another_process_can_be_asked_and_stopped(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    session = Session()
    session._store = tmp_path / "held.duckdb"
    with session.api() as api:
        assert isinstance(api, RemoteScheduler)
        assert api.info().pid == holder.pid
        assert [run.state for run in api.history.runs()] == [RunState.RUNNING]
        children = psutil.Process(holder.pid).children(recursive=True)
        assert "sleep" in {child.name() for child in children}
        report = api.stop(wait=timedelta(0))
        assert len(report.unfinished) == 1
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    with session.api() as api:
        assert isinstance(api, OfflineScheduler)
        assert [run.state for run in api.history.runs()] == [RunState.QUEUED]


@pytest.mark.parametrize("how", ["exit", "SIGTERM", "SIGKILL"])
def test_nothing_outlives_the_process_of_a_scheduler(
    holder: subprocess.Popen[str], tmp_path: Path, how: str
) -> None:
    children = psutil.Process(holder.pid).children(recursive=True)
    assert len(children) >= 3  # a runner, a kernel, what the kernel started
    if how == "exit":
        _stream(holder.stdin).close()
    else:
        holder.send_signal(getattr(signal, how))
    holder.wait(timeout=20)
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    with OfflineScheduler(tmp_path / "held.duckdb") as offline:
        (run,) = offline.history.runs()
        assert run.state is (RunState.QUEUED if how == "exit" else RunState.RUNNING)


def test_after_a_kill_the_next_start_says_what_was_interrupted(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    holder.kill()
    holder.wait()
    scheduler = Session().start(store=tmp_path / "held.duckdb")
    scheduler.flush()
    (run,) = scheduler.history.runs()
    (attempt,) = scheduler.history.attempts(run.run_id)
    assert (run.state, str(attempt.state)) == (RunState.QUEUED, "interrupted")
    assert run.reason == "its scheduler died"
    scheduler.stop(wait=timedelta(0))


def test_the_leftover_address_of_a_dead_scheduler_is_not_believed(tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    address = Address("http://127.0.0.1:9", "token", 1, "old.ipynb", datetime.now().astimezone())
    publish(address, store)
    assert published(store) == address
    assert find_scheduler(store) is None
    (tmp_path / "scheduler.json").write_text("{")
    assert find_scheduler(store) is None


def test_one_process_has_one_scheduler(tmp_path: Path) -> None:
    session = Session()
    scheduler = session.start(store=tmp_path / "a.duckdb")
    with pytest.raises(AlreadyRunning):
        session.start(store=tmp_path / "b.duckdb")
    with pytest.raises((StoreLocked, AlreadyRunning)):
        Session().start(store=tmp_path / "a.duckdb")
    scheduler.stop(wait=timedelta(0))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[RemoteScheduler]:
    session = Session()
    scheduler = session.start(store=tmp_path / "s.duckdb", executor="thread")
    scheduler.register(sales_dag(schedule="15 6 * * *", tags=["a", "b"]).spec)
    scheduler.register(failing_dag().spec)
    for dag_id in ("sales", "failing"):
        scheduler.trigger_run(dag_id)[1].result(timeout=30)
    scheduler.flush()
    found = find_scheduler(tmp_path / "s.duckdb")
    assert found is not None
    found.local = scheduler  # type: ignore[attr-defined]
    yield found
    scheduler.stop(wait=timedelta(0))


def test_the_client_reads_what_the_scheduler_would_say(remote: RemoteScheduler) -> None:
    local = remote.local  # type: ignore[attr-defined]
    assert isinstance(remote.info(), SchedulerInfo)
    assert remote.dags() == [_lists(dag) for dag in local.dags()]
    assert len(remote.upcoming(limit=3)) == 3
    assert remote.upcoming("sales", limit=2) == local.upcoming("sales", limit=2)
    assert remote.upcoming("failing") == []
    grid = [_lists(run, "cells") for run in local.history.grid("failing")]
    assert remote.history.grid("failing") == grid
    assert remote.history.grid("failing", limit=0) == []
    assert remote.history.grid("failing", since=grid[0].place + 1) == []
    assert remote.history.runs() == local.history.runs()
    assert remote.history.counts() == local.history.counts()
    for run in local.history.runs():
        assert remote.history.run(run.run_id) == run
        assert remote.history.attempts(run.run_id) == local.history.attempts(run.run_id)
        assert remote.history.logs(run.run_id) == local.history.logs(run.run_id)
        last = local.history.logs(run.run_id)[-1].number
        assert remote.history.logs(run.run_id, before=last, least="info") == local.history.logs(
            run.run_id, before=last, least="info"
        )
        assert remote.history.logs(run.run_id, least="error") == []
        assert remote.progress(run.run_id) == []
    durations = remote.history.durations("sales", ["rows", "total", "nothing"])
    assert set(durations) == {"rows", "total"}
    assert durations == local.history.durations("sales", ["rows", "total", "nothing"])
    version = remote.history.dag_version("sales")
    assert version is not None
    assert version.source == local.history.dag_version("sales").source
    (kept,) = remote.history.versions("sales")
    assert [kept] == local.history.versions("sales")
    assert remote.history.sources("sales", kept.version) == local.history.sources("sales", kept.version)
    for wanted in (
        RunFilter(),
        RunFilter(states=(RunState.FAILED,), since=T0, order="dag"),
        RunFilter(text="?"),
    ):
        assert remote.history.search(wanted, offset=0, limit=1) == local.history.search(wanted, limit=1)
    assert remote.history.outcomes(T0) == local.history.outcomes(T0) != []
    assert remote.history.sql("SELECT 1 AS one").rows == [[1]]


def _lists(record: Any, field: str = "tags") -> Any:
    from dataclasses import replace

    return replace(record, **{field: list(getattr(record, field))})


def test_the_client_can_trigger_cancel_and_follow(remote: RemoteScheduler) -> None:
    import queue

    changes: queue.SimpleQueue[frozenset[str]] = queue.SimpleQueue()
    unsubscribe = remote.subscribe(changes.put)
    run_id = remote.trigger("sales", params={"city": "Lodz"}, by="test")
    while (run := remote.history.run(run_id)) is None or not run.state.is_terminal:
        assert run_id in changes.get(timeout=10)
    unsubscribe()
    assert run.params == {"city": "Lodz"}
    with pytest.raises(NotFound, match="no unfinished run"):
        remote.cancel(run_id)
    with pytest.raises(NotFound, match="no DAG 'nothing'"):
        remote.trigger("nothing")


def test_params_keep_their_types_on_the_way_to_the_scheduler(remote: RemoteScheduler) -> None:
    local = remote.local  # type: ignore[attr-defined]
    given = {
        "day": date(2026, 11, 23),
        "at": datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Warsaw")),
        "wait": timedelta(hours=1),
        "nested": {"$odd": (1, {2, 3}), 4: [time(6, 15), None]},
    }
    with DAG("typed", schedule="@daily", params=dict.fromkeys(given)) as dag:
        rows()
    local.register(dag.spec)
    remote.trigger("typed", params=given)
    remote.backfill("typed", "2026-11-23", "2026-11-23", params=given)
    local.flush()
    for run_id in remote.history.run_ids(limit=2):
        made = local.history.events(run_id)[0]
        assert made.params == given
        assert made.params["at"].fold == 1
    assert [param.name for param in remote.params("typed")] == list(given)
    with pytest.raises(NotFound):
        remote.params("nothing")


def test_the_client_can_steer_runs_and_dags(remote: RemoteScheduler) -> None:
    local = remote.local  # type: ignore[attr-defined]
    (run_id,) = (run.run_id for run in remote.history.runs(dag_id="failing"))

    def end(ask: Callable[..., None], *args: Any, by: str = "test") -> RunState:
        ask(run_id, *args, by=by)
        state: RunState = local.end_of(run_id).result(30)
        return state

    assert end(remote.restart) is RunState.FAILED
    assert end(remote.clear, ["rows", "total"]) is RunState.FAILED
    assert end(remote.mark, "explode", "success", by="") is RunState.SUCCESS
    with pytest.raises(NotFound, match="no unfinished run"):
        remote.cancel_task(run_id, "total")
    with pytest.raises(InvalidOption, match="success or failed, not 'great'"):
        remote.mark(run_id, "total", "great")
    with pytest.raises(SchedulerError, match="clear a task to run it again"):
        remote.restart(run_id)
    with pytest.raises(InvalidOption, match="name the tasks"):
        remote.clear(run_id, [])
    local.flush()
    run = remote.history.run(run_id)
    assert run is not None
    assert run.restarts == 3
    reasons = remote.history.sql("SELECT reason FROM run_events WHERE state = 'queued' AND restarts > 0").rows
    assert reasons == [
        *(["restarted by test"], ["rows, total cleared by test"], ["explode marked success by API"]),
    ]
    remote.pause("sales")
    assert {dag.dag_id: dag.paused for dag in remote.dags()} == {"failing": False, "sales": True}
    remote.unpause("sales")
    with pytest.raises(SchedulerError, match="is not paused"):
        remote.unpause("sales")
    with pytest.raises(SchedulerError, match="no missed points"):
        remote.catchup("sales", "all")
    assert remote.backfills() == []
    with pytest.raises(InvalidOption, match="DAG 'failing' has no schedule"):
        remote.backfill("failing", "2026-11-01", datetime(2026, 11, 2, tzinfo=UTC))


def test_the_client_can_run_a_backfill(remote: RemoteScheduler) -> None:
    waiting = waiting_dag(schedule="0 6 * * *")
    remote.local.register(waiting.spec)  # type: ignore[attr-defined]
    ask = {"rerun": "failed", "concurrency": 2}
    plan = remote.backfill("waiting", "2025-11-01", date(2025, 11, 3), **ask, dry_run=True)  # type: ignore[arg-type]
    assert (len(plan.points), plan.backfill_id, remote.backfills()) == (3, "", [])
    plan = remote.backfill("waiting", "2025-11-01", date(2025, 11, 3), **ask, by="test")  # type: ignore[arg-type]
    (record,) = remote.backfills()
    assert (record.backfill_id, record.runs, record.done) == (plan.backfill_id, 3, 0)
    assert (record.concurrency, record.reason) == (2, "asked for by test")
    remote.pause_backfill("waiting")
    assert remote.backfills()[0].state is BackfillState.PAUSED
    remote.resume_backfill("waiting")
    remote.cancel_backfill("waiting", by="test")
    may_go_on.set()
    with pytest.raises(NotFound, match="no backfill of DAG 'waiting' is under way"):
        remote.cancel_backfill("waiting")
    assert remote.backfills()[0].state is BackfillState.CANCELLED


def test_without_a_scheduler_nothing_can_be_steered(remote: RemoteScheduler, tmp_path: Path) -> None:
    (run_id,) = (run.run_id for run in remote.history.runs(dag_id="failing"))
    remote.stop(wait=timedelta(0))
    with OfflineScheduler(tmp_path / "s.duckdb") as offline:
        assert offline.upcoming() == []
        asks: list[Callable[[], object]] = [
            lambda: offline.params("sales"),
            lambda: offline.restart(run_id),
            lambda: offline.clear(run_id, ["rows"]),
            lambda: offline.mark(run_id, "rows", "failed"),
            lambda: offline.cancel_task(run_id, "rows"),
            lambda: offline.pause("sales"),
            lambda: offline.unpause("sales"),
            lambda: offline.catchup("sales", "all"),
            lambda: offline.backfill("sales", "2026-11-01", "2026-11-02"),
            lambda: offline.pause_backfill("sales"),
            lambda: offline.resume_backfill("sales"),
            lambda: offline.cancel_backfill("sales"),
        ]
        for ask in asks:
            with pytest.raises(NotRunning, match=r"no scheduler is running here to .*%ppacer start"):
                ask()


def test_without_the_token_nothing_is_told(remote: RemoteScheduler) -> None:
    from dataclasses import replace

    stranger = RemoteScheduler(replace(remote.address, token="guess"))
    with pytest.raises(Exception, match="token is missing or wrong"):
        stranger.info()


def test_a_scheduler_that_has_stopped_does_not_answer(remote: RemoteScheduler) -> None:
    remote.stop(wait=timedelta(0))
    with pytest.raises(NotRunning, match="does not answer"):
        remote.info()


def test_the_address_is_json_for_other_programs_too(remote: RemoteScheduler, tmp_path: Path) -> None:
    said = json.loads((tmp_path / "scheduler.json").read_text())
    assert said["url"].startswith("http://127.0.0.1:")
    assert said["pid"] == os.getpid()
