"""What a dashboard knows of its scheduler at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ppacer_nb.model.backfill import BackfillRecord
from ppacer_nb.model.comparison import RunComparison
from ppacer_nb.model.grid import GridRun
from ppacer_nb.model.history import AttemptRecord, DagVersion, LogRecord, Outcomes, RunRecord, VersionSummary
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.model.points import UpcomingPoint
from ppacer_nb.model.run_filter import RunPage
from ppacer_nb.status import RunState
from ppacer_nb.widgets.selection import Selection


@dataclass(frozen=True, slots=True)
class OverviewPicture:
    """What is going on."""

    runs: Sequence[RunRecord]  #: the latest, the newest first
    open: Sequence[RunRecord] = ()  #: those that have not ended
    failed: Sequence[tuple[RunRecord, str]] = ()  #: the latest that failed, and why
    upcoming: Sequence[UpcomingPoint] = ()  #: the next schedule points of all DAGs
    outcomes: Sequence[Outcomes] = ()  #: of the last day


@dataclass(frozen=True, slots=True)
class RunsPicture:
    """A page of the runs that are looked for."""

    page: RunPage
    is_live: bool  #: False: finding them takes so long that it is not done again with each change


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """Two runs of a DAG side by side."""

    comparison: RunComparison | None  #: None where there are not two runs to compare
    candidates: Sequence[RunRecord] = ()  #: other runs of the DAG, to choose from


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
    versions: Sequence[VersionSummary] = ()  #: the newest first


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
    runs: RunsPicture | None = None
    compare: ComparedPicture | None = None
