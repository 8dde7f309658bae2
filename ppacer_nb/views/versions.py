"""The versions of a DAG, and what changed between two, as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ppacer_nb.model.history import VersionSummary
from ppacer_nb.model.version_diff import TaskDiff, VersionDiff
from ppacer_nb.views.markup import escape, one_line
from ppacer_nb.views.page import note
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Cell, Column, Rendered, Table, combine, framed, render


def version_table(dag_id: str, versions: Sequence[VersionSummary], reader: Reader) -> Rendered:
    """Answer ``%ppacer versions``."""
    columns = (Column("version"), Column("defined"), Column("runs", "right"))
    rows = tuple(
        (Cell(one.version), Cell(reader.when(one.defined_at)), Cell(f"{one.runs:,}")) for one in versions
    )
    more = f"%ppacer diff {dag_id} says what the newest changed." if len(versions) > 1 else ""
    return render(Table(f"Versions of {dag_id}", columns, rows, more))


def diff_page(diff: VersionDiff) -> Rendered:
    """Answer ``%ppacer diff``."""
    between = f"{diff.dag_id}, from version {diff.old} to {diff.new}"
    parts = [note(f"{between}: {_summary(diff)}.", hint=diff.note)]
    if diff.settings:
        parts.append(_lines("the DAG", diff.settings))
    parts += [_task(task) for task in diff.tasks]
    return combine(*parts)


def _summary(diff: VersionDiff) -> str:
    if diff.is_empty:
        return "nothing changed"
    words = ["the DAG itself changed"] if diff.settings else []
    for change in ("changed", "added", "removed"):
        count = sum(task.change == change for task in diff.tasks)
        if count:
            words.append(f"{count} {'task' if count == 1 else 'tasks'} {change}")
    return ", ".join(words)


def _task(task: TaskDiff) -> Rendered:
    title = f"task {task.task_id}" + (f", {task.change}" if task.change != "changed" else "")
    gap = [""] if task.settings and task.source else []
    return _lines(title, [*task.settings, *gap, *task.source])


def _lines(title: str, lines: Sequence[str]) -> Rendered:
    shown = [one_line(line.replace("\t", "    ")) for line in lines]
    rows = "".join(f'<div class="{_CLASSES.get(line[:1], "")}">{escape(line) or " "}</div>' for line in shown)
    head = f'<div class="ppacer-diff-title">{escape(one_line(title))}</div>'
    text = "\n".join([one_line(title), *(f"  {line}" for line in shown)])
    return Rendered(text, framed(f'{head}<div class="ppacer-diff">{rows}</div>', css=_CSS))


_CLASSES = {
    "-": "ppacer-diff-line ppacer-state-failed",
    "+": "ppacer-diff-line ppacer-state-success",
    "@": "ppacer-diff-cut",
}
_CSS = (
    ".ppacer-diff-title{font-weight:600;margin:10px 0 4px}"
    ".ppacer-diff{border:1px solid var(--ppacer-line);border-radius:8px;padding:6px 0;overflow-x:auto;"
    "font:12px/1.55 var(--ppacer-mono)}"
    ".ppacer-diff div{padding:0 14px;white-space:pre;width:fit-content;min-width:100%;box-sizing:border-box}"
    ".ppacer-diff .ppacer-diff-line{color:var(--ppacer-state);"
    "background:color-mix(in srgb,var(--ppacer-state) 9%,transparent)}"
    ".ppacer-diff .ppacer-diff-cut{color:var(--ppacer-muted)}"
)
