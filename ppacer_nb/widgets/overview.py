"""The overview: what is going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ppacer_nb.model.history import Outcomes, RunRecord
from ppacer_nb.model.run_filter import RunFilter
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.views import answers
from ppacer_nb.views.markup import one_line
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.part import Asked, Frame, Part
from ppacer_nb.widgets.picture import OverviewPicture, Picture
from ppacer_nb.widgets.run_page import RUN_PAGE
from ppacer_nb.widgets.updater import News
from ppacer_nb.widgets.viewmodels import millis, run_view

RUNS, STILL_RUNS, OPEN, FAILED, UPCOMING = 50, 10, 8, 5, 8
HOURS = 24
#: What failed before that is no news.
LATELY = timedelta(days=7)
_LONGEST_WHY = 300


def read(api: SchedulerApi, picture: Picture, news: News) -> OverviewPicture:
    """Return what is going on: the latest runs, what runs, what failed lately, and what comes next."""
    known = picture.overview
    if known is not None and news is not None and not news:
        return known
    find = api.history.search
    open_runs = find(RunFilter(states=(RunState.RUNNING, RunState.QUEUED)), limit=OPEN).runs
    failed = find(RunFilter(states=(RunState.FAILED,), since=_now() - LATELY), limit=FAILED).runs
    return OverviewPicture(
        api.history.runs(limit=RUNS),
        open_runs,
        [(run, _why(api, run, known)) for run in failed],
        api.upcoming(limit=UPCOMING),
        api.history.outcomes(first_hour(_now())),
    )


def first_hour(now: datetime) -> datetime:
    """Return the beginning of the first of the hours that are counted."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def _now() -> datetime:
    return datetime.now(UTC)


def _why(api: SchedulerApi, run: RunRecord, known: OverviewPicture | None) -> str:
    """Return the first line of what went wrong in a run."""
    for other, why in known.failed if known is not None else ():
        if other == run:
            return why
    errors = [attempt for attempt in api.history.attempts(run.run_id) if attempt.error is not None]
    for attempt in sorted(errors, key=lambda attempt: attempt.state is not AttemptState.FAILED)[:1]:
        assert attempt.error is not None
        return f"{attempt.task_id}: {attempt.error.message.partition(chr(10))[0]}"
    return run.reason


def views(picture: Picture, _: Frame) -> dict[str, Any]:
    """Return the rows of the latest runs, and what is going on."""
    shown = picture.overview
    if shown is None:
        return {"runs": [], "going_on": {}}
    zones = {dag.dag_id: dag.timezone for dag in picture.dags}
    return {
        "runs": [run_view(run) for run in shown.runs],
        "going_on": {
            "open": [run_view(run) for run in shown.open],
            "failed": [run_view(run) | {"why": one_line(why)[:_LONGEST_WHY]} for run, why in shown.failed],
            "upcoming": [[it.dag_id, millis(it.point), zones.get(it.dag_id, "")] for it in shown.upcoming],
            "hours": hours(shown.outcomes),
        },
    }


def hours(outcomes: Sequence[Outcomes]) -> list[list[int]]:
    """Return, for each hour in which a run ended: when it began, and how many succeeded and did not."""
    found: dict[datetime, list[int]] = {}
    for one in outcomes:
        counts = found.setdefault(one.hour, [0, 0])
        counts[0 if one.state is RunState.SUCCESS else 1] += one.runs
    return [[round(hour.timestamp() * 1000), *counts] for hour, counts in sorted(found.items())]


def still(picture: Picture, reader: Reader) -> Sequence[Rendered]:
    """Return the latest runs as a table."""
    shown = picture.overview
    return [answers.run_table(shown.runs[:STILL_RUNS], reader)] if shown else []


def _trigger(asked: Asked, content: Mapping[str, Any]) -> None:
    run_id = asked.api.trigger(str(content["dag_id"]), by="the dashboard")
    asked.select(tab="run", run_id=run_id, task_id=None, attempt=None)


OVERVIEW = Part(
    "overview", read, views, still, {"trigger": _trigger, "restart": RUN_PAGE.commands["restart"]}
)
