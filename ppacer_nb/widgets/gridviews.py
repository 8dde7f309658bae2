"""What the browser is sent of a DAG's history: its grid, how long runs took, what is usual for each task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ppacer_nb.model.grid import GridCell, GridRun
from ppacer_nb.status import AttemptState
from ppacer_nb.views.format import format_elapsed
from ppacer_nb.views.usual import usual, usual_before
from ppacer_nb.widgets.picture import DagPicture
from ppacer_nb.widgets.viewmodels import View, millis

_NOT_BEGUN = "."
_SUCCESS = AttemptState.SUCCESS.value
#: A cell's state as one letter: a grid has thousands of cells.
LETTERS = {state: chr(ord("a") + number) for number, state in enumerate(AttemptState)}


def grid_view(shown: DagPicture, most: int) -> View:
    """Return what the grid's runs have in common; `most` is how many of them there can be."""
    return {
        "dag": shown.dag_id,
        "tasks": tasks_of(shown),
        "letters": {letter: state.value for state, letter in LETTERS.items()},
        "limit": shown.limit,
        "more": len(shown.grid) >= shown.limit < most,
    }


def tasks_of(shown: DagPicture) -> list[str]:
    """Return the ids of the rows: the tasks in the order of the graph, then those of older versions only."""
    newest = [task.id for task in shown.version.tasks] if shown.version else []
    older = {cell.task_id: None for run in shown.grid for cell in run.cells}
    return list(dict.fromkeys([*newest, *older]))


def run_views(shown: DagPicture, *, ended: bool) -> list[View]:
    """Return the runs that have ended, or the others: the former seldom change, and are sent apart."""
    tasks = tasks_of(shown)
    return [_run_view(run, tasks) for run in reversed(shown.grid) if run.state.is_terminal is ended]


def durations_view(shown: DagPicture, task_id: str | None) -> View:
    """Return how long each run that has ended took, or one task in it, and what was usual until then."""
    oldest_first = [run for run in reversed(shown.grid) if run.state.is_terminal]
    found = [(run, _of(run, task_id)) for run in oldest_first]
    timed = [(run, it) for run, it in found if it is not None and it.duration is not None]
    before = usual_before(it.duration if it.state.value == _SUCCESS else None for _, it in timed)
    return {
        "task": task_id,
        "tasks": tasks_of(shown),
        "points": [
            _point(run, it, range_before) for (run, it), range_before in zip(timed, before, strict=True)
        ],
    }


def task_abouts(shown: DagPicture) -> dict[str, View]:
    """Return what is usual for each task, in words, by its id."""
    cells: dict[str, list[GridCell]] = {}
    for run in shown.grid:
        for cell in run.cells:
            if cell.state.is_terminal and cell.state is not AttemptState.SKIPPED:
                cells.setdefault(cell.task_id, []).append(cell)
    return {task_id: {"about": _about(of_task)} for task_id, of_task in cells.items()}


def _of(run: GridRun, task_id: str | None) -> GridRun | GridCell | None:
    if task_id is None:
        return run
    return next((cell for cell in run.cells if cell.task_id == task_id), None)


def _point(run: GridRun, it: GridRun | GridCell, before: Any) -> View:
    assert it.duration is not None
    seconds = it.duration.total_seconds()
    return {
        "run": run.run_id,
        "at": millis(run.logical_date),
        "state": it.state.value,
        "seconds": _short(seconds),
        "usual": [_short(value) for value in (before.low, before.median, before.high)] if before else None,
        "slow": bool(before and before.is_slow(seconds)),
    }


def _about(cells: Sequence[GridCell]) -> str:
    successes = [cell for cell in cells if cell.state is AttemptState.SUCCESS]
    times = [cell.duration.total_seconds() for cell in successes if cell.duration is not None]
    range_ = usual(times)
    lines = [f"succeeded in {len(successes)} of {len(cells)} runs ({len(successes) / len(cells):.0%})"]
    if range_ is not None:
        low, median, high = (
            format_elapsed(timedelta(seconds=s)) for s in (range_.low, range_.median, range_.high)
        )
        lines.append(f"usually takes {median}, eight times in ten between {low} and {high}")
    return "\n".join(lines)


def _run_view(run: GridRun, tasks: Sequence[str]) -> View:
    cells = {cell.task_id: cell for cell in run.cells}
    in_order = [cells.get(task) for task in tasks]
    return {
        "id": run.run_id,
        "place": run.place,
        "type": run.run_type.value,
        "state": run.state.value,
        "point": millis(run.logical_date),
        "started": millis(run.started_at),
        "ended": millis(run.ended_at),
        "states": "".join(LETTERS[cell.state] if cell else _NOT_BEGUN for cell in in_order),
        "took": [
            _short(cell.duration.total_seconds()) if cell and cell.duration is not None else None
            for cell in in_order
        ],
        "tries": {
            str(place): cell.attempt for place, cell in enumerate(in_order) if cell and cell.attempt > 1
        },
    }


def _short(seconds: float) -> float:
    """Return seconds as exactly as anybody reads them: a grid has thousands of them."""
    return float(f"{seconds:.3g}") if seconds < 100 else round(seconds)
