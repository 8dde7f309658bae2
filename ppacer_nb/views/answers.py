"""What is asked of a scheduler, answered as text and HTML. Pure: the time and the reader's zone come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.backfill import BackfillRecord
from ppacer_nb.model.history import (
    AttemptRecord,
    DagVersion,
    QueryResult,
    RunRecord,
    begun,
    latest_states,
)
from ppacer_nb.model.overview import DagSummary, HeldKernel, PoolUse, Progress, SchedulerInfo, StopReport
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.views.catching_up import backfill_table, missed_notes
from ppacer_nb.views.dags import run_graph
from ppacer_nb.views.format import format_elapsed
from ppacer_nb.views.page import log_lines, note
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.svg import to_html
from ppacer_nb.views.tables import Cell, Column, Rendered, Table, combine, render

_SHOWN_ERROR_LINES = 40
_SHOWN_RUNS = 10


def status(
    info: SchedulerInfo,
    dags: Sequence[DagSummary],
    counts: Mapping[RunState, int],
    reader: Reader,
    *,
    here: bool,
    backfills: Sequence[BackfillRecord] = (),
) -> Rendered:
    """Answer ``%ppacer status``; `here` says whether the scheduler lives in the reader's own kernel."""
    parts = [note(_running_text(info, reader, here=here), kind="success" if info.running else "warning")]
    if info.problem:
        parts.append(note(info.problem, kind="error"))
    parts += [
        note(f"{module} is not preloaded, and imported by each task that needs it: {why}.", kind="warning")
        for module, why in info.not_preloaded.items()
    ]
    parts += missed_notes(dags, reader)
    cells = [(Cell(str(counts.get(state, 0)))) for state in RunState]
    columns = [Column(state.value, "right") for state in RunState]
    if info.running:
        columns += [Column("tasks running", "right"), Column("tasks waiting", "right")]
        cells += [Cell(f"{info.busy} of {info.max_workers}"), Cell(str(info.queued))]
    parts.append(render(Table("Runs", tuple(columns), (tuple(cells),))))
    if info.pools:
        parts.append(_pool_table(info.pools))
    parts += [note(f"{dag.dag_id}: {dag.problem}", kind="warning") for dag in dags if dag.problem]
    if info.held:
        parts.append(_held_table(info.held, reader))
    if backfills:
        parts.append(backfill_table(backfills, reader))
    parts.append(dag_table(dags, reader))
    parts += [_parked_note(dag) for dag in dags if info.running and dag.queued_runs and not dag.defined]
    return combine(*parts)


def dag_table(dags: Sequence[DagSummary], reader: Reader) -> Rendered:
    """Answer ``%ppacer dags``."""
    columns = (
        Column("DAG"),
        Column("schedule"),
        Column("next"),
        Column("runs now", "right"),
        Column("version"),
        Column("description"),
    )
    footer = "" if dags else "Define one in a cell: with DAG(...)."
    return render(Table("DAGs", columns, tuple(_dag_row(dag, reader) for dag in dags), footer))


def run_table(runs: Sequence[RunRecord], reader: Reader, *, title: str = "Latest runs") -> Rendered:
    """Answer ``%ppacer runs``."""
    columns = (
        Column("state"),
        Column("run"),
        Column("logical date"),
        Column("tasks done", "right"),
        Column("duration", "right"),
        Column("started", "right"),
    )
    footer = "" if runs else "No runs yet: %ppacer trigger DAG starts one."
    return render(Table(title, columns, tuple(_run_row(run, reader) for run in runs), footer))


