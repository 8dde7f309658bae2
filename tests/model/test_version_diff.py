"""What changed between two versions."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.history import DagVersion, TaskShape
from ppacer_nb.model.version_diff import TaskDiff, VersionDiff, line_diff, version_diff

T0 = datetime(2026, 11, 23, tzinfo=UTC)


def task(id: str, source_hash: str = "", *settings: str) -> TaskShape:
    return TaskShape(id, "function", id, (), (), source_hash, settings)


def version(name: str, *tasks: TaskShape, head: str = "dag sales") -> DagVersion:
    return DagVersion("sales", name, T0, "", "UTC", "", (), {}, f"{head}\n\ntask ...", tasks)


def diff(old: DagVersion, new: DagVersion, **sources: str) -> VersionDiff:
    return version_diff(old, new, sources, sources)


def test_a_changed_line_of_a_task_is_shown_with_those_around_it() -> None:
    old, new = version("v1", task("a", "x")), version("v2", task("a", "y"))
    found = diff(old, new, x="def a():\n    return 1\n", y="def a():\n    return 2\n")
    source = ["@@ -1,2 +1,2 @@", " def a():", "-    return 1", "+    return 2"]
    assert found == VersionDiff("sales", "v1", "v2", [], [TaskDiff("a", "changed", [], source)])


def test_tasks_that_came_and_went_are_told_with_all_they_had() -> None:
    found = diff(version("v1", task("a", "x", "retries 2")), version("v2", task("b", "y")), x="one", y="two")
    assert [(task.task_id, task.change) for task in found.tasks] == [("b", "added"), ("a", "removed")]
    assert found.tasks[1].settings[1:] == ["-retries 2"]
    assert found.tasks[0].source[1:] == ["+two"]


def test_a_setting_of_a_task_or_of_the_dag_is_a_change_too() -> None:
    old = version("v1", task("a", "x", "retries 2"), head="dag sales\nschedule @daily")
    new = version("v2", task("a", "x", "retries 3"), head="dag sales\nschedule @hourly")
    found = diff(old, new, x="same")
    assert found.settings[1:] == [" dag sales", "-schedule @daily", "+schedule @hourly"]
    assert found.tasks == [TaskDiff("a", "changed", ["@@ -1 +1 @@", "-retries 2", "+retries 3"], [])]


def test_the_same_version_has_no_difference() -> None:
    one = version("v1", task("a", "x", "retries 2"))
    assert diff(one, one, x="def a(): ...").is_empty


lines = st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8), max_size=8)


@given(lines, lines)
def test_a_diff_says_all_that_was_taken_out_and_all_that_came(old: list[str], new: list[str]) -> None:
    found = [line for line in line_diff(old, new) if not line.startswith("@@ -")]
    taken, come = ([line[1:] for line in found if line[:1] == sign] for sign in "-+")
    kept = [line[1:] for line in found if line[:1] == " "]
    assert (found == []) == (old == new)
    assert sorted([*taken, *kept]) == sorted(old) or len(old) > len(taken) + len(kept)
    left = list(old)
    for line in taken:
        left.remove(line)
    assert sorted([*left, *come]) == sorted(new)
