from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb import values
from ppacer_nb.errors import StoreError
from ppacer_nb.model.attempt import ErrorInfo, Files, LogLine
from ppacer_nb.model.events import RunEvent, TaskEvent
from ppacer_nb.model.history import NewestVersion
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.status import AttemptState, RunState, RunType
from ppacer_nb.store.codec import source_rows, to_timestamp, version_row
from ppacer_nb.store.store import Store
from ppacer_nb.testing import dag_spec
from tests.store.events import T0, run_event, task_event

SECOND = timedelta(seconds=1)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(None) as store:
        yield store


def wrote(store: Store, *events: Any) -> None:
    store.log.events(events)
    store.log.flush()


def test_what_a_run_record_says(store: Store) -> None:
    def event(state: RunState, seconds: int, **fields: Any) -> RunEvent:
        at = T0 + seconds * SECOND
        params = {"city": "Łódź", "n": [1, None]}
        return RunEvent("d/1", "d", RunType.CATCHUP, T0 - SECOND, "v1", params, 3, state, at, **fields)

    wrote(store, event(RunState.QUEUED, 0, reason="test"), event(RunState.RUNNING, 2))
    wrote(
        store,
        task_event(AttemptState.RUNNING, "a", queued_at=T0),
        task_event(AttemptState.SUCCESS, "a"),
        task_event(AttemptState.RUNNING, "b", queued_at=T0),
        task_event(AttemptState.UP_FOR_RETRY, "b"),
        task_event(AttemptState.RUNNING, "b", 2, queued_at=T0),
        task_event(AttemptState.FAILED, "b", 2),
        task_event(AttemptState.UPSTREAM_FAILED, "c", 0),
    )
    (run,) = store.history.runs()
    assert (run.tasks, run.tasks_done, run.tasks_failed) == (3, 3, 2)
    assert (run.state, run.created_at, run.started_at, run.ended_at) == (
        RunState.RUNNING,
        T0,
        T0 + 2 * SECOND,
        None,
    )
    wrote(store, event(RunState.FAILED, 9, reason="because"))
    run = store.history.runs()[0]
    assert (run.state, run.ended_at, run.reason) == (RunState.FAILED, T0 + 9 * SECOND, "because")
    assert (run.run_type, run.logical_date, run.version) == (RunType.CATCHUP, T0 - SECOND, "v1")
    assert (run.dag_id, run.params) == ("d", {"city": "Łódź", "n": [1, None]})


def test_runs_are_what_the_view_says_of_them_also_when_they_went_on(store: Store) -> None:
    def event(run: int, state: RunState, seconds: int, **fields: Any) -> RunEvent:
        at, version = T0 + seconds * SECOND, fields.pop("version", "v1")
        return RunEvent(f"d/{run}", "d", RunType.SCHEDULED, T0, version, {"n": run}, 1, state, at, **fields)

    states = (RunState.QUEUED, RunState.RUNNING, RunState.FAILED)
    wrote(store, *(event(0, state, number) for number, state in enumerate(states)))
    for run in (1, 2):
        wrote(store, event(run, RunState.QUEUED, 10 * run, reason="by hand"))
        wrote(store, event(run, RunState.RUNNING, 10 * run + 1))
    wrote(
        store,
        event(1, RunState.RUNNING, 30, reason="cancelled"),
        event(1, RunState.CANCELLED, 31, reason="c"),
    )
    wrote(store, event(0, RunState.QUEUED, 40, restarts=1, version="v2", reason="again"))
    wrote(store, event(0, RunState.RUNNING, 41, restarts=1, version="v2"))
    columns = "run_id, version, state, created_at, started_at, ended_at, reason, restarts"
    seen = store.history.sql(f"SELECT {columns} FROM dag_runs ORDER BY run_id DESC").rows
    runs = [
        (
            *(r.run_id, r.version, r.state, to_timestamp(r.created_at)),
            *(moment and to_timestamp(moment) for moment in (r.started_at, r.ended_at)),
            *(r.reason, r.restarts),
        )
        for r in store.history.runs()
    ]
    assert runs == seen
    assert [(r.run_id, r.state) for r in store.history.runs()] == [
        ("d/2", RunState.RUNNING),
        ("d/1", RunState.CANCELLED),
        ("d/0", RunState.RUNNING),
    ]
    assert [r.run_id for r in store.history.runs(limit=1)] == ["d/2"]
    assert store.history.runs(run_id="d/0") == [store.history.run("d/0")]


