"""What the browser is sent: plain dicts that JSON carries. Pure functions.

Times are milliseconds since 1970 in UTC; the browser knows the viewer's timezone and ticks ages by itself.
Text from users and tasks is sent as text, with control characters made visible, and cut where it is long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb.model.history import AttemptRecord, LogRecord, RunRecord, begun, latest_states
from ppacer_nb.model.overview import DagSummary, HeldKernel, Progress, SchedulerInfo
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.views.markup import lines_of, one_line
from ppacer_nb.widgets.picture import RunPicture

View = dict[str, Any]

#: Characters of a log line's message, and of a traceback (its end), that are sent.
LONGEST_MESSAGE = 4_000
LONGEST_TRACEBACK = 20_000
#: Failed tasks whose errors are shown in full.
MOST_ERRORS = 5

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def scheduler_view(
    info: SchedulerInfo,
    counts: Mapping[RunState, int],
    dags: Sequence[DagSummary],
    *,
    here: bool,
    folder: Path,
) -> View:
    """Return the scheduler's state, the counters and what comes next."""
    upcoming = [(dag.next_point, dag.dag_id) for dag in dags if dag.next_point is not None]
    point, dag_id = min(upcoming, default=(None, ""))
    return {
        "running": info.running,
        "here": here,
        "store": _shown(Path(info.store), folder) if info.store != "in memory" else info.store,
        "pid": info.pid,
        "notebook": one_line(Path(info.notebook).name),
        "since": millis(info.started_at),
        "problem": one_line(info.problem),
        "runs": {state.value: counts.get(state, 0) for state in RunState},
        "busy": info.busy,
        "waiting": info.queued,
        "workers": info.max_workers,
        "next_at": millis(point),
        "next_dag": dag_id,
    }


def dag_view(dag: DagSummary) -> View:
    """Return one row of the list of DAGs."""
    return {
        "id": dag.dag_id,
        "schedule": one_line(dag.schedule),
        "zone": dag.timezone,
        "description": one_line(dag.description),
        "tags": [one_line(tag) for tag in dag.tags],
        "defined": dag.defined,
        "next_at": millis(dag.next_point),
        "active": dag.active_runs,
        "queued": dag.queued_runs,
        "problem": one_line(dag.problem),
    }


def run_view(run: RunRecord) -> View:
    """Return one row of the table of runs."""
    return {
        "id": run.run_id,
        "dag": run.dag_id,
        "name": run.run_id.partition("/")[2],
        "type": run.run_type.value,
        "state": run.state.value,
        "point": millis(run.logical_date),
        "created": millis(run.created_at),
        "started": millis(run.started_at),
        "ended": millis(run.ended_at),
        "tasks": run.tasks,
        "done": run.tasks_done,
        "failed": run.tasks_failed,
    }


def run_details(selected: RunPicture, held: Sequence[HeldKernel] = ()) -> View:
    """Return what is said of the selected run beyond its row; `held` are all kernels that stay."""
    run = selected.run
    errors = _errors(selected.attempts)
    return {
        **run_view(run),
        "finished": run.state.is_terminal,
        "version": run.version,
        "params": [[one_line(name), one_line(repr(value))] for name, value in run.params.items()],
        "reason": one_line(run.reason),
        "errors": [_error_view(attempt, held) for attempt in errors[:MOST_ERRORS]],
        "more_errors": max(0, len(errors) - MOST_ERRORS),
    }


def task_views(selected: RunPicture) -> dict[str, View]:
    """Return the state of each task that has one, by task, with how far a running notebook has come."""
    states = latest_states(selected.attempts)
    cells = {p.task_id: [p.cell, p.cells] for p in selected.progress}
    return {id: {"state": state.value, "cells": cells.get(id)} for id, state in states.items()}


def attempt_views(selected: RunPicture, folder: Path) -> list[View]:
    """Return the rows of the table of attempts, in the order in which they began."""
    progress = {(p.task_id, p.attempt): p for p in selected.progress}
    attempts = begun(selected.attempts)
    latest = {attempt.task_id: attempt.attempt for attempt in attempts}
    return [
        {
            **_attempt_view(attempt, progress.get((attempt.task_id, attempt.attempt)), folder),
            "retried": attempt.attempt < latest[attempt.task_id],
            "usual": _usual(attempt, selected.usual),
        }
        for attempt in attempts
    ]


