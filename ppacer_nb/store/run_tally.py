"""How many runs there are in each state, without going through all of them again and again.

A first look counts all runs. Each later one only takes in what the log has got since: every dashboard asks
whenever a run begins or ends.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ppacer_nb.status import RunState

_ALL = """
SELECT state, count(*), CASE WHEN state IN ('queued', 'running') THEN list(run_id) END, max(last)
FROM (
    SELECT run_id, arg_max(state, seq) AS state, max(seq) AS last
    FROM events WHERE kind = 'run' GROUP BY run_id
) GROUP BY state
"""
_SINCE = """
SELECT run_id, arg_max(state, seq), arg_min(state = 'queued' AND attempt IS NULL, seq), max(seq)
FROM events WHERE kind = 'run' AND seq > ? GROUP BY run_id
"""


class RunTally:
    """Counts runs by state; it may be asked from any thread.

    `rows` runs a query, and `state_before` says in which state a run was up to an event of the log.
    """

    def __init__(
        self,
        rows: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]],
        state_before: Callable[[str, int], str],
    ) -> None:
        self._rows = rows
        self._state_before = state_before
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._open: dict[str, str] = {}  # the state of each run that has not ended
        self._reach: int | None = None  # the last event that is counted

    def counts(self) -> dict[RunState, int]:
        """Return how many runs there are in each state."""
        with self._lock:
            self._look()
            return {RunState(state): count for state, count in self._counts.items() if count}

    def open_ids(self) -> list[str]:
        """Return the ids of the runs that have not ended, in no order."""
        with self._lock:
            self._look()
            return list(self._open)

    def _look(self) -> None:
        if self._reach is None:
            self._count_all()
        else:
            self._count_since(self._reach)

    def _count_all(self) -> None:
        reach = 0
        for state, count, open_ids, last in self._rows(_ALL, []):
            self._counts[state] = count
            self._open |= dict.fromkeys(open_ids or (), state)
            reach = max(reach, last)
        self._reach = reach

    def _count_since(self, reach: int) -> None:
        changes = [
            (
                run_id,
                None if is_new else self._open.get(run_id) or self._state_before(run_id, reach),
                state,
                last,
            )
            for run_id, state, is_new, last in self._rows(_SINCE, [reach])
        ]
        for run_id, before, state, last in changes:
            if before is not None:
                self._counts[before] -= 1
            self._counts[state] += 1
            if RunState(state).is_terminal:
                self._open.pop(run_id, None)
            else:
                self._open[run_id] = state
            reach = max(reach, last)
        self._reach = reach
