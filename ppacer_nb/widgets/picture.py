"""What a dashboard knows of its scheduler at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ppacer_nb.model.backfill import BackfillRecord
from ppacer_nb.model.grid import GridRun
from ppacer_nb.model.history import AttemptRecord, DagVersion, LogRecord, RunRecord
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.status import RunState
from ppacer_nb.widgets.selection import Selection


@dataclass(frozen=True, slots=True)
class OverviewPicture:
    """What is going on."""

    runs: Sequence[RunRecord]  #: the latest, the newest first


@dataclass(frozen=True, slots=True)
class DagPicture:
    """One DAG in full."""

    dag_id: str
    version: DagVersion | None  #: the newest; None where the history does not know it yet
    upcoming: Sequence[datetime] = ()  #: its next schedule points
    grid: Sequence[GridRun] = ()  #: its latest runs, the newest first
    limit: int = 0  #: how many of them were asked for
    params: Sequence[ParamInfo] = ()
    backfills: Sequence[BackfillRecord] = ()  #: the newest first


@dataclass(frozen=True, slots=True)
class RunPicture:
    """One run in full."""

    run: RunRecord
    version: DagVersion | None  #: None where the history has lost it
    attempts: Sequence[AttemptRecord]
    progress: Sequence[Progress]
    logs: Sequence[LogRecord]
    usual: Mapping[str, timedelta] = field(default_factory=dict)  #: how long its tasks take, where known


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a dashboard shows: what every part needs, and what each has read when it was shown last."""

    selection: Selection
    info: SchedulerInfo
    dags: Sequence[DagSummary] = ()
    counts: Mapping[RunState, int] = field(default_factory=dict)
    overview: OverviewPicture | None = None
    dag: DagPicture | None = None
    run: RunPicture | None = None
