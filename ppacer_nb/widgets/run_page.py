"""The page of a run: what it is, what went wrong, its graph, attempts and log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ppacer_nb.errors import NotFound
from ppacer_nb.model.history import DagVersion, LogRecord, RunRecord
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views import answers
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.documents import document_of
from ppacer_nb.widgets.estimating import usual_durations
from ppacer_nb.widgets.graphview import graph_view
from ppacer_nb.widgets.part import Asked, Frame, Part
from ppacer_nb.widgets.picture import Picture, RunPicture
from ppacer_nb.widgets.selection import Selection
from ppacer_nb.widgets.steering import run_actions, task_actions
from ppacer_nb.widgets.timeline import stretches
from ppacer_nb.widgets.updater import News
from ppacer_nb.widgets.viewmodels import attempt_views, log_views, millis, run_details, task_views

#: Lines of the log that are sent with each change, and those that are read back to at a time.
LOG_LINES, EARLIER_LINES = 300, 1000
BY = "the dashboard"


def read(api: SchedulerApi, picture: Picture, news: News) -> RunPicture | None:
    """Return the chosen run, or the latest one; None if there is none."""
    known, run_id = picture.run, picture.selection.run_id
    if run_id is None:
        run_id = next(iter(api.history.run_ids(limit=1)), None)
    if known is not None and known.run.run_id == run_id and news is not None and run_id not in news:
        return known
    run = api.history.run(run_id) if run_id is not None else None
    if run is None:
        return None
    version = known.version if known is not None else None
    if version is None or (version.dag_id, version.version) != (run.dag_id, run.version):
        version = api.history.dag_version(run.dag_id, run.version)
    return RunPicture(
        run,
        version,
        api.history.attempts(run.run_id),
        [] if run.state.is_terminal else api.progress(run.run_id),
        _log(api, run.run_id, picture.selection),
        _usual(api, run, version, known),
    )


def _log(
    api: SchedulerApi, run_id: str, chosen: Selection, before: int | None = None, limit: int = LOG_LINES
) -> Sequence[LogRecord]:
    return api.history.logs(
        run_id,
        task_id=chosen.task_id,
        attempt=chosen.attempt,
        least=chosen.log_least,
        before=before,
        limit=limit,
    )


def _usual(
    api: SchedulerApi, run: RunRecord, version: DagVersion | None, known: RunPicture | None
) -> Mapping[str, timedelta]:
    """Return how long the tasks of an unfinished run usually take: asked once, when it begins to be shown."""
    if run.state.is_terminal or version is None:
        return {}
    if known is not None and known.run.run_id == run.run_id and not known.run.state.is_terminal:
        return known.usual
    return usual_durations(api.history.durations(run.dag_id, [task.id for task in version.tasks]))


def views(picture: Picture, frame: Frame) -> dict[str, Any]:
    """Return the run, its graph, the states of its tasks, its attempts and its log."""
    shown = picture.run
    return {
        "graph": graph_view(shown.version) if shown and shown.version else {},
        "tasks": task_views(shown) if shown else {},
        "run": run_details(shown, picture.info.held) if shown else {},
        "attempts": attempt_views(shown, frame.folder) if shown else [],
        "logs": log_views(shown.logs) if shown else [],
        "log_begins_earlier": shown is not None and len(shown.logs) == LOG_LINES,
        "stretches": [[millis(since), millis(to)] for since, to in stretches(shown.attempts)]
        if shown
        else [],
        "steering": {"run": run_actions(picture), "task": task_actions(picture)},
    }


def still(picture: Picture, reader: Reader) -> Sequence[Rendered]:
    """Return the run as a page."""
    shown = picture.run
    if shown is None:
        return []
    return [
        answers.run_page(shown.run, shown.attempts, shown.version, shown.progress, reader, picture.info.held)
    ]


def _cancel(asked: Asked, content: Mapping[str, Any]) -> None:
    asked.api.cancel(str(content["run_id"]), by=BY)


def _restart(asked: Asked, content: Mapping[str, Any]) -> None:
    asked.api.restart(str(content["run_id"]), by=BY)


def _cancel_task(asked: Asked, content: Mapping[str, Any]) -> None:
    asked.api.cancel_task(*_task(content), by=BY)


def _clear(asked: Asked, content: Mapping[str, Any]) -> None:
    run_id, task_id = _task(content)
    asked.api.clear(run_id, [task_id], by=BY)


def _mark(asked: Asked, content: Mapping[str, Any]) -> None:
    asked.api.mark(*_task(content), str(content["state"]), by=BY)


def _resume(asked: Asked, content: Mapping[str, Any]) -> None:
    asked.api.resume(*_task(content), by=BY)


def _task(content: Mapping[str, Any]) -> tuple[str, str]:
    return str(content["run_id"]), str(content["task_id"])


def _earlier_log(asked: Asked, content: Mapping[str, Any]) -> None:
    # As a message: what the browser has read back to is its own affair.
    shown, chosen = asked.picture.run, asked.picture.selection
    if shown is None:
        return
    records = _log(asked.api, shown.run.run_id, chosen, int(content["before"]), EARLIER_LINES)
    more = len(records) == EARLIER_LINES
    about = {"run": shown.run.run_id, "task": chosen.task_id, "attempt": chosen.attempt}
    answer = {"lines": log_views(records), "more": more, **about, "least": chosen.log_least}
    asked.send({"command": "earlier_log", **answer})


def _open(asked: Asked, content: Mapping[str, Any]) -> None:
    # As a message and not as a trait: it may be large, and nothing else needs it.
    shown = asked.picture.run
    for attempt in shown.attempts if shown is not None else ():
        if [attempt.task_id, attempt.attempt] == [content["task"], content["attempt"]]:
            asked.send({"command": "document", **document_of(attempt, str(content["kind"]))})
            return
    raise NotFound("what was asked for belongs to another run than the one shown now.")


RUN_PAGE = Part(
    "run",
    read,
    views,
    still,
    {
        "cancel": _cancel,
        "restart": _restart,
        "cancel_task": _cancel_task,
        "clear": _clear,
        "mark": _mark,
        "resume": _resume,
        "earlier_log": _earlier_log,
        "open": _open,
    },
)
