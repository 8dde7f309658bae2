"""How long tasks took lately, cheap also beside a great many runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

#: Of a DAG's runs the last, and of each task's successes in them the last, that are looked at.
RUNS, SUCCESSES = 30, 10

# The first task's row of a run comes after the run's own, so DuckDB skips all that lies before the first run.
_DURATIONS = """
WITH chosen AS MATERIALIZED (
    SELECT run_id, seq FROM events
    WHERE kind = 'run' AND state = 'queued' AND attempt IS NULL AND dag_id = $1
    ORDER BY seq DESC LIMIT {runs}
)
SELECT task_id, max(events.seq) AS last, min(ts) FILTER (state = 'running') AS started,
       max(ts) FILTER (state = 'success') AS ended
FROM events JOIN chosen USING (run_id)
WHERE events.seq >= (SELECT min(seq) FROM chosen) AND dag_id = $1 AND kind = 'task'
      AND state IN ('running', 'success') AND task_id IN ({ids})
GROUP BY run_id, task_id, attempt
HAVING ended >= started
ORDER BY last DESC
"""


def durations_query(task_ids: Sequence[str]) -> str:
    """Return the query for these tasks; its values are the id of the DAG and then those of the tasks."""
    ids = ", ".join(f"${place}" for place in range(2, len(task_ids) + 2))
    return _DURATIONS.format(runs=RUNS, ids=ids)


def last_durations(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[timedelta]]:
    """Return, by task, the durations that the rows of the query tell of, the newest first."""
    found: dict[str, list[timedelta]] = {}
    for task_id, _, started, ended in rows:
        of_task = found.setdefault(task_id, [])
        if len(of_task) < SUCCESSES:
            of_task.append(ended - started)
    return found
