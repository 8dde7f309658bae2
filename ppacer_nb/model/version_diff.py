"""What changed between two versions of a DAG. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ppacer_nb.model.cells import Change, cell_diffs, split_cells
from ppacer_nb.model.history import DagVersion, TaskShape

#: Lines around a change that are shown with it.
_AROUND = 3
_HEAD = 2  # lines of a unified diff that name the files


@dataclass(frozen=True, slots=True)
class TaskDiff:
    """A task that is not the same in both versions.

    Lines begin with "-" where only the old version has them, "+" where only the new one has, " " where both
    do, and "@@" where some are left out: of a notebook that line names the cell that comes next.
    """

    task_id: str
    change: Change
    settings: Sequence[str]  #: lines of what the definition says beside the source
    source: Sequence[str]  #: lines of its code, its notebook's code or its command


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What changed from the version `old` to the version `new` of a DAG."""

    dag_id: str
    old: str
    new: str
    settings: Sequence[str]  #: lines of what the definition says of the DAG itself
    tasks: Sequence[TaskDiff]  #: that are not the same, in the order of the new version, then those removed
    note: str = ""  #: a sentence on what could not be compared

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not self.settings and not self.tasks


def version_diff(
    old: DagVersion, new: DagVersion, old_sources: Mapping[str, str], new_sources: Mapping[str, str]
) -> VersionDiff:
    """Return what changed from `old` to `new`; sources are by the hashes of the versions' tasks.

    Of versions that were stored before sources were kept, only what is known of both is compared.
    """
    sourceless = [version.version for version in (old, new) if not _has_sources(version)]
    read = _outline if sourceless else _definition
    before, after = read(old, old_sources), read(new, new_sources)
    diffs = [
        _task_diff(id, before.tasks.get(id), after.tasks.get(id))
        for id in (*after.tasks, *(id for id in before.tasks if id not in after.tasks))
    ]
    return VersionDiff(
        new.dag_id,
        old.version,
        new.version,
        line_diff(before.head, after.head) + _order_diff(list(before.tasks), list(after.tasks)),
        [diff for diff in diffs if diff is not None],
        f"Of version {' and '.join(sourceless)} no sources of tasks were kept: they are not compared."
        if sourceless
        else "",
    )


def line_diff(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the lines of a unified diff without its head; nothing if both are the same."""
    lines = difflib.unified_diff(old, new, lineterm="", n=_AROUND)
    return [line for number, line in enumerate(lines) if number >= _HEAD]


@dataclass(frozen=True, slots=True)
class _Task:
    settings: Sequence[str]
    source: str
    is_notebook: bool


@dataclass(frozen=True, slots=True)
class _Version:
    head: Sequence[str]  # what is said of the DAG itself
    tasks: Mapping[str, _Task]


_NO_TASK = _Task((), "", False)


def _has_sources(version: DagVersion) -> bool:
    return all(task.source_hash for task in version.tasks)


def _definition(version: DagVersion, sources: Mapping[str, str]) -> _Version:
    """Return all that a version says."""
    head = version.source
    if version.tasks:
        head = head.partition(f"\n\ntask {version.tasks[0].id}\n")[0]
    tasks = {
        task.id: _Task(_lines(*task.settings), _source(task, sources), task.kind == "notebook")
        for task in version.tasks
    }
    return _Version(_lines(head), tasks)


def _source(task: TaskShape, sources: Mapping[str, str]) -> str:
    lost = f"# the source {task.source_hash} is not in the history any more"
    return sources.get(task.source_hash, lost)


def _outline(version: DagVersion, _: Mapping[str, str]) -> _Version:
    """Return what is known of every version, however old."""
    head = _lines(
        f"schedule {version.schedule}",
        f"timezone {version.timezone}",
        f"params {dict(version.params)!r}",
        f"tags {', '.join(version.tags)}",
        f"description {version.description}",
    )
    return _Version(head, {task.id: _Task(_shape(task), "", False) for task in version.tasks})


def _shape(task: TaskShape) -> list[str]:
    return [f"{task.kind} {task.name}", f"after {', '.join(task.upstreams) or 'nothing'}"]


def _task_diff(id: str, old: _Task | None, new: _Task | None) -> TaskDiff | None:
    change: Change = "added" if old is None else "removed" if new is None else "changed"
    before, after = old or _NO_TASK, new or _NO_TASK
    settings, source = line_diff(before.settings, after.settings), _source_diff(before, after)
    return TaskDiff(id, change, settings, source) if settings or source else None


def _source_diff(old: _Task, new: _Task) -> list[str]:
    if not (old.is_notebook or new.is_notebook):
        return _text_diff(old.source, new.source)
    lines = []
    for cell in cell_diffs(split_cells(old.source), split_cells(new.source)):
        # The one that came or went may be empty, and is no line then.
        _, *changes = _text_diff(cell.before, cell.after) or [""]
        lines += [f"@@ {cell.title} @@", *changes]
    return lines


def _text_diff(old: str, new: str) -> list[str]:
    """Return the changed lines of two texts; that both end with a line's end is nothing to show."""
    if old.endswith("\n") and new.endswith("\n"):
        old, new = old[:-1], new[:-1]
    return line_diff(_lines(old) if old else [], _lines(new) if new else [])


def _lines(*texts: str) -> list[str]:
    """Return the lines of texts: other than by `str.splitlines`, other texts have other lines."""
    return [line for text in texts for line in text.split("\n")]


def _order_diff(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return how the tasks that both versions have changed places: the first that can start starts first."""
    common = set(old) & set(new)
    return line_diff(*([f"task {id}" for id in ids if id in common] for ids in (old, new)))
