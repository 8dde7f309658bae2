"""Two runs of a DAG side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ppacer_nb.commands import compare
from ppacer_nb.errors import NotFound
from ppacer_nb.model.comparison import RunComparison, TaskOutcome, TaskPair, compare_runs
from ppacer_nb.model.history import RunRecord
from ppacer_nb.model.version_diff import VersionDiff
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views.comparing import comparison_page
from ppacer_nb.views.markup import one_line
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.changes import change_views
from ppacer_nb.widgets.part import Frame, Part
from ppacer_nb.widgets.picture import ComparedPicture, Picture
from ppacer_nb.widgets.updater import News
from ppacer_nb.widgets.viewmodels import View, run_view

#: Runs of the DAG to choose from.
CANDIDATES = 50


def read(api: SchedulerApi, picture: Picture, news: News) -> ComparedPicture:
    """Return the two runs that are chosen: with one, the run of its DAG before it; with none, the latest."""
    known = picture.compare
    if (
        known is not None
        and news is not None
        and not (known.comparison and _concerns(known.comparison, news))
    ):
        return known
    chosen = picture.selection.compared
    newer = api.history.run(chosen[-1]) if chosen else next(iter(api.history.runs(limit=1)), None)
    if newer is None:
        return ComparedPicture(None)
    candidates = api.history.runs(dag_id=newer.dag_id, limit=CANDIDATES)
    older = api.history.run(chosen[0]) if len(chosen) > 1 else _before(newer, candidates)
    if older is None:
        return ComparedPicture(None, candidates)
    if older.created_at > newer.created_at:
        older, newer = newer, older
    return ComparedPicture(_compared(api, older, newer), candidates)


def _concerns(comparison: RunComparison, news: frozenset[str]) -> bool:
    return comparison.old.run_id in news or comparison.new.run_id in news


def _before(run: RunRecord, candidates: Sequence[RunRecord]) -> RunRecord | None:
    """Return the run of its DAG that was made before it, None if that is too long ago or there is none."""
    return next((other for other in candidates if other.created_at < run.created_at), None)


def _compared(api: SchedulerApi, old: RunRecord, new: RunRecord) -> RunComparison:
    before, after = (api.history.attempts(run.run_id) for run in (old, new))
    return compare_runs(old, new, before, after, _versions(api, old, new), datetime.now(UTC))


def _versions(api: SchedulerApi, old: RunRecord, new: RunRecord) -> VersionDiff | None:
    if old.dag_id != new.dag_id or old.version == new.version:
        return None
    try:
        return compare(api, new.dag_id, old.version, new.version)
    except NotFound:  # the history has lost one of them
        return None


def views(picture: Picture, _: Frame) -> dict[str, Any]:
    """Return both runs, what differs, and which runs can be chosen."""
    shown = picture.compare
    if shown is None:
        return {"comparison": {}}
    rows = [[run.run_id, run_view(run)["name"], run.state.value] for run in shown.candidates]
    return {"comparison": {"candidates": rows, **(_view(shown.comparison) if shown.comparison else {})}}


def _view(comparison: RunComparison) -> View:
    return {
        "old": run_view(comparison.old) | {"version": comparison.old.version},
        "new": run_view(comparison.new) | {"version": comparison.new.version},
        "params": [[one_line(name), one_line(a), one_line(b)] for name, (a, b) in comparison.params.items()],
        "tasks": [_pair(pair) for pair in comparison.tasks],
        "changes": change_views(comparison.versions) if comparison.versions else [],
    }


def _pair(pair: TaskPair) -> View:
    return {"id": pair.task_id, "old": _outcome(pair.old), "new": _outcome(pair.new), "differs": pair.differs}


def _outcome(outcome: TaskOutcome | None) -> View | None:
    if outcome is None:
        return None
    took = outcome.duration and outcome.duration / timedelta(milliseconds=1)
    return {"state": outcome.state.value, "took": took, "error": one_line(outcome.error)[:500]}


def still(picture: Picture, reader: Reader) -> Sequence[Rendered]:
    """Return the comparison as a table, and the differences of the versions."""
    shown = picture.compare
    return [comparison_page(shown.comparison, reader)] if shown and shown.comparison else []


COMPARE_PAGE = Part("compare", read, views, still)
