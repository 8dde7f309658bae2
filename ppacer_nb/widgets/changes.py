"""What changed between two versions, for the browser."""

from __future__ import annotations

from typing import Any

from ppacer_nb.model.version_diff import VersionDiff
from ppacer_nb.widgets.viewmodels import text_of

#: Lines of a difference that are sent, of each task.
MOST_LINES = 400


def change_views(diff: VersionDiff) -> list[dict[str, Any]]:
    """Return what changed, with the lines of each difference; of a very long one the first."""
    parts: list[tuple[str, list[str]]] = [(diff.note, [])] if diff.note else []
    if diff.settings:
        parts.append(("the DAG itself", list(diff.settings)))
    for task in diff.tasks:
        title = task.task_id if task.change == "changed" else f"{task.task_id}, {task.change}"
        parts.append((title, [*task.settings, *task.source]))
    return [
        {"title": title, "lines": [text_of(line) for line in lines[:MOST_LINES]]} for title, lines in parts
    ]
