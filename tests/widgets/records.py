"""Records to show, each made from a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb.model.attempt import ErrorInfo, Files, LogLine
from ppacer_nb.model.history import AttemptRecord, DagVersion, LogRecord, RunRecord, TaskShape
from ppacer_nb.model.overview import DagSummary, SchedulerInfo
from ppacer_nb.status import AttemptState, RunState, RunType
from ppacer_nb.widgets.picture import OverviewPicture, Picture, RunPicture
from ppacer_nb.widgets.selection import Selection

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
RUN_ID = "sales/scheduled-20261123T051500Z"
HOSTILE = "<img src=x onerror=\"window.pwned='yes'\"></script><script>window.pwned='yes'</script>"


def info(**changes: Any) -> SchedulerInfo:
    """Return a scheduler that runs."""
    values: dict[str, Any] = {
        "running": True,
        "store": "/home/ann/.ppacer/ppacer.duckdb",
        "pid": 42,
        "notebook": "/home/ann/nb.ipynb",
    }
    return SchedulerInfo(**(values | {"started_at": T0, "max_workers": 4} | changes))


def dag(id: str = "sales", next_point: datetime | None = None, **changes: Any) -> DagSummary:
    """Return a DAG that is scheduled."""
    values: dict[str, Any] = {
        "schedule": "15 6 * * *",
        "timezone": "Europe/Warsaw",
        "description": "",
        "tags": (),
    }
    values |= {"version": "abc", "defined": True, "next_point": next_point}
    return DagSummary(dag_id=id, **(values | changes))


def run(state: RunState = RunState.RUNNING, **changes: Any) -> RunRecord:
    """Return a run of three tasks that began at T0."""
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "dag_id": "sales",
        "run_type": RunType.SCHEDULED,
        "logical_date": T0,
    }
    values |= {"version": "abc", "params": {}, "created_at": T0, "started_at": T0, "ended_at": None}
    values |= {"reason": "", "tasks": 3, "tasks_done": 0, "tasks_failed": 0}
    return RunRecord(state=state, **(values | changes))


def attempt(
    task: str, state: AttemptState, number: int = 1, error: ErrorInfo | None = None, **changes: Any
) -> AttemptRecord:
    """Return an attempt of a task that began at T0 and, if it has ended, took a second."""
    ended = None if state is AttemptState.RUNNING else T0 + timedelta(seconds=1)
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "queued_at": T0,
        "started_at": T0,
        "ended_at": ended,
        "retry_at": None,
    }
    values |= {"reason": "", "worker": "thread", "files": Files()}
    values |= {"value_type": None, "value_size": None, "value_preview": None}
    return AttemptRecord(task_id=task, attempt=number, state=state, error=error, **(values | changes))


def log(message: str, level: str = "INFO", at: datetime = T0, **attributes: str) -> LogRecord:
    """Return a line of the log of the first attempt of ``extract``."""
    return LogRecord(RUN_ID, "extract", 1, LogLine(at, level, message, attributes))


def version(*tasks: str) -> DagVersion:
    """Return a version of the DAG, a chain of tasks."""
    shapes = [
        TaskShape(task, "function", task, tasks[number - 1 : number] if number else (), ())
        for number, task in enumerate(tasks)
    ]
    return DagVersion("sales", "abc", T0, "", "UTC", "", (), {}, "", shapes)


def picture(*attempts: AttemptRecord, of: RunRecord | None = None, **changes: Any) -> Picture:
    """Return what a dashboard knows when these attempts have been made."""
    shown = of or run()
    selected = RunPicture(shown, version("extract", "total"), attempts, (), ())
    values: dict[str, Any] = {
        "selection": Selection("overview"),
        "info": info(),
        "dags": [dag()],
        "overview": OverviewPicture([shown]),
        "run": selected,
    }
    return Picture(**(values | changes))


FOLDER = Path("/home/ann")