def log_views(records: Sequence[LogRecord]) -> list[View]:
    """Return log lines."""
    return [
        {
            "number": record.number,
            "at": millis(record.line.at),
            "task": record.task_id,
            "attempt": record.attempt,
            "level": one_line(record.line.level),
            "message": _cut(text_of(record.line.message)),
            "attributes": [
                [one_line(name), _cut(one_line(value))] for name, value in record.line.attributes.items()
            ],
        }
        for record in records
    ]


def millis(instant: datetime | None) -> int | None:
    """Return a point in time as the browser counts it."""
    return None if instant is None else round(instant.timestamp() * 1000)


def text_of(text: str) -> str:
    """Return text without the colours of a terminal, and with other control characters made visible."""
    return lines_of(_ANSI.sub("", text)).rstrip("\n")


def _attempt_view(attempt: AttemptRecord, progress: Progress | None, folder: Path) -> View:
    files = (("notebook", attempt.files.notebook), ("report", attempt.files.report))
    return {
        "task": attempt.task_id,
        "attempt": attempt.attempt,
        "state": attempt.state.value,
        "queued": millis(attempt.queued_at),
        "started": millis(attempt.started_at),
        "ended": millis(attempt.ended_at),
        "retry_at": millis(attempt.retry_at) if attempt.state is AttemptState.UP_FOR_RETRY else None,
        "cells": [progress.cell, progress.cells] if progress else None,
        "worker": one_line(attempt.worker),
        "result": _cut(one_line(attempt.value_preview or "")),
        "error": _cut(one_line(attempt.error.message)) if attempt.error else "",
        "reason": one_line(attempt.reason),
        "files": [
            {"kind": kind, "path": str(path), "shown": _shown(path, folder)} for kind, path in files if path
        ],
    }


def _usual(attempt: AttemptRecord, usual: Mapping[str, timedelta]) -> int | None:
    """Return how many milliseconds an attempt that runs usually takes, None if nobody knows."""
    if attempt.state is not AttemptState.RUNNING or attempt.task_id not in usual:
        return None
    return round(usual[attempt.task_id].total_seconds() * 1000)


def _errors(attempts: Sequence[AttemptRecord]) -> list[AttemptRecord]:
    """Return the latest attempts that went wrong, those of failed tasks before those that are retried."""
    latest = {attempt.task_id: attempt for attempt in attempts}.values()
    wrong = [attempt for attempt in latest if attempt.error is not None]
    return sorted(wrong, key=lambda attempt: not attempt.state.is_failure)


def _error_view(attempt: AttemptRecord, held: Sequence[HeldKernel]) -> View:
    assert attempt.error is not None
    key = (attempt.run_id, attempt.task_id, attempt.attempt)
    return {
        "task": attempt.task_id,
        "attempt": attempt.attempt,
        "state": attempt.state.value,
        "retry_at": millis(attempt.retry_at) if attempt.state is AttemptState.UP_FOR_RETRY else None,
        "kind": attempt.error.kind,
        "message": _cut(text_of(attempt.error.message)),
        "traceback": text_of(attempt.error.traceback)[-LONGEST_TRACEBACK:],
        "held": next((_held_view(h) for h in held if (h.run_id, h.task_id, h.attempt) == key), None),
    }


def _held_view(held: HeldKernel) -> View:
    """Return until when a kernel stays, how to look into it, and how to go on."""
    return {
        "until": millis(held.until),
        "look": one_line(f"jupyter console --existing {held.connection_file}"),
        "resume": one_line(f"%ppacer resume {held.run_id} {held.task_id}"),
    }


def _cut(text: str) -> str:
    left_out = len(text) - LONGEST_MESSAGE
    return text if left_out <= 0 else f"{text[:LONGEST_MESSAGE]} … and {left_out:,} characters more"


def _shown(path: Path, folder: Path) -> str:
    return one_line(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
