"""The read side of a store: typed answers, and SQL for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import duckdb

from ppacer_nb.errors import StoreError
from ppacer_nb.model.attempt import ErrorInfo, Files, LogLine
from ppacer_nb.model.backfill import BackfillRecord
from ppacer_nb.model.events import Event, EventOfRun
from ppacer_nb.model.grid import GridRun
from ppacer_nb.model.history import (
    AttemptRecord,
    DagVersion,
    LogRecord,
    NewestVersion,
    Outcomes,
    QueryResult,
    RunRecord,
    VersionSummary,
)
from ppacer_nb.model.log_levels import levels_below
from ppacer_nb.model.points import PointRange, PointRun
from ppacer_nb.model.run_filter import RunFilter, RunPage
from ppacer_nb.model.values import Value
from ppacer_nb.status import AttemptState, BackfillState, RunState, RunType
from ppacer_nb.store.backfills import BACKFILLS
from ppacer_nb.store.codec import event_of, to_timestamp
from ppacer_nb.store.database import Database
from ppacer_nb.store.durations import durations_query, last_durations
from ppacer_nb.store.grid import GRID, grid_runs
from ppacer_nb.store.run_index import IN_SPAN, SPAN
from ppacer_nb.store.run_records import Span, run_records
from ppacer_nb.store.run_search import search
from ppacer_nb.store.run_tally import RunTally
from ppacer_nb.store.versions import SOURCES, VERSIONS, summary_of, version_of

_ALL = 2**63 - 1

_CHOSEN = """
SELECT run_id, seq FROM events
WHERE kind = 'run' AND state = 'queued' AND attempt IS NULL {where}
ORDER BY seq DESC LIMIT ?
"""

_ATTEMPTS = """
SELECT run_id, task_id, attempt, state, queued_at, started_at, ended_at, retry_at, reason, worker,
       error_kind, error, traceback, notebook, report, value_type, value_size, value_preview
