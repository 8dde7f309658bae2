"""What the viewer of a dashboard looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class RunsChoice:
    """Which runs the table of runs shows; None and "" say nothing."""

    dag_id: str | None = None
    tag: str | None = None
    state: str | None = None
    run_type: str | None = None
    since: int | None = None  #: milliseconds since 1970, as the browser counts
    until: int | None = None
    text: str = ""
    order: str = "created"
    ascending: bool = False
    page: int = 0


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
    runs: RunsChoice = RunsChoice()  #: of the table of runs
    compared: tuple[str, ...] = ()  #: the runs to compare: the older and the newer one


def changed(selection: Selection, changes: Mapping[str, object]) -> Selection:
    """Return what is looked at after `changes` that were asked for; what makes no sense changes nothing."""
    known = _sensible(changes, _TYPES)
    runs, compared = changes.get("runs"), changes.get("compared")
    if isinstance(runs, Mapping):
        wanted = _sensible(runs, _RUNS_TYPES)
        # Other runs begin at their first page.
        known["runs"] = replace(selection.runs, **({"page": 0} | wanted))
    if isinstance(compared, list | tuple) and all(isinstance(run_id, str) for run_id in compared):
        known["compared"] = tuple(compared[:2])
    return replace(selection, **known)


def _sensible(changes: Mapping[str, object], types: Mapping[str, Any]) -> dict[str, Any]:
    sensible = (name for name in changes if name in types and isinstance(changes[name], types[name]))
    return {name: changes[name] for name in sensible}


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
_RUNS_TYPES: dict[str, Any] = {
    **dict.fromkeys(("dag_id", "tag", "state", "run_type"), str | None),
    **dict.fromkeys(("since", "until"), int | None),
    "text": str,
    "order": str,
    "ascending": bool,
    "page": int,
}
