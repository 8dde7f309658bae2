"""What the picture of a DAG says of its tasks besides their names."""

from __future__ import annotations

import pytest

from ppacer_nb.model.task import TaskOptions
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
    ],
)
def test_the_details_of_a_task_are_what_it_works_on_and_its_options(
    options: TaskOptions, detail: str
) -> None:
    (node,) = dag_graph(dag_spec("d", "a", options=options)).nodes
    assert node.detail == detail