def test_what_an_attempt_record_says(store: Store) -> None:
    value = values.dump({"rows": 5}, Path("unused"))
    files = Files(Path("/runs/a.ipynb"), Path("/runs/a.html"))
    error = ErrorInfo("TaskTimeout", "too long", "Traceback")
    wrote(
        store,
        task_event(AttemptState.RUNNING, queued_at=T0 - SECOND),
        task_event(
            AttemptState.UP_FOR_RETRY, error=error, retry_at=T0 + SECOND, worker="kernel, pid 1", files=files
        ),
        task_event(AttemptState.RUNNING, attempt=2, queued_at=T0),
        task_event(AttemptState.SUCCESS, attempt=2, value=value, files=files),
    )
    first, second = store.history.attempts("d/1")
    assert (first.state, first.error, first.retry_at) == (AttemptState.UP_FOR_RETRY, error, T0 + SECOND)
    assert (first.queued_at, first.worker, first.files) == (T0 - SECOND, "kernel, pid 1", files)
    assert (second.attempt, second.state, second.error, second.files) == (
        2,
        AttemptState.SUCCESS,
        None,
        files,
    )
    assert (second.value_type, second.value_size, second.value_preview) == ("dict", value.size, "{'rows': 5}")
    assert store.history.value("d/1", "a") == value
    assert store.history.value("d/1", "b") is None


def test_attempts_come_in_the_order_of_the_log_also_when_time_stands_still(store: Store) -> None:
    wrote(
        store,
        task_event(AttemptState.RUNNING, "z", queued_at=T0),
        task_event(AttemptState.UP_FOR_RETRY, "z"),
        task_event(AttemptState.RUNNING, "a", queued_at=T0),
        task_event(AttemptState.CANCELLED, "z", 0),
        task_event(AttemptState.SUCCESS, "a"),
    )
    found = [(attempt.task_id, attempt.attempt) for attempt in store.history.attempts("d/1")]
    assert found == [("z", 1), ("a", 1), ("z", 0)]


def test_a_large_value_is_found_by_its_path(store: Store, tmp_path: Path) -> None:
    value = values.dump("x" * 100_000, tmp_path / "a.1.value.pkl")
    wrote(store, task_event(AttemptState.SUCCESS, value=value))
    found = store.history.value("d/1", "a")
    assert found == value
    assert found is not None
    assert values.load(found) == "x" * 100_000


def test_versions_of_a_dag(store: Store) -> None:
    old, new = dag_spec("d", "a"), dag_spec("d", "a >> b", tags=("x",), description="two")
    for number, dag in enumerate([old, new, dag_spec("e", "a")]):
        store.log.row("dag_versions", version_row(dag, T0 + number * SECOND))
    store.log.flush()
    newest = store.history.dag_version("d")
    assert newest is not None
    assert (newest.version, newest.tags, newest.description) == (new.version, ("x",), "two")
    assert [task.id for task in newest.tasks] == ["a", "b"]
    found = store.history.dag_version("d", old.version)
    assert found is not None
    assert found.source == old.source
    assert store.history.dag_version("d", "none") is None
    assert [version.version for version in store.history.dag_versions()] == [
        new.version,
        dag_spec("e", "a").version,
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "FROM dag_runs",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SHOW TABLES",
        "DESCRIBE task_runs",
        "SUMMARIZE task_logs",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT * FROM events",
        "SELECT 1;",
    ],
)
def test_reading_queries_are_answered(store: Store, query: str) -> None:
    assert store.history.sql(query).columns


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "UPDATE events SET state = 'x'",
        "DROP TABLE events",
        "CREATE TABLE x (i INTEGER)",
        "TRUNCATE events",
        "SELECT 1; DELETE FROM events",
        "EXPLAIN ANALYZE DELETE FROM events",
        "COPY events TO '/tmp/never.csv'",
        "ATTACH ':memory:' AS other",
        "SET threads = 1",
        "CHECKPOINT",
        "BEGIN",
        "SELEC",
        "",
        "SELECT * FROM nothing",
    ],
)
def test_everything_else_is_refused_and_changes_nothing(store: Store, query: str) -> None:
    wrote(store, run_event())
    with pytest.raises(StoreError) as caught:
        store.history.sql(query)
    assert str(caught.value)
    assert store.history.sql("SELECT count(*) FROM events").rows == [(1,)]
    wrote(store, run_event("d/2"))
    assert len(store.history.runs()) == 2


def test_a_long_answer_is_cut_and_says_so(store: Store) -> None:
    result = store.history.sql("SELECT * FROM range(10)", limit=3)
    assert (result.rows, result.more) == ([(0,), (1,), (2,)], True)
    assert store.history.sql("SELECT * FROM range(3)", limit=3).more is False


def test_the_views_have_typed_columns(store: Store) -> None:
    types = {
        f"{view}.{column}": kind
        for view in ("dag_runs", "task_runs", "run_events", "task_events", "schedule_events", "dags")
        for column, kind, *_ in store.history.sql(f"DESCRIBE {view}").rows
    }
    times = {name for name, kind in types.items() if kind == "TIMESTAMP"}
    assert times == {
        *(f"dag_runs.{name}" for name in ("logical_date", "created_at", "started_at", "ended_at")),
        *(f"task_runs.{name}" for name in ("queued_at", "started_at", "ended_at", "retry_at", "held_until")),
        *("run_events.ts", "run_events.logical_date"),
        *(f"task_events.{name}" for name in ("ts", "queued_at", "retry_at", "held_until")),
        *("schedule_events.ts", "schedule_events.first_point", "schedule_events.last_point"),
        "dags.defined_at",
    }
    assert {name for name, kind in types.items() if kind == "INTERVAL"} == {
        "dag_runs.duration",
        "task_runs.duration",
    }
    assert types["dag_runs.params"] == "JSON"
    assert types["task_runs.value_size"] == "BIGINT"
    assert types["dag_runs.tasks"] == types["task_runs.attempt"] == "INTEGER"
    assert types["dags.tags"] == "VARCHAR[]"


