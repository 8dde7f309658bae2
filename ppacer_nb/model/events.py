"""The facts of the run history: what the engine decides, the log keeps, and a replay reads again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ppacer_nb.model.attempt import ErrorInfo, Files, Held
from ppacer_nb.model.backfill import BackfillOrder
from ppacer_nb.model.values import Value
from ppacer_nb.status import AttemptState, BackfillState, CatchupChoice, RunState, RunType, ScheduleEventKind


@dataclass(frozen=True, slots=True)
class RunEvent:
    """A run came into being or changed its state.

    QUEUED says of an ended run that it goes on, and of a running one that its scheduler has ended and it
    waits for the next. RUNNING with a reason says of a running one that it is to end early, and of one that
    does so that its cleanup is given up too.
    """

    run_id: str
    dag_id: str
    run_type: RunType
    logical_date: datetime
    version: str  #: of the DAG
    params: Mapping[str, Any]
    tasks: int  #: how many tasks that version has
    state: RunState
    at: datetime
    reason: str = ""  #: why, or by whom, where the state alone does not say it
    restarts: int = 0  #: how often it has gone on after it had ended
    timed_out: bool = False  #: with RUNNING and a reason: it ends early for its timeout, as failed
    interruptions: int = 0  #: how often its scheduler has ended while it ran


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """An attempt changed its state, or a task ended without one or was cleared (`attempt` is then 0).

    A task that was marked ends without an attempt; one that had ended is cleared first.
    """

    run_id: str
    task_id: str
    attempt: int
    state: AttemptState
    at: datetime
    queued_at: datetime | None = None  #: with RUNNING: since when it waited for a worker
    retry_at: datetime | None = None  #: with UP_FOR_RETRY: when the next attempt is due
    value: Value | None = None  #: with SUCCESS
    error: ErrorInfo | None = None
    reason: str = ""
    worker: str = ""  #: with an ending: who ran it, in words
    files: Files = field(default_factory=Files)
    held: Held | None = None  #: with FAILED: its kernel, where that stays
    cut_by: str = ""  #: with SKIPPED: the id of the short circuit that it is downstream of, if that is why


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """What became of a schedule point, or of all `count` points from `first` to `last`."""

    dag_id: str
    kind: ScheduleEventKind
    first: datetime
    last: datetime
    count: int | None  #: None: too many to count
    at: datetime
    run_id: str | None = None
    missed: bool = False  #: with SKIPPED: nobody decided so, no scheduler ran or the machine slept
    backfill_id: str = ""  #: with BACKFILLED


@dataclass(frozen=True, slots=True)
class CatchupEvent:
    """Somebody decided on all points that a DAG had missed by then."""

    dag_id: str
    choice: CatchupChoice
    points: tuple[datetime, ...]  #: that are to be run, in order
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class BackfillEvent:
    """A backfill began or changed its state."""

    backfill_id: str
    dag_id: str
    state: BackfillState
    at: datetime
    reason: str = ""  #: who asked for it
    order: BackfillOrder | None = None  #: with the first


@dataclass(frozen=True, slots=True)
class DagEvent:
    """Somebody paused a DAG, or ended its pause."""

    dag_id: str
    paused: bool
    at: datetime
    reason: str  #: who asked for it


EventOfRun = RunEvent | TaskEvent
Event = EventOfRun | ScheduleEvent | CatchupEvent | BackfillEvent | DagEvent
