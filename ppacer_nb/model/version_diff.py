"""What changed between two versions of a DAG. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ppacer_nb.model.history import DagVersion, TaskShape

Change = Literal["added", "removed", "changed"]

#: Lines around a change that are shown with it.
_AROUND = 3
_HEAD = 2  # lines of a unified diff that name the files


@dataclass(frozen=True, slots=True)
class TaskDiff:
    """A task that is not the same in both versions.

    Lines begin with "-" where only the old version has them, "+" where only the new one has, " " where both
    do, and "@@" where some are left out.
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

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not self.settings and not self.tasks


def version_diff(
    old: DagVersion, new: DagVersion, old_sources: Mapping[str, str], new_sources: Mapping[str, str]
) -> VersionDiff:
    """Return what changed from `old` to `new`; sources are by the hashes of the versions' tasks."""
    before = {task.id: task for task in old.tasks}
    after = {task.id: task for task in new.tasks}
    diffs = [
        _task_diff(before.get(id), after.get(id), old_sources, new_sources)
        for id in (*after, *(id for id in before if id not in after))
    ]
    return VersionDiff(
        new.dag_id,
        old.version,
        new.version,
        line_diff(_head_of(old), _head_of(new)),
        [diff for diff in diffs if diff is not None],
    )


def line_diff(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the lines of a unified diff without its head; nothing if both are the same."""
    lines = difflib.unified_diff(old, new, lineterm="", n=_AROUND)
    return [line for number, line in enumerate(lines) if number >= _HEAD]


def _head_of(version: DagVersion) -> list[str]:
    """Return what the definition says of the DAG itself: the first paragraph of its text."""
    return version.source.partition("\n\n")[0].splitlines()


def _task_diff(
    old: TaskShape | None,
    new: TaskShape | None,
    old_sources: Mapping[str, str],
    new_sources: Mapping[str, str],
) -> TaskDiff | None:
    some = new or old
    assert some is not None
    change: Change = "added" if old is None else "removed" if new is None else "changed"
    settings = line_diff(_settings(old), _settings(new))
    source = line_diff(_source(old, old_sources), _source(new, new_sources))
    return TaskDiff(some.id, change, settings, source) if settings or source else None


def _settings(task: TaskShape | None) -> Sequence[str]:
    return [] if task is None else task.settings or [f"{task.kind} {task.name}", f"after {task.upstreams}"]


def _source(task: TaskShape | None, sources: Mapping[str, str]) -> list[str]:
    return [] if task is None else sources.get(task.source_hash, "").splitlines()
