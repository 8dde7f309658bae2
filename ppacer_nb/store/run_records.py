"""Runs as they stand, put together from what happened to them.

What the view ``dag_runs`` says of all runs, this says of a few. Two plain queries and a little Python: DuckDB
would take longer to plan one query for everything than to look through the stretch of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

from ppacer_nb.model.events import RunEvent
from ppacer_nb.model.history import RunRecord
from ppacer_nb.status import RunState
from ppacer_nb.store.codec import event_of

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
#: From the first to the second event, and those after the third.
Span = tuple[int, int, int]

# Without the exact params, which only a run that goes on needs.
_EVENTS = """
SELECT seq, ts, kind, dag_id, run_id, task_id, attempt, state, detail, NULL FROM events
WHERE (seq BETWEEN $1 AND $2 OR seq > $3) AND run_id IN ({ids}) AND kind = 'run' ORDER BY seq
"""
_TASKS = """
SELECT run_id,
       count(*) FILTER (state NOT IN ('running', 'up_for_retry', 'interrupted', 'cleared')),
       count(*) FILTER (state IN ('failed', 'upstream_failed', 'cancelled'))
FROM (
    SELECT run_id, task_id, arg_max(state, seq) AS state FROM events
    WHERE (seq BETWEEN $1 AND $2 OR seq > $3) AND run_id IN ({ids}) AND kind = 'task'
    GROUP BY run_id, task_id
) GROUP BY run_id
"""


def run_records(rows: Rows, span: Span, run_ids: Sequence[str]) -> list[RunRecord]:
    """Return runs of which all events lie in `span`, the newest first."""
    ids = ", ".join(f"${place}" for place in range(4, len(run_ids) + 4))
    values = [*span, *run_ids]
    tasks = {run_id: (done, failed) for run_id, done, failed in rows(_TASKS.format(ids=ids), values)}
    events = [cast("RunEvent", event_of(row)) for row in rows(_EVENTS.format(ids=ids), values)]
    order = {run_id: place for place, run_id in enumerate(dict.fromkeys(event.run_id for event in events))}
    of_runs = groupby(sorted(events, key=lambda event: order[event.run_id]), attrgetter("run_id"))
    records = [record_of(list(of_run), *tasks.get(run_id, (0, 0))) for run_id, of_run in of_runs]
    return records[::-1]


def record_of(events: Sequence[RunEvent], done: int, failed: int) -> RunRecord:
    """Return a run to which all these `events` happened, in their order, and how many of its tasks ended."""
    created, last = events[0], events[-1]
    return RunRecord(
        run_id=last.run_id,
        dag_id=last.dag_id,
        run_type=last.run_type,
        logical_date=last.logical_date,
        version=last.version,
        params=last.params,
        state=last.state,
        created_at=created.at,
        started_at=_began(events),
        ended_at=last.at if last.state.is_terminal else None,
        reason=last.reason,
        tasks=last.tasks,
        tasks_done=done,
        tasks_failed=failed,
        restarts=last.restarts,
    )


def _began(events: Sequence[RunEvent]) -> datetime | None:
    """Return when a run began for the last time; None for one that waits for its turn."""
    if events[-1].state is RunState.QUEUED:
        return None
    # With a reason it only goes on, which is no beginning.
    return next((e.at for e in reversed(events) if e.state is RunState.RUNNING and not e.reason), None)
