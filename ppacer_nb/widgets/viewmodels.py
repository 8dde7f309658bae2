"""What the dashboard shows, as plain data for JSON. Points in time are milliseconds since 1970, in UTC.

The browser formats times, for its own zone, and lets ages and durations tick by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ppacer_nb.model.history import AttemptRecord, DagVersion, LogRecord, RunRecord
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo
from ppacer_nb.status import RunState
from ppacer_nb.views.answers import latest_states
from ppacer_nb.views.dags import run_graph
from ppacer_nb.views.palette import State, look
from ppacer_nb.views.svg import to_svg

Json = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def overview(info: SchedulerInfo, dags: Sequence[DagSummary], counts: Mapping[RunState, int]) -> Json:
    """Return the scheduler's state, the counters and the DAGs."""
    return {
        "running": info.running,
        "store": info.store,
        "pid": info.pid,
        "notebook": info.notebook,
        "since": millis(info.started_at),
        "problem": info.problem,
        "busy": info.busy,
        "queued": info.queued,
        "workers": info.max_workers,
        "counts": [{**_look(state), "count": counts.get(state, 0)} for state in RunState],
        "dags": [_dag(dag) for dag in dags],
    }


def run_row(run: RunRecord) -> Json:
    """Return a run as a row of the list of runs."""
    return {
        "id": run.run_id,
        "dag": run.dag_id,
        "type": str(run.run_type),
        "logical": millis(run.logical_date),
        "created": millis(run.created_at),
        "started": millis(run.started_at),
        "ended": millis(run.ended_at),
        "tasks": run.tasks,
        "done": run.tasks_done,
        "failed": run.tasks_failed,
        "active": not run.state.is_terminal,
        **_look(run.state),
    }


def run_detail(
    run: RunRecord,
    attempts: Sequence[AttemptRecord],
    version: DagVersion | None,
    progress: Sequence[Progress],
) -> Json:
    """Return all about one run but its logs."""
    cells = {(p.task_id, p.attempt): p for p in progress}
    return {
        "run": run_row(run),
        "reason": run.reason,
        "params": [[name, repr(value)] for name, value in run.params.items()],
        "graph": "" if version is None else to_svg(run_graph(version, latest_states(attempts))),
        "attempts": [
            _attempt(attempt, cells.get((attempt.task_id, attempt.attempt))) for attempt in attempts
        ],
    }


def log_rows(records: Sequence[LogRecord]) -> list[Json]:
    """Return lines of a log."""
    return [
        {
            "at": millis(record.line.at),
            "level": record.line.level,
            "task": record.task_id,
            "attempt": record.attempt,
            "message": record.line.message,
            "attributes": [[name, value] for name, value in record.line.attributes.items()],
        }
        for record in records
    ]


def millis(instant: datetime | None) -> int | None:
    """Return an aware instant as milliseconds since 1970."""
    return None if instant is None else (instant - _EPOCH) // timedelta(milliseconds=1)


def _dag(dag: DagSummary) -> Json:
    return {
        "id": dag.dag_id,
        "schedule": dag.schedule,
        "next": millis(dag.next_point),
        "description": dag.description,
        "defined": dag.defined,
        "active": dag.active_runs,
        "queued": dag.queued_runs,
        "problem": dag.problem,
    }


def _attempt(attempt: AttemptRecord, progress: Progress | None) -> Json:
    error = attempt.error
    return {
        "task": attempt.task_id,
        "number": attempt.attempt,
        "started": millis(attempt.started_at),
        "ended": millis(attempt.ended_at),
        "retry": millis(attempt.retry_at),
        "worker": attempt.worker,
        "reason": attempt.reason,
        "cell": None if progress is None else [progress.cell, progress.cells],
        "value": attempt.value_preview or "",
        "error": "" if error is None else error.message,
        "traceback": "" if error is None else error.traceback,
        "notebook": str(attempt.files.notebook or ""),
        "report": attempt.files.report is not None,
        **_look(attempt.state),
    }


def _look(state: State) -> Json:
    return {"state": str(state), "word": look(state).word, "icon": look(state).path}
