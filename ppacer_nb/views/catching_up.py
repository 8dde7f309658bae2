"""Points that were missed and dates from before: what is offered, what is run, how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ppacer_nb.model.backfill import BackfillPlan, BackfillRecord, Why
from ppacer_nb.model.overview import DagSummary
from ppacer_nb.model.points import PointRange
from ppacer_nb.status import CatchupChoice
from ppacer_nb.views.page import note
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Cell, Column, Rendered, Table, combine, render

_LISTED_POINTS = 10
_SKIPPED: dict[Why, str] = {
    "succeeded": "left out: succeeded",
    "failed": "left out: failed (--rerun failed)",
    "unfinished": "left out: unfinished",
    "to come": "left out: its schedule comes to it",
}


def missed_notes(dags: Sequence[DagSummary], reader: Reader) -> list[Rendered]:
    """Say which points were missed while no scheduler ran, and what can be done about it."""
    offers = [
        note(
            f"{dag.dag_id}: {_missed_text(dag.missed, reader)} while no scheduler ran.",
            kind="warning",
            hint=f"%ppacer catchup {dag.dag_id} last|all|none  runs the last of them, all, or none",
        )
        for dag in dags
        if dag.missed is not None
    ]
    waiting = [
        note(f"{dag.dag_id}: {_count(dag.to_catch_up, 'missed point')} to catch up when there is room.")
        for dag in dags
        if dag.to_catch_up
    ]
    return offers + waiting


def caught_up(dag_id: str, choice: str, points: Sequence[datetime], reader: Reader) -> Rendered:
    """Answer ``%ppacer catchup``."""
    if choice == CatchupChoice.NONE:
        return note(f"The missed points of {dag_id} stay skipped.")
    if not points:
        return note(f"No point of {dag_id} is run: each has a run already, or its schedule knows it no more.")
    span = f"from {reader.when(points[0])} to {reader.when(points[-1])}"
    text = span if len(points) > 1 else f"of {reader.when(points[0])}"
    return note(
        f"{_count(len(points), 'run')} of {dag_id} {text}, in order, as there is room.",
        kind="success",
        hint=f"%ppacer runs {dag_id}",
    )


def backfill_plan(plan: BackfillPlan, reader: Reader) -> Rendered:
    """Answer ``%ppacer backfill DAG FROM TO``: what is run, and what is left out."""
    runs = _count(len(plan.points), "run")
    if plan.backfill_id:
        head = note(
            f"The backfill of {plan.dag_id} begins: {runs}, {plan.concurrency} at a time.",
            kind="success",
            hint=f"%ppacer backfill {plan.dag_id} pause|resume|cancel",
        )
    elif plan.points:
        head = note(f"The backfill of {plan.dag_id} would make {runs}, {plan.concurrency} at a time.")
    else:
        head = note(f"There is nothing to run for {plan.dag_id}.", hint="--rerun failed|all runs dates again")
    rows = [_plan_row("run", plan.points, reader)] if plan.points else []
    for why, what in _SKIPPED.items():
        points = [skipped.point for skipped in plan.skipped if skipped.why == why]
        if points:
            rows.append(_plan_row(what, points, reader))
    columns = (
        Column("what"),
        Column("points", "right"),
        Column("from"),
        Column("to"),
        Column("logical dates"),
    )
    return combine(head, render(Table("", columns, tuple(rows))))


def backfill_table(backfills: Sequence[BackfillRecord], reader: Reader) -> Rendered:
    """Answer ``%ppacer backfill``: how far backfills have come."""
    columns = (
        *(Column("DAG"), Column("state"), Column("progress", "right"), Column("failed", "right")),
        *(
            Column("from"),
            Column("to"),
            Column("at a time", "right"),
            Column("begun", "right"),
            Column("why"),
        ),
    )
    rows = tuple(
        (
            Cell(b.dag_id),
            Cell(b.state.value),
            Cell(f"{b.done:,} of {b.runs:,}", progress=b.done / b.runs if b.runs else 1.0),
            Cell(str(b.failed)),
            *(Cell(reader.when(b.first)), Cell(reader.when(b.last))),
            *(Cell(str(b.concurrency)), Cell(reader.age(b.created_at)), Cell(b.reason)),
        )
        for b in backfills
    )
    footer = "" if backfills else "%ppacer backfill DAG FROM TO runs a DAG for a range of dates."
    return render(Table("Backfills", columns, rows, footer))


def _plan_row(what: str, points: Sequence[datetime], reader: Reader) -> tuple[Cell, ...]:
    listed = [reader.when(point) for point in points[:_LISTED_POINTS]]
    more = ", ..." if len(points) > _LISTED_POINTS else ""
    return (
        *(Cell(what), Cell(f"{len(points):,}")),
        *(Cell(reader.when(points[0])), Cell(reader.when(points[-1])), Cell(", ".join(listed) + more)),
    )


def _missed_text(missed: PointRange, reader: Reader) -> str:
    count = "too many points to count" if missed.count is None else _count(missed.count, "point")
    if missed.count == 1:
        return f"{count} missed, {reader.when(missed.first)},"
    return f"{count} missed from {reader.when(missed.first)} to {reader.when(missed.last)}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
