"""Dashboards by name: of the scheduler of this process, of another's on the same store, or of its history.

Nothing of the widgets is imported before one is asked for: they take a while, and most programs show none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppacer_nb.scheduler.api import SchedulerApi
    from ppacer_nb.widgets import Dashboard


def dashboard() -> Dashboard:
    """Return a live dashboard of everything, as tabs; a terminal shows it as text.

    It follows the scheduler of this process, or that of another process on the same store, as the commands
    of ``%ppacer`` do. Without a scheduler it shows the history that one has left.

    Raises
    ------
    NotRunning
        If there is neither a scheduler nor a history.
    StoreLocked
        If the store is held by a process that cannot be asked.
    """
    return _opened(lambda api: {})


def run_view(run_id: str | None = None) -> Dashboard:
    """Return a live view of one run: its graph, attempts and log, with the buttons to steer it.

    Parameters
    ----------
    run_id
        The run's id, the beginning of it, or a DAG's id for that DAG's latest run. None follows the latest
        run, whichever that is.

    Raises
    ------
    NotFound
        If it means no run, or several.
    NotRunning, StoreLocked
        As `dashboard` does.
    """
    from ppacer_nb.commands import find_run

    def look(api: SchedulerApi) -> dict[str, Any]:
        return {"tab": "run", "run_id": None if run_id is None else find_run(api, run_id).run_id}

    return _opened(look)


def runs_table(
    dag_id: str | None = None, *, state: str | None = None, tag: str | None = None, text: str = ""
) -> Dashboard:
    """Return a live table of runs to filter, sort and page through; a row opens the run.

    Parameters
    ----------
    dag_id, state, tag, text
        What to show at first: runs of that DAG, in that state ("failed"), of DAGs with that tag, with that
        text in their id. Default: all.

    Raises
    ------
    NotFound
        If there is no such DAG.
    InvalidOption
        If there is no such state.
    NotRunning, StoreLocked
        As `dashboard` does.
    """
    from ppacer_nb.commands import check_dag
    from ppacer_nb.errors import InvalidOption
    from ppacer_nb.status import RunState
    from ppacer_nb.widgets.selection import RunsChoice

    def look(api: SchedulerApi) -> dict[str, Any]:
        if dag_id is not None:
            check_dag(api, dag_id)
        if state is not None and state not in set(RunState):
            raise InvalidOption(f"runs have the states {', '.join(RunState)}, and never {state!r}.")
        return {"tab": "runs", "runs": RunsChoice(dag_id=dag_id, state=state, tag=tag, text=text)}

    return _opened(look)


def dag_view(dag_id: str) -> Dashboard:
    """Return a live view of one DAG: its schedule, and the buttons to steer it. `DAG.dashboard` is the same.

    Raises
    ------
    NotFound
        If there is no such DAG.
    NotRunning, StoreLocked
        As `dashboard` does.
    """
    from ppacer_nb.commands import check_dag

    def look(api: SchedulerApi) -> dict[str, Any]:
        check_dag(api, dag_id)
        return {"tab": "dag", "dag_id": dag_id}

    return _opened(look)


def _opened(look: Callable[[SchedulerApi], dict[str, Any]]) -> Dashboard:
    """Return a dashboard of what `look` says, fields of `Selection`; with all tabs where it names none."""
    from ppacer_nb.errors import InvalidOption
    from ppacer_nb.session import current
    from ppacer_nb.widgets import Dashboard
    from ppacer_nb.widgets.selection import Selection

    for registered in current().register():  # what this very cell has defined can be shown in it
        if registered.problem:
            raise InvalidOption(registered.problem)
    with current().api() as api:
        chosen = look(api)
        return Dashboard(api, [chosen["tab"]], Selection(**chosen)) if chosen else Dashboard(api)
