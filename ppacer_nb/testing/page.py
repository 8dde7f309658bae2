"""A simulation as text and as HTML."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ppacer_nb.model.ids import dag_id_of
from ppacer_nb.views.format import format_elapsed
from ppacer_nb.views.page import note
from ppacer_nb.views.tables import Cell, Column, Rendered, Table, combine, render

if TYPE_CHECKING:  # they show themselves by this page
    from ppacer_nb.testing.result import SimulatedRun, Simulation, SkippedPoints

_ROWS = 100  #: of a table; a year of a daily DAG is longer than anybody reads


def simulation_page(simulation: Simulation) -> Rendered:
    """Return what happened, in one sentence and in tables."""
    parts = [note(_summary(simulation)), _run_table(simulation)]
    if simulation.skipped:
        parts.append(_skipped_table(simulation))
    if simulation.notifications:
        parts.append(_notification_table(simulation))
    return combine(*parts)


def _summary(simulation: Simulation) -> str:
    runs = simulation.runs
    states = ", ".join(f"{count} {state}" for state, count in simulation.counts.items())
    again = sum(attempt.attempt > 1 for attempt in simulation.attempts)
    span = f"{_when(simulation.start)} to {_when(simulation.end)}"
    made = f"{_number(len(runs), 'run')} ({states})" if runs else "no runs"
    tried = f", {_number(again, 'attempt')} after a failed one" if again else ""
    return f"{span}: {made}{tried}."


def _run_table(simulation: Simulation) -> Rendered:
    columns = (
        *(Column("state"), Column("DAG"), Column("logical date"), Column("type"), Column("began")),
        *(Column("duration", "right"), Column("attempts", "right"), Column("what went wrong")),
    )
    rows = tuple(_run_row(run) for run in simulation.runs[:_ROWS])
    return render(Table("Runs", columns, rows, _left_out(len(simulation.runs), "runs")))


def _run_row(run: SimulatedRun) -> tuple[Cell, ...]:
    errors = [f"{a.task_id}, attempt {a.attempt}: {a.error.message}" for a in run.attempts[::-1] if a.error]
    late = run.started_at is not None and run.started_at != run.logical_date
    return (
        *(Cell(state=run.state), Cell(run.dag.id), Cell(_when(run.logical_date), tooltip=run.run_id)),
        *(Cell(run.run_type), Cell(_when(run.started_at) if late and run.started_at else "")),
        Cell("" if run.duration is None else format_elapsed(run.duration)),
        Cell(str(sum(attempt.attempt > 0 for attempt in run.attempts))),
        Cell("; ".join(errors) or run.record.reason),
    )


def _skipped_table(simulation: Simulation) -> Rendered:
    columns = (Column("DAG"), Column("points", "right"), Column("first"), Column("last"))
    rows = tuple(_skipped_row(skipped) for skipped in simulation.skipped[:_ROWS])
    return render(Table("Skipped points", columns, rows, _left_out(len(simulation.skipped), "rows")))


def _skipped_row(skipped: SkippedPoints) -> tuple[Cell, ...]:
    count = "very many" if skipped.count is None else str(skipped.count)
    return Cell(skipped.dag_id), Cell(count), Cell(_when(skipped.first)), Cell(_when(skipped.last))


def _notification_table(simulation: Simulation) -> Rendered:
    zones = {run.dag.id: run.dag.timezone for run in simulation.runs}
    columns = (Column("kind"), Column("at"), Column("text"))
    rows = tuple(
        (Cell(n.kind), Cell(_when(n.at.astimezone(zones[dag_id_of(n.run_id)]))), Cell(n.text))
        for n in simulation.notifications[:_ROWS]
    )
    return render(Table("Notifications", columns, rows, _left_out(len(simulation.notifications), "rows")))


def _left_out(count: int, what: str) -> str:
    return f"{count - _ROWS:,} further {what} are not shown" if count > _ROWS else ""


def _when(moment: datetime) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%a %Y-%m-%d %H:%M}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
