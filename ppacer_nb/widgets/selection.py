"""What the viewer of a dashboard looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Selection:
    """What the viewer looks at."""

    tab: str  #: the name of the part that is shown
    dag_id: str | None = None  #: the DAG of the DAG's page
    run_id: str | None = None  #: of the run's page; None: the latest run, whichever that is
    task_id: str | None = None  #: logs of this task only; None: of the whole run
    attempt: int | None = None  #: logs of this attempt only; None: of all attempts
    dag_task: str | None = None  #: whose durations the DAG's page shows; None: those of whole runs
    dag_runs: int | None = None  #: how many runs the DAG's page shows; None: as many as are usual
    log_least: str = "debug"  #: log lines as grave as this only


def changed(selection: Selection, changes: Mapping[str, object]) -> Selection:
    """Return what is looked at after `changes` that were asked for; what makes no sense changes nothing."""
    known: dict[str, Any] = {
        name: value for name, value in changes.items() if name in _TYPES and isinstance(value, _TYPES[name])
    }
    return replace(selection, **known)


_TYPES: dict[str, Any] = {
    "tab": str,
    "dag_id": str | None,
    "dag_task": str | None,
    "dag_runs": int | None,
    "run_id": str | None,
    "task_id": str | None,
    "attempt": int | None,
    "log_least": str,
}