FROM task_runs_between(?, ?, ?) WHERE run_id = ?
ORDER BY seq
"""

_LOGS = """
SELECT run_id, task_id, attempt, ts, level, message, attributes, seq FROM (
    SELECT * FROM task_logs WHERE run_id = ? {where} ORDER BY seq DESC LIMIT ?
) ORDER BY seq
"""

# Points are accounted for in their order, but those caught up by somebody's choice. So only the last rows of
# each DAG, and those that caught up, are worth a look into their JSON.
_LAST_POINTS = """
SELECT dag_id, max(last_point) FROM schedule_events WHERE event = 'caught_up' OR seq IN (
    SELECT max(seq) FROM events
    WHERE kind = 'schedule' AND state IN ('regular', 'skipped') GROUP BY dag_id
)
GROUP BY dag_id
"""

_MISSED = """
SELECT dag_id, first_point, last_point, points FROM schedule_events
LEFT JOIN (SELECT dag_id, max(seq) AS seq FROM catchup_events GROUP BY dag_id) AS decided USING (dag_id)
WHERE event = 'skipped' AND missed AND schedule_events.seq > coalesce(decided.seq, 0)
ORDER BY schedule_events.seq
"""

_TO_CATCH_UP = """
WITH given_up AS (SELECT dag_id, max(seq) AS seq FROM catchup_events WHERE choice = 'none' GROUP BY dag_id),
chosen AS (
    SELECT dag_id, unnest(points) AS point
    FROM catchup_events LEFT JOIN given_up USING (dag_id)
    WHERE catchup_events.seq > coalesce(given_up.seq, 0)
)
SELECT dag_id, point FROM chosen
ANTI JOIN (SELECT dag_id, first_point AS point FROM schedule_events WHERE event = 'caught_up') AS served
USING (dag_id, point)
ORDER BY dag_id, point
"""

_POINT_RUNS = """
SELECT logical_date, run_type, state FROM (
    SELECT max(logical_date) AS logical_date, max(run_type) AS run_type, arg_max(state, seq) AS state
    FROM run_events WHERE dag_id = ? GROUP BY run_id
) WHERE logical_date BETWEEN ? AND ? ORDER BY logical_date
"""


class History:
    """Reads a store. Every method may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tally = RunTally(self._rows, self._state_before)

    def runs(
        self, *, dag_id: str | None = None, run_id: str | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """Return the latest runs, the newest first."""
        if run_id is not None:
            found = run_records(self._rows, self._span_of(run_id), [run_id])
            return [run for run in found if dag_id in (None, run.dag_id)]
        where, values = _where(dag_id=dag_id)
        chosen = self._rows(_CHOSEN.format(where=where), [*values, limit])
        if not chosen:
            return []
        return run_records(self._rows, (chosen[-1][1], _ALL, _ALL), [run_id for run_id, _ in chosen])

    def search(self, wanted: RunFilter, *, offset: int = 0, limit: int = 50) -> RunPage:
        """Return the runs that `wanted` says, from the `offset`-th on. See `HistoryApi.search`."""
        return search(self._rows, self._tally.open_ids(), wanted, offset, limit)

    def run(self, run_id: str) -> RunRecord | None:
        """Return one run, None if there is none of that id."""
        return next(iter(self.runs(run_id=run_id)), None)

    def run_ids(self, *, limit: int = 200) -> list[str]:
        """Return the ids of the latest runs, the newest first."""
        sql = """SELECT run_id FROM events
                 WHERE kind = 'run' AND state = 'queued' AND attempt IS NULL ORDER BY seq DESC LIMIT ?"""
        return [run_id for (run_id,) in self._rows(sql, [limit])]

    def grid(self, dag_id: str, *, limit: int = 60, since: int = 0) -> list[GridRun]:
        """Return the latest runs of a DAG with the states of their tasks. See `HistoryApi.grid`."""
        return grid_runs(self._rows(GRID, {"dag_id": dag_id, "most": limit, "since": since}))

    def attempts(self, run_id: str) -> list[AttemptRecord]:
        """Return all attempts of a run, in the order in which they began."""
        return [_attempt(row) for row in self._rows(_ATTEMPTS, [*self._span_of(run_id), run_id])]

    def durations(self, dag_id: str, task_ids: Sequence[str]) -> dict[str, list[timedelta]]:
        """Return how long the last successes of a DAG's tasks took. See `HistoryApi.durations`."""
        if not task_ids:
            return {}
        return last_durations(self._rows(durations_query(task_ids), [dag_id, *task_ids]))

    def logs(
        self,
        run_id: str,
        *,
        task_id: str | None = None,
        attempt: int | None = None,
        least: str = "debug",
        before: int | None = None,
        limit: int = 1000,
    ) -> list[LogRecord]:
        """Return the last `limit` lines of a run's logs, the oldest first. See `HistoryApi.logs`."""
        where, values = _where(task_id=task_id, attempt=attempt)
        for level in levels_below(least):
            where, values = f"{where} AND upper(level) <> ?", [*values, level]
        if before is not None:
            where, values = f"{where} AND seq < ?", [*values, before]
        return [_log(row) for row in self._rows(_LOGS.format(where=where), [run_id, *values, limit])]

    def value(self, run_id: str, task_id: str) -> Value | None:
        """Return what a task of a run handed on, None if it did not succeed or runs again."""
        sql = f"""SELECT state, value, value_path, value_size, value_type, value_preview FROM task_events
                  WHERE {IN_SPAN} AND run_id = ? AND task_id = ? ORDER BY seq DESC LIMIT 1"""
        found = self._rows(sql, [*self._span_of(run_id), run_id, task_id])
        for state, data, path, size, type_name, preview in found:
            if state == AttemptState.SUCCESS:
                return Value(data, Path(path) if path else None, size, type_name, preview)
        return None

    def events(self, run_id: str) -> list[EventOfRun]:
        """Return all that happened to a run, in order: what a replay needs."""
        sql = f"SELECT * FROM events WHERE {IN_SPAN} AND run_id = ? AND kind <> 'schedule' ORDER BY seq"
        found = self._rows(sql, [*self._span_of(run_id), run_id])
        return [cast("EventOfRun", event_of(row)) for row in found]

    def unfinished(self) -> list[str]:
        """Return the ids of the runs that have not ended, the oldest first."""
        sql = """SELECT run_id FROM events WHERE kind = 'run' GROUP BY run_id
                 HAVING arg_max(state, seq) IN ('queued', 'running') ORDER BY min(seq)"""
        return [run_id for (run_id,) in self._rows(sql)]

    def unfinished_events(self) -> dict[str, list[EventOfRun]]:
        """Return, by run, all that happened to those that have not ended, the oldest run first."""
        found: dict[str, list[EventOfRun]] = {run_id: [] for run_id in self.unfinished()}
        sql = """SELECT * FROM events WHERE kind IN ('run', 'task') AND run_id IN (SELECT unnest(?))
                 ORDER BY seq"""
        for row in self._rows(sql, [list(found)]) if found else ():
            event = cast("EventOfRun", event_of(row))
            found[event.run_id].append(event)
        return found

    def counts(self) -> dict[RunState, int]:
        """Return how many runs there are in each state."""
        return self._tally.counts()

    def outcomes(self, since: datetime) -> list[Outcomes]:
        """Return how many runs have ended since, by hour and state, the oldest hour first."""
        sql = """SELECT date_trunc('hour', ts) AS hour, state, count(*) FROM events
                 WHERE kind = 'run' AND state IN ('success', 'failed', 'cancelled') AND ts >= ?
                 GROUP BY ALL ORDER BY ALL"""
        found = self._rows(sql, [to_timestamp(since)])
        return [Outcomes(hour.replace(tzinfo=UTC), RunState(state), runs) for hour, state, runs in found]

    def last_points(self) -> dict[str, datetime]:
        """Return, by DAG, the last schedule point that is accounted for."""
        return {dag_id: point.replace(tzinfo=UTC) for dag_id, point in self._rows(_LAST_POINTS)}

    def missed(self) -> dict[str, list[PointRange]]:
        """Return, by DAG, the points missed while no scheduler ran that nobody has decided on, in order."""
        found: dict[str, list[PointRange]] = {}
        for dag_id, first, last, count in self._rows(_MISSED):
            span = PointRange(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC), count)
            found.setdefault(dag_id, []).append(span)
        return found

    def to_catch_up(self) -> dict[str, list[datetime]]:
        """Return, by DAG, the missed points that somebody chose and that have no run yet, in order."""
        found: dict[str, list[datetime]] = {}
        for dag_id, point in self._rows(_TO_CATCH_UP):
            found.setdefault(dag_id, []).append(point.replace(tzinfo=UTC))
        return found

    def backfills(self, *, limit: int = 20) -> list[BackfillRecord]:
        """Return the latest backfills, the newest first, with how far they have come."""
        return [_backfill(row) for row in self._rows(BACKFILLS, [limit])]

    def open_backfills(self) -> list[list[Event]]:
        """Return, of each backfill that has not ended, its events and those of its DAG's runs since."""
        sql = "SELECT dag_id, seq FROM backfills WHERE state IN ('running', 'paused') ORDER BY seq"
        events = """SELECT * FROM events WHERE dag_id = ? AND seq >= ? AND kind <> 'task'
                    AND (kind <> 'schedule' OR state = 'backfilled') ORDER BY seq"""
        return [[event_of(row) for row in self._rows(events, begun)] for begun in self._rows(sql)]

    def point_runs(self, dag_id: str, first: datetime, last: datetime) -> list[PointRun]:
        """Return the runs of a DAG with logical dates from `first` to `last`, in their order."""
        bounds = [to_timestamp(first), to_timestamp(last)]
        return [
            PointRun(point.replace(tzinfo=UTC), RunType(run_type), RunState(state))
            for point, run_type, state in self._rows(_POINT_RUNS, [dag_id, *bounds])
        ]

    def paused(self) -> set[str]:
        """Return the ids of the DAGs that are paused."""
        sql = """SELECT dag_id FROM events WHERE kind = 'dag' GROUP BY dag_id
                 HAVING arg_max(state, seq) = 'paused'"""
        return {dag_id for (dag_id,) in self._rows(sql)}

    def dag_version(self, dag_id: str, version: str | None = None) -> DagVersion | None:
        """Return a version of a DAG, the newest unless one is named."""
        where, values = _where(dag_id=dag_id, version=version)
        sql = f"SELECT * FROM dag_versions WHERE true {where} ORDER BY defined_at DESC LIMIT 1"
        return next((version_of(row) for row in self._rows(sql, values)), None)

    def versions(self, dag_id: str) -> list[VersionSummary]:
        """Return the versions that a DAG has had, the newest first."""
        return [summary_of(row) for row in self._rows(VERSIONS, [dag_id])]

    def sources(self, dag_id: str, version: str) -> dict[str, str]:
        """Return the sources of the tasks of a version, by their hashes."""
        return dict(self._rows(SOURCES, [dag_id, version]))

    def source_hashes(self) -> set[str]:
        """Return the hashes of all sources that are kept."""
        return {hash for (hash,) in self._rows("SELECT hash FROM task_sources")}

    def newest_versions(self) -> dict[str, NewestVersion]:
        """Return which version is the newest of every DAG that was ever scheduled here, by id."""
        sql = """SELECT dag_id, arg_max(version, defined_at), max(defined_at)
                 FROM dag_versions GROUP BY dag_id"""
        return {
            dag_id: NewestVersion(version, defined_at.replace(tzinfo=UTC))
            for dag_id, version, defined_at in self._rows(sql)
        }

    def dag_versions(self) -> list[DagVersion]:
        """Return the newest version of every DAG that was ever scheduled here, by id."""
        sql = """SELECT * FROM dag_versions
                 QUALIFY row_number() OVER (PARTITION BY dag_id ORDER BY defined_at DESC) = 1
                 ORDER BY dag_id"""
        return [version_of(row) for row in self._rows(sql)]

    def sql(self, query: str, *, limit: int = 1000) -> QueryResult:
        """Run a query of the user's own and return its first `limit` rows.

        Raises
        ------
        StoreError
            If it is no query that only reads, or DuckDB refuses it; the sentence is DuckDB's.
        """
        try:
            with self._database.reading() as cursor:
                _check_only_reads(cursor, query)
                cursor.execute("BEGIN TRANSACTION READ ONLY")  # EXPLAIN ANALYZE carries out what it explains
                cursor.execute(query)
                columns = [name for name, *_ in cursor.description or ()]
                rows = cursor.fetchmany(limit + 1)
        except duckdb.Error as error:
            raise StoreError(f"{error}{self._database.way_out(error)}") from None
        return QueryResult(columns, rows[:limit], more=len(rows) > limit)

    def _state_before(self, run_id: str, seq: int) -> str:
        sql = f"""SELECT arg_max(state, seq) FROM events
                  WHERE {IN_SPAN} AND seq <= ? AND kind = 'run' AND run_id = ?"""
        ((state,),) = self._rows(sql, [*self._span_of(run_id), seq, run_id])
        return str(state)

    def _span_of(self, run_id: str) -> Span:
        ((first, last, reach),) = self._rows(SPAN, [run_id])
        return first, last, reach

    def _rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._database.reading() as cursor:
                return cursor.execute(sql, values).fetchall()
        except duckdb.Error as error:
            hint = self._database.way_out(error)
            raise StoreError(f"the run history cannot be read: {error}{hint}") from error


