"""The DAGs that this process has defined, the latest of each id.

A cell that says ``with DAG(...)`` says no more than that, and two cells may use one variable for two DAGs. So
a finished definition is noted here, where a scheduler that starts later finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ppacer_nb.authoring.dag import DAG

_defined: dict[str, DAG] = {}


def note(dag: DAG) -> None:
    """Note a finished definition, in place of an older one of the same id."""
    _defined[dag.id] = dag


def defined_dags() -> list[DAG]:
    """Return the DAGs defined in this process, in the order of their first definition."""
    return list(_defined.values())


def forget_all() -> None:
    """Forget all definitions: what a notebook that is executed next defines is then all there is."""
    _defined.clear()
