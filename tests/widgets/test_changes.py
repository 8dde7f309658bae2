"""What changed between two versions, as the browser gets it."""

from __future__ import annotations

from ppacer_nb.model.version_diff import TaskDiff, VersionDiff
from ppacer_nb.widgets.changes import MOST_LINES, change_views


def test_what_could_not_be_compared_comes_first() -> None:
    diff = VersionDiff("d", "a", "b", ["-x"], [TaskDiff("t", "added", ["+y"], ["+z"])], "Not compared.")
    assert change_views(diff) == [
        {"title": "Not compared.", "lines": []},
        {"title": "the DAG itself", "lines": ["-x"]},
        {"title": "t, added", "lines": ["+y", "+z"]},
    ]


def test_of_a_very_long_difference_the_first_lines_are_sent() -> None:
    diff = VersionDiff("d", "a", "b", [], [TaskDiff("t", "changed", [], ["+z"] * (MOST_LINES + 1))])
    (view,) = change_views(diff)
    assert len(view["lines"]) == MOST_LINES
