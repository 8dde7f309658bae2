"""Finding runs by what is true of them, without loading the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ppacer_nb.model.history import RunRecord
from ppacer_nb.model.run_filter import RunFilter, RunPage
from ppacer_nb.status import RunState
from ppacer_nb.store.codec import to_timestamp
from ppacer_nb.store.run_records import Rows, Span, run_records

#: In the order in which they are made, or the other way round: the row that made a run tells all of this.
_MADE = """
SELECT run_id FROM events
WHERE kind = 'run' AND state = 'queued' AND attempt IS NULL {where}
ORDER BY seq {direction} LIMIT ? OFFSET ?
"""
# How a run stands is told by its last row.
_STOOD = """
WITH made AS (
    SELECT run_id, dag_id, seq FROM events
    WHERE kind = 'run' AND state = 'queued' AND attempt IS NULL {where}
), standing AS (
    SELECT made.run_id, any_value(made.dag_id) AS dag, any_value(made.seq) AS created,
           arg_max(state, events.seq) AS state,
           arg_max(ts, events.seq) FILTER (state IN ('success', 'failed', 'cancelled'))
               - arg_max(ts, events.seq) FILTER (state = 'running') AS duration
    FROM events JOIN made USING (run_id) WHERE kind = 'run' GROUP BY made.run_id
)
SELECT run_id FROM standing {states}
ORDER BY {order} {direction} NULLS LAST, created {direction} LIMIT ? OFFSET ?
"""
_SPANS = """
SELECT coalesce(min(first), 0), coalesce(max(last), 0), (SELECT coalesce(max(last), 0) FROM run_index)
FROM run_index WHERE run_key IN (SELECT md5_number_lower(unnest(?)))
"""
_STATES = """
SELECT run_id, arg_max(state, seq) FROM events
WHERE (seq BETWEEN ? AND ? OR seq > ?) AND kind = 'run' AND run_id IN (SELECT unnest(?)) GROUP BY run_id
"""
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})
#: Runs whose states are looked at first where only some are wanted.
_FIRST_LOOK = 1_000


def search(rows: Rows, open_ids: Sequence[str], wanted: RunFilter, offset: int, limit: int) -> RunPage:
    """Return the runs that `wanted` says, from the `offset`-th on, at most `limit`.

    `open_ids` are the runs that have not ended.
    """
    if wanted.order == "created" and wanted.states:
        in_states = _open if _OPEN.issuperset(wanted.states) else _standing
        ids = list(islice(in_states(rows, open_ids, wanted), offset, offset + limit + 1))
    else:
        sql, values = _query(wanted)
        ids = [run_id for (run_id,) in rows(sql, [*values, limit + 1, offset])]
    records = {run.run_id: run for run in _records(rows, ids[:limit])}
    return RunPage([records[run_id] for run_id in ids[:limit]], len(ids) > limit)


def _records(rows: Rows, run_ids: Sequence[str]) -> list[RunRecord]:
    return run_records(rows, _span(rows, run_ids), run_ids) if run_ids else []


def _span(rows: Rows, run_ids: Sequence[str]) -> Span:
    ((first, last, reach),) = rows(_SPANS, [run_ids])
    return first, last, reach


def _open(rows: Rows, open_ids: Sequence[str], wanted: RunFilter) -> Iterator[str]:
    """Yield the runs of those states, of which there are never many, in the order in which they were made."""
    found = [run for run in _records(rows, open_ids) if run.state in wanted.states and _matches(run, wanted)]
    yield from (run.run_id for run in (reversed(found) if wanted.ascending else found))


def _matches(run: RunRecord, wanted: RunFilter) -> bool:
    return (
        (not wanted.dag_ids or run.dag_id in wanted.dag_ids)
        and (not wanted.run_types or run.run_type in wanted.run_types)
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
        and wanted.text.lower() in run.run_id.lower()
    )


def _standing(rows: Rows, _: Sequence[str], wanted: RunFilter) -> Iterator[str]:
    """Yield the runs of those states in the order in which they were made: a look at ever more of them."""
    sql, values = _query(replace(wanted, states=()))
    size, offset = _FIRST_LOOK, 0
    while ids := [run_id for (run_id,) in rows(sql, [*values, size, offset])]:
        states: dict[str, str] = dict(rows(_STATES, [*_span(rows, ids), ids]))
        yield from (run_id for run_id in ids if states[run_id] in wanted.states)
        size, offset = 4 * size, offset + size


def _query(wanted: RunFilter) -> tuple[str, list[Any]]:
    """Return the query for the ids of runs, and its values."""
    where, values = _where(wanted)
    direction = "ASC" if wanted.ascending else "DESC"
    if wanted.order == "created" and not wanted.states:
        return _MADE.format(where=where, direction=direction), values
    states, asked = "", [state.value for state in wanted.states]
    if asked:
        states = f"WHERE state IN ({', '.join('?' * len(asked))})"
    sql = _STOOD.format(where=where, states=states, order=wanted.order, direction=direction)
    return sql, [*values, *asked]


def _where(wanted: RunFilter) -> tuple[str, list[Any]]:
    """Return the conditions that the row which made a run can tell, and their values."""
    conditions: list[tuple[str, Sequence[Any]]] = []
    if wanted.dag_ids:
        conditions.append((f"dag_id IN ({', '.join('?' * len(wanted.dag_ids))})", wanted.dag_ids))
    if wanted.run_types:
        types = [run_type.value for run_type in wanted.run_types]
        # As run ids spell it: cheaper than a look into the JSON of every row.
        one_of = " OR ".join(["starts_with(run_id, dag_id || '/' || ? || '-')"] * len(types))
        conditions.append((f"({one_of})", types))
    if wanted.since is not None:
        conditions.append(("ts >= ?", [to_timestamp(wanted.since)]))
    if wanted.until is not None:
        conditions.append(("ts < ?", [to_timestamp(wanted.until)]))
    if wanted.text:
        conditions.append(("contains(lower(run_id), lower(?))", [wanted.text]))
    sql = "".join(f" AND {condition}" for condition, _ in conditions)
    return sql, [value for _, values in conditions for value in values]
