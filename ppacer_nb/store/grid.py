"""The history of one DAG as a grid, cheap also beside a great many runs of others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from ppacer_nb.model.grid import GridCell, GridRun
from ppacer_nb.status import AttemptState, RunState, RunType

#: Of the latest runs of a DAG, the newest first: a row of the run itself, then one of each of its tasks.
#: DuckDB passes over the blocks of rows that lie before the first of these runs, or hold other DAGs only.
GRID = """
WITH chosen AS MATERIALIZED (
    SELECT run_id, seq AS place FROM events
    WHERE kind = 'run' AND state = 'queued' AND attempt IS NULL AND dag_id = $dag_id AND seq >= $since
    ORDER BY seq DESC LIMIT $most
), happened AS (
    SELECT place, run_id, task_id, seq, ts, attempt, state, detail FROM events JOIN chosen USING (run_id)
    WHERE dag_id = $dag_id AND kind IN ('run', 'task') AND seq >= (SELECT min(place) FROM chosen)
)
SELECT place, run_id, task_id, arg_max(state, seq), arg_max(attempt, seq), arg_min(ts, seq),
       arg_max(ts, seq) FILTER (
           state = 'running' AND (task_id IS NOT NULL OR coalesce(detail->>'reason', '') = '')
       ),
       arg_max(ts, seq) FILTER (state NOT IN ('queued', 'running')),
       any_value(detail->>'run_type') FILTER (task_id IS NULL),
       any_value((detail->>'logical_date')::BIGINT) FILTER (task_id IS NULL)
FROM happened GROUP BY place, run_id, task_id
ORDER BY place DESC, task_id NULLS FIRST
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def grid_runs(rows: Iterable[tuple[Any, ...]]) -> list[GridRun]:
    """Return the runs that the rows of `GRID` tell of."""
    return [_run(next(of_run), of_run) for _, of_run in groupby(rows, key=itemgetter(0))]


def _run(row: tuple[Any, ...], of_tasks: Iterable[tuple[Any, ...]]) -> GridRun:
    place, run_id, _, state, _, created, started, ended, run_type, logical_date = row
    now = RunState(state)
    cells = (_cell(of_task) for of_task in of_tasks)
    return GridRun(
        run_id=run_id,
        place=place,
        run_type=RunType(run_type),
        logical_date=_EPOCH + logical_date * _MICROSECOND,
        state=now,
        created_at=created.replace(tzinfo=UTC),
        started_at=None if now is RunState.QUEUED else _utc(started),
        ended_at=_utc(ended) if now.is_terminal else None,
        cells=tuple(cell for cell in cells if cell.state is not AttemptState.CLEARED),
    )


def _cell(row: tuple[Any, ...]) -> GridCell:
    _, _, task_id, state, attempt, _, started, ended, _, _ = row
    now = AttemptState(state)
    return GridCell(
        task_id,
        now,
        attempt,
        _utc(started) if attempt else None,
        None if now is AttemptState.RUNNING else _utc(ended),
    )


def _utc(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.replace(tzinfo=UTC)
