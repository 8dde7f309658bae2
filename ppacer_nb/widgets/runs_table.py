"""The table of runs: filtered, sorted, a page at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from ppacer_nb.model.overview import DagSummary
from ppacer_nb.model.run_filter import RunFilter, RunOrder
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.status import RunState, RunType
from ppacer_nb.views import answers
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.part import Frame, Part
from ppacer_nb.widgets.picture import Picture, RunsPicture
from ppacer_nb.widgets.selection import RunsChoice
from ppacer_nb.widgets.updater import News
from ppacer_nb.widgets.viewmodels import run_view

PAGE = 50
#: Seconds; a search that takes longer is not done again whenever something happens.
QUICK = 0.15


def read(api: SchedulerApi, picture: Picture, news: News) -> RunsPicture:
    """Return the page of runs that is chosen."""
    known = picture.runs
    if known is not None and news is not None and (not news or not known.is_live):
        return known
    began = time.perf_counter()
    wanted = run_filter(picture.selection.runs, picture.dags)
    page = api.history.search(wanted, offset=PAGE * max(0, picture.selection.runs.page), limit=PAGE)
    return RunsPicture(page, time.perf_counter() - began < QUICK)


def run_filter(choice: RunsChoice, dags: Sequence[DagSummary]) -> RunFilter:
    """Return what `choice` looks for; what it names that does not exist finds nothing or says nothing."""
    dag_ids = [choice.dag_id] if choice.dag_id else []
    if choice.tag:
        tagged = [dag.dag_id for dag in dags if choice.tag in dag.tags]
        dag_ids = [id for id in tagged if not dag_ids or id in dag_ids] or [""]  # of no DAG
    return RunFilter(
        dag_ids=dag_ids,
        states=[RunState(choice.state)] if choice.state in set(RunState) else [],
        run_types=[RunType(choice.run_type)] if choice.run_type in set(RunType) else [],
        since=_instant(choice.since),
        until=_instant(choice.until),
        text=choice.text,
        order=choice.order if choice.order in get_args(RunOrder) else "created",  # type: ignore[arg-type]
        ascending=choice.ascending,
    )


def _instant(millis: int | None) -> datetime | None:
    try:
        return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a date that Python does not know
        return None


def views(picture: Picture, _: Frame) -> dict[str, Any]:
    """Return the rows, and what can be chosen."""
    shown = picture.runs
    if shown is None:
        return {"found": {}}
    return {
        "found": {
            "rows": [run_view(run) for run in shown.page.runs],
            "more": shown.page.more,
            "live": shown.is_live,
            "tags": sorted({tag for dag in picture.dags for tag in dag.tags}),
        }
    }


def still(picture: Picture, reader: Reader) -> Sequence[Rendered]:
    """Return the page as a table."""
    shown = picture.runs
    return [answers.run_table(shown.page.runs, reader)] if shown else []


RUNS_TABLE = Part("runs", read, views, still)
