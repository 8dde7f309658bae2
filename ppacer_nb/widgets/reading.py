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
    if before is None or news is None:
        before = Picture(selection, info, api.dags(), api.history.counts(), _runs(api, selection))
        return replace(before, selected=_selected(api, selection, before.runs, None))
    dags, counts, runs, selected = before.dags, before.counts, before.runs, before.selected
    if any("/" not in id for id in news):  # a DAG is news when its schedule moves on, or a run begins or ends
        dags, counts = api.dags(), api.history.counts()
    if news or selection.dag_id != before.selection.dag_id:
        runs = _runs(api, selection)
    run_id = _run_id(selection, runs)
    if selected is None or selected.run.run_id != run_id or run_id in news or selection != before.selection:
        selected = _selected(api, selection, runs, selected)
    return Picture(selection, info, dags, counts, runs, selected)


def stopped(picture: Picture) -> Picture:
    """Return the `picture` of a scheduler that has stopped since."""
    info = replace(picture.info, running=False, busy=0, queued=0, problem="")
    dags = [replace(dag, next_point=None, active_runs=0, queued_runs=0) for dag in picture.dags]
    return replace(picture, info=info, dags=dags)


def read_stopped(api: SchedulerApi, picture: Picture) -> Picture:
    """Return the last `picture` of a scheduler, brought up to date from the history that it left.

    Raises
    ------
    PpacerError
        If the history cannot be read.
    """
    counts, runs = api.history.counts(), _runs(api, picture.selection)
    shown = picture.selected.run.run_id if picture.selected is not None else None
    selected = _selected(api, replace(picture.selection, run_id=shown), runs, picture.selected)
    return replace(stopped(picture), counts=counts, runs=runs, selected=selected)


def _runs(api: SchedulerApi, selection: Selection) -> list[RunRecord]:
    return api.history.runs(dag_id=selection.dag_id, limit=RUNS)


def _run_id(selection: Selection, runs: Sequence[RunRecord]) -> str | None:
    return selection.run_id or (runs[0].run_id if runs else None)


def _selected(
    api: SchedulerApi,
    selection: Selection,
    runs: Sequence[RunRecord],
    before: RunPicture | None,
) -> RunPicture | None:
    run_id = _run_id(selection, runs)
    if run_id is None:
        return None
    run = next((run for run in runs if run.run_id == run_id), None) or api.history.run(run_id)
    if run is None:
        return None
    known = before.version if before is not None else None
    if known is None or (known.dag_id, known.version) != (run.dag_id, run.version):
        known = api.history.dag_version(run.dag_id, run.version)
    return RunPicture(
        run,
        known,
        api.history.attempts(run_id),
        [] if run.state.is_terminal else api.progress(run_id),
        api.history.logs(run_id, task_id=selection.task_id, attempt=selection.attempt, limit=LOG_LINES),
    )
