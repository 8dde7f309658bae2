"""What changed between two versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ppacer_nb.model.cells import join_cells
from ppacer_nb.model.dag import DagSpec, in_order
from ppacer_nb.model.history import DagVersion, TaskShape
from ppacer_nb.model.task import FunctionWork, NotebookWork, TaskOptions, TaskSpec
from ppacer_nb.model.version_diff import TaskDiff, VersionDiff, line_diff, version_diff
from ppacer_nb.store.codec import source_rows, version_row
from ppacer_nb.store.versions import version_of

T0 = datetime(2026, 11, 23, tzinfo=UTC)


def task(id: str, source_hash: str = "", *settings: str) -> TaskShape:
    return TaskShape(id, "function", id, (), (), source_hash, settings)


def version(name: str, *tasks: TaskShape, head: str = "dag sales") -> DagVersion:
    source = "\n\n".join([head, *(f"task {task.id}\n..." for task in tasks)])
    return DagVersion("sales", name, T0, "@daily", "UTC", "", (), {}, source, tasks)


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


def test_a_notebook_is_compared_cell_by_cell() -> None:
    old, new = (version(hash, replace(task("a", hash), kind="notebook")) for hash in "xy")
    x = join_cells(["import pandas", "rows = load()", "long = 1\n\n\n\n\n\n\n\n\nrows"])
    y = join_cells(["import pandas", "print()", "rows = load(1)", "long = 2\n\n\n\n\n\n\n\n\nrows.T"])
    (found,) = diff(old, new, x=x, y=y).tasks
    changed = ["@@ cell 3, was cell 2 @@", "-rows = load()", "+rows = load(1)"]
    assert found.source[:5] == ["@@ cell 2, added @@", "+print()", *changed]
    assert found.source[5:8] == ["@@ cell 4, was cell 3 @@", "-long = 1", "+long = 2"]
    assert found.source[11:] == ["@@ -7,4 +7,4 @@", " ", " ", " ", "-rows", "+rows.T"]


def test_a_cell_without_code_is_named_when_it_comes() -> None:
    old, new = (version(hash, replace(task("a", hash), kind="notebook")) for hash in "xy")
    (found,) = diff(old, new, x=join_cells(["x"]), y=join_cells(["x", ""])).tasks
    assert found.source == ["@@ cell 2, added @@"]


def test_of_a_version_without_sources_only_what_is_known_of_both_is_compared() -> None:
    old = version(
        "v1", TaskShape("a", "function", "a", ("b",), ("b",)), TaskShape("b", "function", "b", (), ())
    )
    new = version("v2", task("b", "y", "function b"), task("a", "x", "function a", "after b", "retries 3"))
    new = replace(new, timezone="Europe/Warsaw")
    found = diff(old, new, x="def a(): ...", y="def b(): ...")
    assert found.settings == [
        *("@@ -1,5 +1,5 @@", " schedule @daily", "-timezone UTC", "+timezone Europe/Warsaw"),
        *(" params {}", " tags ", " description "),
        *("@@ -1,2 +1,2 @@", "+task b", " task a", "-task b"),
    ]
    assert found.tasks == [
        TaskDiff("a", "changed", ["@@ -1,2 +1,2 @@", " function a", "-after b", "+after nothing"], [])
    ]
    assert found.note == "Of version v1 no sources of tasks were kept: they are not compared."


def test_a_source_that_the_history_has_lost_is_told_as_such() -> None:
    old, new = version("v1", task("a", "x")), version("v2", task("a", "y"))
    (found,) = diff(old, new, x="def a(): ...").tasks
    assert found.source[1:] == ["-def a(): ...", "+# the source y is not in the history any more"]


spaces = st.text(st.sampled_from("a \n\r"), max_size=6)


def _dag(
    source: str,
    cells: list[str],
    retries: int,
    second_first: bool,
    order: bool,
    description: str,
    tag: str,
    limit: int,
) -> DagSpec:
    first = TaskSpec("a", FunctionWork(print, b"", "print", source), TaskOptions(retries=retries))
    upstreams = ("a",) if order else ()
    second = TaskSpec("b", NotebookWork(Path("/b.ipynb"), join_cells(cells)), TaskOptions(), upstreams)
    tasks = [second, first] if second_first else [first, second]
    return DagSpec(
        *("sales", in_order("sales", tasks)),
        description=description,
        tags=(tag,),
        max_active_runs=limit,
        cwd=Path("/"),
    )


said: dict[str, st.SearchStrategy[Any]] = {
    "source": spaces,
    "cells": st.lists(spaces, max_size=3),
    "retries": st.integers(0, 1),
    "second_first": st.booleans(),
    "order": st.booleans(),
    "description": spaces,
    "tag": spaces,
    "limit": st.integers(1, 2),
}
one_of_them = st.sampled_from(sorted(said)).flatmap(lambda name: st.fixed_dictionaries({name: said[name]}))


def _stored(dag: DagSpec) -> tuple[DagVersion, dict[str, str]]:
    return version_of(version_row(dag, T0)), dict(source_rows(dag).values())


USUAL: dict[str, Any] = {
    "source": "a\n",
    "cells": ["a", "b"],
    "retries": 0,
    "second_first": False,
    "order": False,
    "description": "",
    "tag": "",
    "limit": 1,
}


@given(st.fixed_dictionaries(said), one_of_them)
@example(USUAL, {"source": "a"})
@example(USUAL, {"source": "a\r\n"})
@example(USUAL, {"cells": ["a", "b\n"]})
@example(USUAL, {"description": "\n\na\r"})
def test_whatever_makes_another_version_is_told(all_of_it: dict[str, Any], changed: dict[str, Any]) -> None:
    old, new = _dag(**all_of_it), _dag(**{**all_of_it, **changed})
    (before, their_sources), (after, sources) = _stored(old), _stored(new)
    assert version_diff(before, after, their_sources, sources).is_empty == (old.version == new.version)


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
