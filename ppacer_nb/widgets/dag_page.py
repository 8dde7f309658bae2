"""The page of a DAG: what it is, when it runs, how it has run so far, and the buttons to steer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppacer_nb.commands import compare
from ppacer_nb.errors import PpacerError
from ppacer_nb.model.grid import GridRun
from ppacer_nb.model.history import DagVersion
from ppacer_nb.model.ids import dag_id_of
from ppacer_nb.model.overview import DagSummary
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.schedules.zones import zone_of
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.changes import change_views
from ppacer_nb.widgets.dagviews import backfill_view, counted, form_view, head_still, head_view, plan_view
from ppacer_nb.widgets.forms import Refused, filled_in, moment_of
from ppacer_nb.widgets.graphview import graph_view
from ppacer_nb.widgets.gridviews import durations_view, grid_view, run_views, task_abouts
from ppacer_nb.widgets.part import Asked, Command, Frame, Part
from ppacer_nb.widgets.picture import DagPicture, Picture
from ppacer_nb.widgets.updater import News
from ppacer_nb.widgets.viewmodels import millis

POINTS, BACKFILLS, VERSIONS = 5, 4, 12
#: Runs in the grid: as many at first and with each further press, as many at the most, and cells altogether.
RUNS, MOST_RUNS, MOST_CELLS = 60, 1_000, 40_000


def read(api: SchedulerApi, picture: Picture, news: News) -> DagPicture | None:
    """Return the chosen DAG, or the first one; None if there is none."""
    dag = _chosen(picture)
    if dag is None:
        return None
    known = picture.dag if picture.dag is not None and picture.dag.dag_id == dag.dag_id else None
    if known is not None and news is not None and dag.dag_id not in map(dag_id_of, news):
        return known
    version, versions = (known.version, known.versions) if known is not None else (None, ())
    if version is None or version.version != dag.version or news is None:
        version = api.history.dag_version(dag.dag_id)
        versions = api.history.versions(dag.dag_id)
    points = [it.point for it in api.upcoming(dag.dag_id, limit=POINTS)]
    limit = _limit(picture.selection.dag_runs, version)
    grid = _grid(api, dag.dag_id, limit, known, news)
    params = known.params if known is not None and news is not None else _params(api, dag)
    backfills = [it for it in api.backfills() if it.dag_id == dag.dag_id]
    return DagPicture(dag.dag_id, version, points, grid, limit, params, backfills, versions)


def views(picture: Picture, _: Frame) -> dict[str, Any]:
    """Return what is said of the DAG."""
    shown, dag = picture.dag, _chosen(picture)
    if shown is None or dag is None:
        return {"dag": {}}
    return {
        "dag": head_view(dag, shown),
        "dag_grid": grid_view(shown, _limit(MOST_RUNS, shown.version)),
        "dag_past": run_views(shown, ended=True),
        "dag_now": run_views(shown, ended=False),
        "dag_durations": durations_view(shown, picture.selection.dag_task),
        "dag_graph": graph_view(shown.version) if shown.version else {},
        "dag_tasks": task_abouts(shown),
        "dag_form": form_view(dag, shown),
        "dag_backfills": [backfill_view(it) for it in shown.backfills[:BACKFILLS]],
        "dag_versions": [[it.version, millis(it.defined_at), it.runs] for it in shown.versions[:VERSIONS]],
    }


def still(picture: Picture, reader: Reader) -> Sequence[Rendered]:
    """Return what is said of the DAG as text."""
    shown, dag = picture.dag, _chosen(picture)
    return [] if shown is None or dag is None else head_still(dag, shown, reader)


def _limit(asked_for: int | None, version: DagVersion | None) -> int:
    """Return how many runs to show: fewer than were asked for where each has a great many tasks."""
    tasks = len(version.tasks) if version is not None else 1
    return max(1, min(asked_for or RUNS, MOST_RUNS, MOST_CELLS // max(1, tasks)))


def _grid(
    api: SchedulerApi, dag_id: str, limit: int, known: DagPicture | None, news: News
) -> Sequence[GridRun]:
    """Return the latest runs; of those known already only the ones that are news are read again."""
    if known is None or news is None or known.limit != limit or not known.grid:
        return api.history.grid(dag_id, limit=limit)
    changed = [run.place for run in known.grid if run.run_id in news]
    since = min(changed, default=known.grid[0].place + 1)
    read_again = api.history.grid(dag_id, limit=limit, since=since)
    return [*read_again, *(run for run in known.grid if run.place < since)][:limit]


def _params(api: SchedulerApi, dag: DagSummary) -> Sequence[ParamInfo]:
    return api.params(dag.dag_id) if dag.defined and api.info().running else ()


def _chosen(picture: Picture) -> DagSummary | None:
    by_id = {dag.dag_id: dag for dag in picture.dags}
    first = next((dag for dag in picture.dags if dag.defined), next(iter(picture.dags), None))
    return by_id.get(picture.selection.dag_id or "", first)


def _steer(change: str) -> Command:
    """Return the command that does what the method of that name does to a DAG's backfill."""

    def steer(asked: Asked, content: Mapping[str, Any]) -> None:
        getattr(asked.api, change)(str(content["dag_id"]), by="the dashboard")

    return steer


