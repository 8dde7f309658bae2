"""The overview: what is going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views import answers
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.part import Asked, Frame, Part
from ppacer_nb.widgets.picture import OverviewPicture, Picture
from ppacer_nb.widgets.updater import News
from ppacer_nb.widgets.viewmodels import run_view

RUNS = 50
_STILL_RUNS = 10


def read(api: SchedulerApi, picture: Picture, news: News) -> OverviewPicture:
    """Return the latest runs."""
    known = picture.overview
    if known is not None and news is not None and not news:
        return known
    return OverviewPicture(api.history.runs(limit=RUNS))


def views(picture: Picture, _: Frame) -> dict[str, Any]:
    """Return the rows of the latest runs."""
    shown = picture.overview
    return {"runs": [run_view(run) for run in shown.runs] if shown else []}


def still(picture: Picture, reader: Reader) -> Sequence[Rendered]:
    """Return the latest runs as a table."""
    shown = picture.overview
    return [answers.run_table(shown.runs[:_STILL_RUNS], reader)] if shown else []


def _trigger(asked: Asked, content: Mapping[str, Any]) -> None:
    run_id = asked.api.trigger(str(content["dag_id"]), by="the dashboard")
    asked.select(tab="run", run_id=run_id, task_id=None, attempt=None)


OVERVIEW = Part("overview", read, views, still, {"trigger": _trigger})