def test_the_plain_names_of_tables_and_views(store: Store) -> None:
    rows = store.history.sql(
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() WHERE NOT internal"
    ).rows
    assert {name for (name,) in rows} >= {
        *("dags", "dag_versions", "dag_runs", "task_runs", "run_events", "task_events", "schedule_events"),
        *("task_logs", "notifications"),
    }


def test_many_threads_read_while_one_writes(tmp_path: Path) -> None:
    problems: list[BaseException] = []
    written = threading.Event()

    def read(store: Store) -> None:
        try:
            seen = 0
            while not written.is_set():
                count = len(store.history.run_ids(limit=10_000))
                assert count >= seen
                seen = count
                store.history.runs(limit=5)
                store.history.sql("SELECT count(*) FROM task_runs")
        except BaseException as error:
            problems.append(error)

    with Store(tmp_path / "x.duckdb") as store:
        threads = [threading.Thread(target=read, args=(store,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for number in range(60):
            store.log.events([run_event(f"d/{number}")])
            store.log.line(AttemptKey(f"d/{number}", "a", 1), LogLine(T0, "INFO", "x"))
            store.log.flush()
        written.set()
        for thread in threads:
            thread.join()
        assert len(store.history.run_ids()) == 60
    assert problems == []


def test_a_log_is_read_back_from_the_number_of_its_first_known_line(store: Store) -> None:
    for message in "abcd":
        store.log.line(AttemptKey("d/1", "a", 1), LogLine(T0, "INFO", message))
    store.log.flush()
    last = store.history.logs("d/1", limit=2)
    assert [record.line.message for record in last] == ["c", "d"]
    earlier = store.history.logs("d/1", before=last[0].number)
    assert [record.line.message for record in earlier] == ["a", "b"]


def test_reading_a_closed_store_says_so(tmp_path: Path) -> None:
    with Store(tmp_path / "x.duckdb") as store:
        pass
    with pytest.raises(StoreError, match="cannot be read"):
        store.history.runs()
    with pytest.raises(StoreError):
        store.history.sql("SELECT 1")


def test_events_of_a_run_leave_out_the_schedules(store: Store) -> None:
    wrote(store, run_event(), task_event(AttemptState.RUNNING, queued_at=T0))
    assert [type(event) for event in store.history.events("d/1")] == [RunEvent, TaskEvent]


def test_the_newest_versions_are_those_defined_last(store: Store) -> None:
    older, newer = dag_spec("d", "a"), dag_spec("d", "a >> b")
    store.log.row("dag_versions", version_row(newer, T0 + SECOND))
    store.log.row("dag_versions", version_row(older, T0))
    store.log.row("dag_versions", version_row(dag_spec("e", "a"), T0))
    store.log.flush()
    assert store.history.newest_versions() == {
        "d": NewestVersion(newer.version, T0 + SECOND),
        "e": NewestVersion(dag_spec("e", "a").version, T0),
    }


def test_versions_are_told_with_how_many_runs_were_made_with_each(store: Store) -> None:
    first, second = dag_spec("d", "a"), dag_spec("d", "a >> b")
    store.log.row("dag_versions", version_row(first, T0))
    store.log.row("dag_versions", version_row(second, T0 + SECOND))
    for number in range(3):
        wrote(store, replace(run_event(f"d/{number}"), version=first.version))
    found = [(one.version, one.defined_at, one.runs) for one in store.history.versions("d")]
    assert found == [(second.version, T0 + SECOND, 0), (first.version, T0, 3)]
    assert store.history.versions("none") == []


def test_the_sources_of_a_version_are_found_by_its_tasks(store: Store) -> None:
    dag = dag_spec("d", "a >> b")
    for row in source_rows(dag).values():
        store.log.row("task_sources", row)
    store.log.row("dag_versions", version_row(dag, T0))
    store.log.flush()
    kept = store.history.dag_version("d")
    assert kept is not None
    sources = store.history.sources("d", dag.version)
    assert [sources[task.source_hash] for task in kept.tasks] == [t.work.source for t in dag.tasks.values()]
    assert [tuple(task.settings) for task in kept.tasks] == [t.settings for t in dag.tasks.values()]
    rows = store.history.sql("SELECT task_id, source_hash FROM dag_tasks ORDER BY task_id").rows
    assert [tuple(row) for row in rows] == [(task.id, task.source_hash) for task in kept.tasks]
