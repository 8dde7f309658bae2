"""What the picture of a DAG says of its tasks besides their names."""

from __future__ import annotations

from typing import Any

import pytest

from ppacer_nb.model.task import TaskOptions
from ppacer_nb.schedules import every
from ppacer_nb.status import TriggerRule
from ppacer_nb.testing import dag_spec
from ppacer_nb.views.dags import dag_graph


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        (TaskOptions(timeout=None), "nothing"),
        (TaskOptions(retries=2), "nothing, retries 2, timeout 10m"),
        (TaskOptions(timeout=None, trigger_rule=TriggerRule.ALWAYS), "nothing, trigger rule always"),
        (TaskOptions(timeout=None, trigger_rule=TriggerRule.ALL_DONE, cleanup=True), "nothing, cleanup"),
        (TaskOptions(timeout=None, short_circuit=True), "nothing, short circuit"),
        (TaskOptions(timeout=None, pool="db", priority=-1), "nothing, pool db, priority -1"),
    ],
)
def test_the_details_of_a_task_are_what_it_works_on_and_its_options(
    options: TaskOptions, detail: str
) -> None:
    (node,) = dag_graph(dag_spec("d", "a", options=options)).nodes
    assert node.detail == detail


def test_a_task_without_a_priority_shows_that_of_its_dag() -> None:
    options = {"a": TaskOptions(timeout=None), "b": TaskOptions(timeout=None, priority=0)}
    nodes = dag_graph(dag_spec("d", "a; b", options=options, priority=3)).nodes
    assert [node.detail for node in nodes] == ["nothing, priority 3", "nothing"]


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ({}, "d"),
        ({"schedule": every("10m")}, "d · every 10m"),
        ({"max_active_tasks": 1}, "d · at most 1 task at once"),
        ({"schedule": every("10m"), "max_active_tasks": 4}, "d · every 10m · at most 4 tasks at once"),
    ],
)
def test_the_title_says_when_a_dag_runs_and_what_it_may_take(head: dict[str, Any], title: str) -> None:
    assert dag_graph(dag_spec("d", "a", **head)).title == title


@pytest.mark.parametrize(
    ("catchup", "mode"), [(False, ""), (True, " · catchup all"), ("7d", " · catchup 7d")]
)
def test_the_title_says_the_schedule_and_which_missed_points_are_caught_up(
    catchup: bool | str, mode: str
) -> None:
    dag = dag_spec("d", "a", schedule=every("1h"), catchup=catchup)
    assert dag_graph(dag).title == f"d · every 1h{mode}"
