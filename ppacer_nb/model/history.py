"""What the run history says of runs, attempts and DAGs, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ppacer_nb.model.attempt import ErrorInfo, Files, LogLine
from ppacer_nb.model.task import TaskKind
from ppacer_nb.status import AttemptState, RunState, RunType


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a DAG."""

    run_id: str
    dag_id: str
    run_type: RunType
    logical_date: datetime  #: UTC, as every time here
    version: str
    params: Mapping[str, Any]
    state: RunState
    created_at: datetime
    started_at: datetime | None  #: for the last time, where it has gone on after its end
    ended_at: datetime | None
    reason: str
    tasks: int  #: how many tasks it has
    tasks_done: int  #: how many of them have ended, however
    tasks_failed: int  #: how many failed or could not start for a failure
    restarts: int = 0  #: how often it has gone on after it had ended

    def duration(self, now: datetime) -> timedelta | None:
        """Return how long it ran, until `now` if it still runs.

        None before it began, and where nobody knows: the clock was put back meanwhile.
        """
        return _between(self.started_at, self.ended_at or now)


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt of a task. With number 0: a task ended without one, or was cleared."""

    run_id: str
    task_id: str
    attempt: int
    state: AttemptState
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    retry_at: datetime | None
    reason: str
    worker: str  #: who ran it, in words; known once it has ended
    error: ErrorInfo | None
    files: Files
    value_type: str | None
    value_size: int | None
    value_preview: str | None

    def duration(self, now: datetime) -> timedelta | None:
        """Return how long it ran, until `now` if it still runs.

        None if it never began, and where nobody knows: the clock was put back meanwhile.
        """
        return _between(self.started_at, self.ended_at or now)


def _between(start: datetime | None, end: datetime) -> timedelta | None:
    return None if start is None or end < start else end - start


def begun(attempts: Sequence[AttemptRecord]) -> list[AttemptRecord]:
    """Return the attempts, and the tasks that ended without one, but not where a task was cleared."""
    return [attempt for attempt in attempts if attempt.state is not AttemptState.CLEARED]


def latest_states(attempts: Sequence[AttemptRecord]) -> dict[str, AttemptState]:
    """Return each task's state by its latest attempt; one that was cleared has none until it runs again."""
    latest = {attempt.task_id: attempt.state for attempt in attempts}
    return {id: state for id, state in latest.items() if state is not AttemptState.CLEARED}


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line of an attempt's log, and whose it is."""

    run_id: str
    task_id: str
    attempt: int
    line: LogLine
    number: int = 0  #: from 1, in the order of all lines of the store


@dataclass(frozen=True, slots=True)
class TaskShape:
    """What a stored version of a DAG says of one task: enough to draw it, and to tell it from another's."""

    id: str
    kind: TaskKind
    name: str
    upstreams: Sequence[str]
    data_upstreams: Sequence[str]
    source_hash: str = ""  #: "" of a version that was stored before sources were kept
    settings: Sequence[str] = ()  #: what its definition says beside its source, a line each


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """Which version of a DAG is its newest."""

    version: str
    defined_at: datetime


@dataclass(frozen=True, slots=True)
class DagVersion:
    """A version of a DAG as the store keeps it."""

    dag_id: str
    version: str
    defined_at: datetime
    schedule: str
    timezone: str
    description: str
    tags: Sequence[str]
    params: Mapping[str, Any]
    source: str
    tasks: Sequence[TaskShape]


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """That a DAG was defined as a version, and how many runs have used that."""

    version: str
    defined_at: datetime
    runs: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many runs ended in a state within an hour."""

    hour: datetime  #: its beginning, in UTC
    state: RunState
    runs: int


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What an SQL query returned."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: bool = False  #: whether rows beyond these were left out
