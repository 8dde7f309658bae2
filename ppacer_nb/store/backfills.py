"""How far backfills have come, without a look into the many rows that are about none."""

from __future__ import annotations

#: As the view backfills, which looks into every schedule event: here those of backfills alone are, and only
#: what lies behind the first of the chosen ones.
BACKFILLS = """
WITH asked AS MATERIALIZED (
    SELECT detail->>'id' AS backfill_id, dag_id, ts AS created_at, seq, detail->'order' AS request
    FROM events WHERE kind = 'backfill' AND (detail->'order') IS NOT NULL
    ORDER BY seq DESC LIMIT ?
), since AS (
    SELECT coalesce(min(seq), 9223372036854775807) AS first FROM asked
), latest AS (
    SELECT detail->>'id' AS backfill_id, arg_max(state, seq) AS state,
           arg_max(detail->>'reason', seq) AS reason,
           max(ts) FILTER (state IN ('finished', 'cancelled')) AS ended_at
    FROM events WHERE kind = 'backfill' AND seq >= (SELECT first FROM since) GROUP BY ALL
), begun AS MATERIALIZED (
    SELECT detail->>'backfill' AS backfill_id, run_id FROM events
    WHERE kind = 'schedule' AND state = 'backfilled' AND seq >= (SELECT first FROM since)
), states AS (
    SELECT run_id, arg_max(state, seq) AS state FROM events
    WHERE kind = 'run' AND run_id IN (SELECT run_id FROM begun) GROUP BY run_id
), counts AS (
    SELECT backfill_id,
           count(*) FILTER (state = 'success') AS succeeded,
           count(*) FILTER (state IN ('failed', 'cancelled')) AS failed
    FROM begun JOIN states USING (run_id) GROUP BY backfill_id
)
SELECT backfill_id, dag_id, state, make_timestamp((request->>'first')::BIGINT),
       make_timestamp((request->>'last')::BIGINT), json_array_length(request->'points')::BIGINT,
       coalesce(succeeded, 0), coalesce(failed, 0), (request->>'concurrency')::INTEGER, created_at, ended_at,
       coalesce(reason, '')
FROM asked JOIN latest USING (backfill_id) LEFT JOIN counts USING (backfill_id)
ORDER BY seq DESC
"""