def run_page(
    run: RunRecord,
    attempts: Sequence[AttemptRecord],
    version: DagVersion | None,
    progress: Sequence[Progress],
    reader: Reader,
    held: Sequence[HeldKernel] = (),
) -> Rendered:
    """Answer ``%ppacer show``: the run, its graph, its attempts, why it failed if it did, how to go on.

    Of all kernels that are `held`, those of this run are shown.
    """
    parts = [run_table([run], reader, title="Run")]
    if run.params:
        cells = tuple((Cell(name), Cell(repr(value))) for name, value in run.params.items())
        parts.append(render(Table("Parameters", (Column("name"), Column("value")), cells)))
    if version is not None and version.tasks:
        parts.append(Rendered("", to_html(run_graph(version, latest_states(attempts)))))
    parts.append(_attempt_table(attempts, progress, reader))
    parts += [_error_note(attempt) for attempt in attempts if attempt.error is not None]
    parts += [_held_note(kernel, reader) for kernel in held if kernel.run_id == run.run_id]
    if run.restarts:
        parts.append(note(f"The run has gone on {_times(run.restarts)} after its end."))
    if run.reason and run.state is RunState.QUEUED:
        parts.append(note(f"The run waits: {run.reason}."))
    if run.reason and run.state.is_terminal:
        parts.append(note(f"The run ended as {run.state}: {run.reason}.", kind="warning"))
    return combine(*(part for part in parts if part.text or part.html))


def log_page(lines: Sequence[LogLine], reader: Reader) -> Rendered:
    """Answer ``%ppacer logs``."""
    return log_lines(lines, zone=reader.zone)


def query_table(result: QueryResult) -> Rendered:
    """Answer ``%ppacer sql``."""
    columns = tuple(
        Column(name, "right" if _is_numeric(result, i) else "left") for i, name in enumerate(result.columns)
    )
    rows = tuple(tuple(Cell(_value_text(value)) for value in row) for row in result.rows)
    count = f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}"
    return render(Table("", columns, rows, f"the first {count}; there are more" if result.more else count))


def stopped(report: StopReport) -> Rendered:
    """Answer ``%ppacer stop``."""
    parts = ["The scheduler has stopped."]
    if report.finished:
        parts.append(f"{_tasks(report.finished)} ended while it waited.")
    if report.unfinished:
        parts.append(f"To go on when it is started again: {_listed(report.unfinished)}.")
    if report.unrecorded:
        parts.append(f"The run history could not be written, and lacks {report.unrecorded}.")
    return note(" ".join(parts), kind="warning" if report.unfinished or report.unrecorded else "info")


def _listed(run_ids: Sequence[str]) -> str:
    more = len(run_ids) - _SHOWN_RUNS
    return ", ".join(run_ids[:_SHOWN_RUNS]) + (f" and {more} more runs" if more > 0 else "")


def _running_text(info: SchedulerInfo, reader: Reader, *, here: bool) -> str:
    if not info.running:
        return f"No scheduler is running. The history is in {info.store}."
    where = "this kernel" if here else f"process {info.pid} ({info.notebook or 'no notebook'})"
    since = f" since {reader.when(info.started_at)}" if info.started_at else ""
    lasts = "this kernel lives" if here else "that process lives"
    return (
        f"The scheduler runs in {where}{since}. Scheduling lasts as long as {lasts}.\nHistory: {info.store}"
    )


def _dag_row(dag: DagSummary, reader: Reader) -> tuple[Cell, ...]:
    when = f"{dag.next_point} UTC" if dag.next_point else ""
    following = Cell(reader.when(dag.next_point), tooltip=dag.problem or when)
    if dag.problem and dag.next_point is None:
        following = Cell("stopped", state=AttemptState.FAILED, tooltip=dag.problem)
    elif dag.paused:
        following = Cell("paused", tooltip=f"%ppacer unpause {dag.dag_id}")
    elif not dag.defined:
        following = Cell("not defined in this session")
    runs = f"{dag.active_runs}" + (f" + {dag.queued_runs} queued" if dag.queued_runs else "")
    schedule = dag.schedule or "only when triggered"
    if dag.catchup:
        schedule += f", catchup {dag.catchup}"
    return (
        *(Cell(dag.dag_id, tooltip=" ".join(dag.tags)), Cell(schedule), following),
        *(Cell(runs), Cell(dag.version), Cell(dag.description)),
    )