def _check_only_reads(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = cursor.extract_statements(query)
    reads = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1 or statements[0].type not in reads:
        raise StoreError(
            "only one SELECT (or SHOW, DESCRIBE, EXPLAIN) at a time: the run history is append-only, "
            "and the scheduler alone writes it."
        )


def _where(**equal: Any) -> tuple[str, list[Any]]:
    given = {column: value for column, value in equal.items() if value is not None}
    return "".join(f" AND {column} = ?" for column in given), list(given.values())


def _utc(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.replace(tzinfo=UTC)


def _backfill(row: tuple[Any, ...]) -> BackfillRecord:
    id, dag_id, state, first, last, runs, succeeded, failed, concurrency, created_at, ended_at, reason = row
    return BackfillRecord(
        backfill_id=id,
        dag_id=dag_id,
        state=BackfillState(state),
        first=first.replace(tzinfo=UTC),
        last=last.replace(tzinfo=UTC),
        runs=runs,
        succeeded=succeeded,
        failed=failed,
        concurrency=concurrency,
        created_at=created_at.replace(tzinfo=UTC),
        ended_at=_utc(ended_at),
        reason=reason,
    )


def _attempt(row: tuple[Any, ...]) -> AttemptRecord:
    run_id, task_id, attempt, state, queued, started, ended, retry_at, reason, worker, *rest = row
    error_kind, error, traceback, notebook, report, value_type, value_size, value_preview = rest
    return AttemptRecord(
        run_id=run_id,
        task_id=task_id,
        attempt=attempt,
        state=AttemptState(state),
        queued_at=_utc(queued),
        started_at=_utc(started),
        ended_at=_utc(ended),
        retry_at=_utc(retry_at),
        reason=reason,
        worker=worker,
        error=ErrorInfo(error_kind, error, traceback or "") if error_kind else None,
        files=Files(Path(notebook) if notebook else None, Path(report) if report else None),
        value_type=value_type,
        value_size=value_size,
        value_preview=value_preview,
    )


def _log(row: tuple[Any, ...]) -> LogRecord:
    run_id, task_id, attempt, at, level, message, attributes, number = row
    line = LogLine(at.replace(tzinfo=UTC), level, message, json.loads(attributes) if attributes else {})
    return LogRecord(run_id, task_id, attempt, line, number)