def _pause(asked: Asked, content: Mapping[str, Any]) -> None:
    change = asked.api.pause if content.get("paused") is True else asked.api.unpause
    change(str(content["dag_id"]), by="the dashboard")


def _trigger(asked: Asked, content: Mapping[str, Any]) -> None:
    """Make a run with what a form was filled with, or tell the form what is wrong with it."""
    dag_id, texts = str(content["dag_id"]), content["values"]
    answer: dict[str, Any] = {"command": "form_answer", "form": content.get("form")}
    answer |= {"date": "", "problem": ""}
    params = asked.api.params(dag_id)
    zone = zone_of(next(dag.timezone for dag in asked.picture.dags if dag.dag_id == dag_id))
    values, answer["problems"] = filled_in(params, texts, zone)
    date = None
    try:
        date = moment_of(str(content.get("date") or ""), zone)
    except Refused as refusal:
        answer["date"] = str(refusal)
    if not answer["problems"] and not answer["date"]:
        try:
            run_id = asked.api.trigger(dag_id, params=values, logical_date=date, by="the dashboard")
            answer["run_id"] = run_id
            asked.select(tab="run", run_id=run_id, task_id=None, attempt=None)
        except PpacerError as error:
            answer["problem"] = str(error)
    asked.send(answer)


def _backfill(asked: Asked, content: Mapping[str, Any]) -> None:
    """Begin a backfill, or only tell its form what it would run."""
    answer: dict[str, Any] = {"command": "backfill_answer", "form": content.get("form"), "problem": ""}
    text = str(content["concurrency"])
    dry_run = content.get("dry_run") is not False
    try:
        plan = asked.api.backfill(
            str(content["dag_id"]),
            str(content["first"]),
            str(content["last"]),
            rerun=str(content["rerun"]),
            concurrency=int(text) if text.isdecimal() else 0,
            dry_run=dry_run,
            by="the dashboard",
        )
        answer |= {"plan": plan_view(plan), "begun": not dry_run}
    except PpacerError as error:
        answer["problem"] = str(error)
    asked.send(answer)


def _version_changes(asked: Asked, content: Mapping[str, Any]) -> None:
    """Tell what a version changed that it came after."""
    version = str(content["version"])
    diff = compare(asked.api, str(content["dag_id"]), new=version)
    asked.send({"command": "version_changes", "version": version, "changes": change_views(diff)})


def _catch_up(asked: Asked, content: Mapping[str, Any]) -> None:
    dag_id, choice = str(content["dag_id"]), str(content["choice"])
    points = asked.api.catchup(dag_id, choice, by="the dashboard")
    asked.say(
        f"{counted(len(points), 'missed point')} of {dag_id} to run, in order, as there is room."
        if points
        else f"no missed point of {dag_id} is run."
    )


DAG_PAGE = Part(
    "dag",
    read,
    views,
    still,
    {
        "pause": _pause,
        "catch_up": _catch_up,
        "trigger_form": _trigger,
        "backfill": _backfill,
        "version_changes": _version_changes,
        **{name: _steer(name) for name in ("pause_backfill", "resume_backfill", "cancel_backfill")},
    },
)
