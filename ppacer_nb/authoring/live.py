"""``dag.run()`` in a notebook: the graph under the cell, in the colours of its states, as the run goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.history import AttemptRecord, RunRecord
from ppacer_nb.views.dags import dag_graph
from ppacer_nb.views.graph import to_text
from ppacer_nb.views.svg import to_html

Show = Callable[[RunRecord, Sequence[AttemptRecord]], None]


def live_graph(dag: DagSpec) -> Show | None:
    """Return what shows a run of `dag` under the cell that is executed, None where there is no notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    handle: Any = display(_drawn(dag, []), raw=True, display_id=True)

    def show(_: RunRecord, attempts: Sequence[AttemptRecord]) -> None:
        handle.update(_drawn(dag, attempts), raw=True)

    return show


def _drawn(dag: DagSpec, attempts: Sequence[AttemptRecord]) -> dict[str, str]:
    graph = dag_graph(dag, {attempt.task_id: attempt.state for attempt in attempts})
    return {"text/plain": to_text(graph), "text/html": to_html(graph)}
