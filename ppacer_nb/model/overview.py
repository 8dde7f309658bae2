"""A scheduler, its DAGs and its notebooks at one moment, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ppacer_nb.model.points import PointRange


@dataclass(frozen=True, slots=True)
class HeldKernel:
    """A kernel that stays when its attempt has failed, for somebody to look into and go on."""

    run_id: str
    task_id: str
    attempt: int
    connection_file: Path  #: for ``jupyter console --existing``
    until: datetime


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool, and how many of its slots running tasks have taken."""

    name: str
    taken: int
    slots: int


@dataclass(frozen=True, slots=True)
class SchedulerInfo:
    """A scheduler at one moment."""

    running: bool  #: False: only its history is left
    store: str  #: the path of the store, or "in memory"
    pid: int | None = None
    notebook: str = ""  #: the notebook or program it runs in
    started_at: datetime | None = None
    max_workers: int = 0
    busy: int = 0  #: tasks that run
    queued: int = 0  #: tasks that wait for a worker
    problem: str = ""  #: a sentence, where it cannot do its work
    held: Sequence[HeldKernel] = ()  #: of failed attempts, the oldest first
    pools: Sequence[PoolUse] = ()  #: in the order in which they were given at the start
    not_preloaded: Mapping[str, str] = field(default_factory=dict)  #: modules that cannot be, and why


@dataclass(frozen=True, slots=True)
class DagSummary:
    """A DAG at one moment."""

    dag_id: str
    version: str
    schedule: str  #: as it was written, "" without one
    timezone: str
    description: str
    tags: Sequence[str]
    defined: bool  #: False: known from the history only
    next_point: datetime | None = None
    active_runs: int = 0
    queued_runs: int = 0
    problem: str = ""  #: why its schedule stands still, where it does
    paused: bool = False  #: no scheduled runs of it are made
    missed: PointRange | None = None  #: while no scheduler ran, and nobody has decided on them
    to_catch_up: int = 0  #: missed points that somebody chose and that wait for their turn
    catchup: str = ""  #: which missed points it catches up, "" for none


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a notebook that runs now has come."""

    task_id: str
    attempt: int
    cell: int
    cells: int


@dataclass(frozen=True, slots=True)
class StopReport:
    """What stopping a scheduler did."""

    finished: int  #: attempts that ended by themselves while it waited
    unfinished: Sequence[str]  #: ids of the runs that go on when a scheduler is started again
    unrecorded: str = ""  #: what could not be written to the run history any more, in words
