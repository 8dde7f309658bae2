"""What the browser is sent of a DAG: plain dicts that JSON carries. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ppacer_nb.model.backfill import BackfillPlan, BackfillRecord
from ppacer_nb.model.overview import DagSummary
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.views.catching_up import missed_notes
from ppacer_nb.views.markup import one_line
from ppacer_nb.views.page import note
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.schedules import in_words
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.picture import DagPicture
from ppacer_nb.widgets.viewmodels import View, millis

LONGEST_DESCRIPTION = 2_000
#: Points of a backfill that are named one by one.
LISTED_POINTS = 12


def head_view(dag: DagSummary, shown: DagPicture) -> View:
    """Return what a DAG is, when it runs, and what stands in its way."""
    return {
        "id": dag.dag_id,
        "description": one_line(dag.description)[:LONGEST_DESCRIPTION],
        "tags": [one_line(tag) for tag in dag.tags],
        "schedule": one_line(dag.schedule),
        "words": in_words(dag.schedule),
        "zone": dag.timezone,
        "points": [millis(point) for point in shown.upcoming],
        "catchup": dag.catchup,
        "defined": dag.defined,
        "paused": dag.paused,
        "active": dag.active_runs,
        "queued": dag.queued_runs,
        "problem": one_line(dag.problem),
        "missed": _missed(dag),
        "to_catch_up": dag.to_catch_up,
        "version": dag.version,
        "defined_at": millis(shown.version.defined_at) if shown.version else None,
    }


def form_view(dag: DagSummary, shown: DagPicture) -> View:
    """Return the fields of the form that asks for the DAG's parameters."""
    return {"dag": dag.dag_id, "zone": dag.timezone, "fields": [_field(info) for info in shown.params]}


def plan_view(plan: BackfillPlan) -> View:
    """Return what a backfill would run, and how many points it leaves out for which reason."""
    points = plan.points
    return {
        "count": len(points),
        "first": millis(points[0]) if points else None,
        "last": millis(points[-1]) if points else None,
        "points": [millis(point) for point in points[:LISTED_POINTS]],
        "skipped": dict(Counter(skipped.why for skipped in plan.skipped)),
        "concurrency": plan.concurrency,
    }


def backfill_view(backfill: BackfillRecord) -> View:
    """Return how far a backfill has come."""
    return {
        "id": backfill.backfill_id,
        "dag": backfill.dag_id,
        "state": backfill.state.value,
        "first": millis(backfill.first),
        "last": millis(backfill.last),
        "runs": backfill.runs,
        "succeeded": backfill.succeeded,
        "failed": backfill.failed,
        "concurrency": backfill.concurrency,
        "created": millis(backfill.created_at),
        "reason": one_line(backfill.reason),
    }


def head_still(dag: DagSummary, shown: DagPicture, reader: Reader) -> Sequence[Rendered]:
    """Return what a DAG is and when it runs, for a notebook without a kernel and for a terminal."""
    schedule = " ".join(filter(None, [dag.schedule, in_words(dag.schedule)]))
    facts = [
        f"{dag.dag_id}, {schedule}, {dag.timezone}",
        dag.description,
        f"tags {', '.join(dag.tags)}" if dag.tags else "",
        f"next {', '.join(reader.when(point) for point in shown.upcoming)}" if shown.upcoming else "",
        "paused: no scheduled runs are made" if dag.paused else "",
    ]
    notes = [note(one_line(". ".join(filter(None, facts))) + ".")]
    if dag.problem:
        notes.append(note(dag.problem, kind="error"))
    return [*notes, *missed_notes([dag], reader)]


def _field(info: ParamInfo) -> View:
    return {**asdict(info), "help": one_line(info.help), "values": []}  # what they stand for, Python knows


def _missed(dag: DagSummary) -> dict[str, Any] | None:
    missed = dag.missed
    if missed is None:
        return None
    return {"first": millis(missed.first), "last": millis(missed.last), "count": missed.count}


def counted(number: int, thing: str) -> str:
    """Return "1 run", "2 runs"."""
    return f"{number:,} {thing}{'s' * (number != 1)}"
