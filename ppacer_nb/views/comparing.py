"""Two runs side by side, as text and as HTML."""

from __future__ import annotations

from datetime import timedelta

from ppacer_nb.model.comparison import RunComparison, TaskOutcome
from ppacer_nb.views.format import format_elapsed
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Cell, Column, Rendered, Table, combine, render
from ppacer_nb.views.versions import diff_page


def comparison_page(comparison: RunComparison, reader: Reader) -> Rendered:
    """Return what is the same in two runs of a DAG, and what is not."""
    old, new = comparison.old, comparison.new
    columns = (Column(""), Column(old.run_id), Column(new.run_id))
    rows = [
        (Cell("state"), Cell(state=old.state), Cell(state=new.state)),
        (Cell("version"), Cell(old.version), Cell(new.version)),
        (Cell("took"), *(Cell(_took(run.duration(reader.now))) for run in (old, new))),
        *((Cell(f"param {name}"), Cell(a), Cell(b)) for name, (a, b) in comparison.params.items()),
    ]
    tasks = tuple(
        (Cell(pair.task_id), *(cell for outcome in (pair.old, pair.new) for cell in _cells(outcome)))
        for pair in comparison.tasks
    )
    task_columns = (
        Column("task"),
        Column("before"),
        Column("took", "right"),
        Column("after"),
        Column("took", "right"),
    )
    parts = [render(Table("Two runs", columns, tuple(rows))), render(Table("Tasks", task_columns, tasks))]
    if comparison.versions is not None:
        parts.append(diff_page(comparison.versions))
    return combine(*parts)


def _cells(outcome: TaskOutcome | None) -> tuple[Cell, Cell]:
    if outcome is None:
        return Cell("–"), Cell("")
    return Cell(state=outcome.state, tooltip=outcome.error), Cell(_took(outcome.duration))


def _took(duration: timedelta | None) -> str:
    return "" if duration is None else format_elapsed(duration)