def _run_row(run: RunRecord, reader: Reader) -> tuple[Cell, ...]:
    duration = run.duration(reader.now)
    return (
        Cell(state=run.state),
        Cell(run.run_id),
        Cell(reader.when(run.logical_date), tooltip=f"{run.logical_date:%Y-%m-%d %H:%M:%S} UTC"),
        Cell(
            f"{run.tasks_done} of {run.tasks}",
            state=run.state,
            progress=run.tasks_done / run.tasks if run.tasks else 1.0,
        ),
        Cell("" if duration is None else format_elapsed(duration)),
        Cell(reader.age(run.started_at or run.created_at)),
    )


def _parked_note(dag: DagSummary) -> Rendered:
    return note(
        f"{_runs(dag.queued_runs)} until DAG {dag.dag_id!r} is defined again: run the cell that defines it, "
        "or cancel what is not to go on.",
        kind="warning",
    )


def _pool_table(pools: Sequence[PoolUse]) -> Rendered:
    columns = (Column("pool"), Column("slots taken", "right"))
    return render(
        Table("Pools", columns, tuple((Cell(p.name), Cell(f"{p.taken} of {p.slots}")) for p in pools))
    )


def _held_table(held: Sequence[HeldKernel], reader: Reader) -> Rendered:
    columns = (Column("run"), Column("task"), Column("attempt", "right"), Column("until"), Column("kernel"))
    rows = tuple(
        (
            *(Cell(h.run_id), Cell(h.task_id), Cell(str(h.attempt)), Cell(reader.when(h.until))),
            Cell(str(h.connection_file)),
        )
        for h in held
    )
    footer = "jupyter console --existing KERNEL looks into one; %ppacer resume RUN TASK goes on in it."
    return render(Table("Held kernels", columns, rows, footer))


def _attempt_table(
    attempts: Sequence[AttemptRecord], progress: Sequence[Progress], reader: Reader
) -> Rendered:
    columns = (
        Column("state"),
        Column("task"),
        Column("attempt", "right"),
        Column("duration", "right"),
        Column("worker"),
        Column("result"),
        Column("files"),
    )
    cells = {(p.task_id, p.attempt): f"cell {p.cell} of {p.cells}" for p in progress}
    rows = []
    for a in begun(attempts):
        duration = a.duration(reader.now)
        result = cells.get((a.task_id, a.attempt)) or a.value_preview or a.reason
        if a.retry_at is not None and a.retry_at > reader.now:
            result = f"next attempt {reader.when(a.retry_at)}"
        files = [path for path in (a.files.report, a.files.notebook) if path is not None]
        rows.append(
            (
                *(Cell(state=a.state), Cell(a.task_id), Cell(str(a.attempt or ""))),
                Cell("" if duration is None else format_elapsed(duration)),
                *(Cell(a.worker), Cell(result or "")),
                Cell(", ".join(path.name for path in files), tooltip="\n".join(map(str, files))),
            )
        )
    folders = {str(a.files.notebook.parent) for a in attempts if a.files.notebook is not None}
    footer = f"Files are in {', '.join(folders)}" if folders else ""
    return render(Table("Attempts", columns, tuple(rows), footer))


def _error_note(attempt: AttemptRecord) -> Rendered:
    assert attempt.error is not None
    lines = attempt.error.traceback.rstrip().splitlines()
    shown = lines[-_SHOWN_ERROR_LINES:]
    text = f"{attempt.task_id}, attempt {attempt.attempt}: {attempt.error.message}"
    return note(text, kind="error", hint="\n".join(shown))


def _held_note(held: HeldKernel, reader: Reader) -> Rendered:
    return note(
        f"The kernel of {held.task_id}, attempt {held.attempt}, is held until {reader.when(held.until)}.",
        hint=f"look into it: jupyter console --existing {held.connection_file}\n"
        f"go on in it: %ppacer resume {held.run_id} {held.task_id}",
    )


def _value_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds")
    return "" if value is None else str(value)


def _is_numeric(result: QueryResult, column: int) -> bool:
    values = [row[column] for row in result.rows if row[column] is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _runs(count: int) -> str:
    return "1 run waits" if count == 1 else f"{count} runs wait"


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
