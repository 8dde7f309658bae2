"""What a dashboard knows of its scheduler at one moment, and how it is brought up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ppacer_nb.model.history import AttemptRecord, DagVersion, LogRecord, RunRecord
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.status import RunState
from ppacer_nb.widgets.updater import News

RUNS = 50
LOG_LINES = 300


@dataclass(frozen=True, slots=True)
class Selection:
    """What the viewer looks at."""

    dag_id: str | None = None  #: only runs of this DAG; None: of all
    run_id: str | None = None  #: None: the latest run, whichever that is
    task_id: str | None = None  #: logs of this task only; None: of the whole run
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class RunPicture:
    """One run in full."""

    run: RunRecord
    version: DagVersion | None  #: None where the history has lost it
    attempts: Sequence[AttemptRecord]
    progress: Sequence[Progress]
    logs: Sequence[LogRecord]


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a dashboard shows."""

    selection: Selection
    info: SchedulerInfo
    dags: Sequence[DagSummary] = ()
    counts: Mapping[RunState, int] = field(default_factory=dict)
    runs: Sequence[RunRecord] = ()
    selected: RunPicture | None = None


def read(api: SchedulerApi, selection: Selection, before: Picture | None, news: News) -> Picture:
    """Return what `api` says now, taking over from `before` what cannot have changed by `news`.

    Raises
    ------
    PpacerError
        If the scheduler has stopped, or its history cannot be read.
    """
    info = api.info()
    if before is None or news is None or any("/" not in id for id in news):
        # A DAG's id is news when a run of it began or ended, or its schedule moved on.
        dags, counts = api.dags(), api.history.counts()
    else:
        dags, counts = before.dags, before.counts
    if before is None or news is None or news or before.selection.dag_id != selection.dag_id:
        runs: Sequence[RunRecord] = api.history.runs(dag_id=selection.dag_id, limit=RUNS)
    else:
        runs = before.runs
    return Picture(selection, info, dags, counts, runs, _selected(api, selection, runs, before, news))


def stopped(picture: Picture) -> Picture:
    """Return the last `picture` of a scheduler that has stopped since."""
    info = replace(picture.info, running=False, busy=0, queued=0, problem="")
    return replace(picture, info=info, dags=[replace(dag, next_point=None) for dag in picture.dags])


def _selected(
    api: SchedulerApi, selection: Selection, runs: Sequence[RunRecord], before: Picture | None, news: News
) -> RunPicture | None:
    run_id = selection.run_id or (runs[0].run_id if runs else None)
    if run_id is None:
        return None
    known = before.selected if before is not None and before.selected is not None else None
    same = known is not None and known.run.run_id == run_id
    if same and before is not None and before.selection == selection and news is not None:
        if run_id not in news:
            return known
    run = next((run for run in runs if run.run_id == run_id), None) or api.history.run(run_id)
    if run is None:
        return None
    if same and known is not None and known.run.version == run.version:
        version = known.version
    else:
        version = api.history.dag_version(run.dag_id, run.version)
    return RunPicture(
        run,
        version,
        api.history.attempts(run_id),
        [] if run.state.is_terminal else api.progress(run_id),
        api.history.logs(run_id, task_id=selection.task_id, attempt=selection.attempt, limit=LOG_LINES),
    )
