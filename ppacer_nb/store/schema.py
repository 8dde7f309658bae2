"""The tables and views of a store, and how a store of an older schema is brought up to date.

All events share one table: a commit costs about a millisecond for each table it touches, and a task that ends
usually touches its run too. What only some events carry lies in the JSON column ``detail``, as few columns
keep the commit short. Users query the views, which have plain names and typed columns. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence

_TABLES = """
CREATE TABLE events (
    seq     BIGINT NOT NULL,     -- the order of the log, without gaps or repetitions
    ts      TIMESTAMP NOT NULL,
    kind    VARCHAR NOT NULL,    -- run, task, schedule
    dag_id  VARCHAR NOT NULL,
    run_id  VARCHAR,
    task_id VARCHAR,
    attempt INTEGER,             -- from 1; 0 for a task that ended without one
    state   VARCHAR NOT NULL,
    detail  JSON,
    value   BLOB                 -- a small result, pickled
);
CREATE TABLE task_logs (
    run_id     VARCHAR NOT NULL,
    task_id    VARCHAR NOT NULL,
    attempt    INTEGER NOT NULL,
    seq        BIGINT NOT NULL,  -- the order of the lines
    ts         TIMESTAMP NOT NULL,
    level      VARCHAR NOT NULL,
    message    VARCHAR NOT NULL,
    attributes JSON
);
CREATE TABLE dag_versions (
    dag_id      VARCHAR NOT NULL,
    version     VARCHAR NOT NULL,
    defined_at  TIMESTAMP NOT NULL,
    schedule    VARCHAR NOT NULL,
    timezone    VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    tags        VARCHAR[] NOT NULL,
    params      JSON NOT NULL,
    source      VARCHAR NOT NULL,
    tasks       JSON NOT NULL
);
CREATE TABLE notifications (
    ts       TIMESTAMP NOT NULL,
    kind     VARCHAR NOT NULL,
    dag_id   VARCHAR NOT NULL,
    run_id   VARCHAR,
    task_id  VARCHAR,
    attempt  INTEGER,
    message  VARCHAR NOT NULL,
    problems VARCHAR             -- what receivers raised, if one did
);
"""

_VIEWS = """
CREATE VIEW run_events AS
SELECT seq, ts, run_id, dag_id, state,
       detail->>'run_type' AS run_type,
       make_timestamp((detail->>'logical_date')::BIGINT) AS logical_date,
       detail->>'version' AS version,
       detail->'params' AS params,
       (detail->>'tasks')::INTEGER AS tasks,
       coalesce(detail->>'reason', '') AS reason
FROM events WHERE kind = 'run';

CREATE VIEW task_events AS
SELECT seq, ts, run_id, dag_id, task_id, attempt, state,
       make_timestamp((detail->>'queued_at')::BIGINT) AS queued_at,
       make_timestamp((detail->>'retry_at')::BIGINT) AS retry_at,
       coalesce(detail->>'reason', '') AS reason,
       coalesce(detail->>'worker', '') AS worker,
       detail->>'$.error.kind' AS error_kind,
       detail->>'$.error.message' AS error,
       detail->>'$.error.traceback' AS traceback,
       detail->>'notebook' AS notebook,
       detail->>'report' AS report,
       detail->>'$.value.type' AS value_type,
       (detail->>'$.value.size')::BIGINT AS value_size,
       detail->>'$.value.preview' AS value_preview,
       detail->>'$.value.path' AS value_path,
       value
FROM events WHERE kind = 'task';

CREATE VIEW schedule_events AS
SELECT seq, ts, dag_id, state AS event, run_id,
       make_timestamp((detail->>'first')::BIGINT) AS first_point,
       make_timestamp((detail->>'last')::BIGINT) AS last_point,
       (detail->>'count')::BIGINT AS points
FROM events WHERE kind = 'schedule';

CREATE VIEW dag_runs AS
SELECT run_id,
       any_value(dag_id) AS dag_id,
       max(run_type) AS run_type,
       max(logical_date) AS logical_date,
       arg_max(state, seq) AS state,
       min(ts) FILTER (state = 'queued') AS created_at,
       min(ts) FILTER (state = 'running') AS started_at,
       max(ts) FILTER (state IN ('success', 'failed', 'cancelled')) AS ended_at,
       ended_at - started_at AS duration,
       arg_max(reason, seq) AS reason,
       max(version) AS version,
       max(params::VARCHAR)::JSON AS params,
       max(tasks) AS tasks
FROM run_events GROUP BY run_id;

CREATE VIEW task_runs AS
SELECT min(seq) AS seq, run_id, task_id, attempt,
       any_value(dag_id) AS dag_id,
       arg_max(state, seq) AS state,
       max(queued_at) AS queued_at,
       min(ts) FILTER (state = 'running') AS started_at,
       max(ts) FILTER (state <> 'running') AS ended_at,
       ended_at - started_at AS duration,
       max(retry_at) AS retry_at,
       arg_max(reason, seq) AS reason,
       max(worker) AS worker,
       max(error_kind) AS error_kind,
       max(error) AS error,
       max(traceback) AS traceback,
       max(notebook) AS notebook,
       max(report) AS report,
       max(value_type) AS value_type,
       max(value_size) AS value_size,
       max(value_preview) AS value_preview
FROM task_events GROUP BY run_id, task_id, attempt;

CREATE VIEW dags AS
SELECT dag_id,
       arg_max(version, defined_at) AS version,
       max(defined_at) AS defined_at,
       arg_max(schedule, defined_at) AS schedule,
       arg_max(timezone, defined_at) AS timezone,
       arg_max(description, defined_at) AS description,
       arg_max(tags, defined_at) AS tags,
       count(DISTINCT version) AS versions
FROM dag_versions GROUP BY dag_id;
"""

# Runs may go on after they have ended, on another version of their DAG, and kernels may be held.
_CLEARING = """
CREATE OR REPLACE VIEW task_events AS
SELECT seq, ts, run_id, dag_id, task_id, attempt, state,
       make_timestamp((detail->>'queued_at')::BIGINT) AS queued_at,
       make_timestamp((detail->>'retry_at')::BIGINT) AS retry_at,
       coalesce(detail->>'reason', '') AS reason,
       coalesce(detail->>'worker', '') AS worker,
       detail->>'$.error.kind' AS error_kind,
       detail->>'$.error.message' AS error,
       detail->>'$.error.traceback' AS traceback,
       detail->>'notebook' AS notebook,
       detail->>'report' AS report,
       detail->>'$.held.connection_file' AS connection_file,
       make_timestamp((detail->>'$.held.until')::BIGINT) AS held_until,
       detail->>'$.value.type' AS value_type,
       (detail->>'$.value.size')::BIGINT AS value_size,
       detail->>'$.value.preview' AS value_preview,
       detail->>'$.value.path' AS value_path,
       value
FROM events WHERE kind = 'task';

CREATE OR REPLACE VIEW dag_runs AS
SELECT run_id,
       any_value(dag_id) AS dag_id,
       max(run_type) AS run_type,
       max(logical_date) AS logical_date,
       arg_max(state, seq) AS state,
       min(ts) FILTER (state = 'queued') AS created_at,
       min(ts) FILTER (state = 'running') AS started_at,
       CASE WHEN arg_max(state, seq) IN ('success', 'failed', 'cancelled') THEN max(ts) END AS ended_at,
       ended_at - started_at AS duration,
       arg_max(reason, seq) AS reason,
       arg_max(version, seq) AS version,
       max(params::VARCHAR)::JSON AS params,
       arg_max(tasks, seq) AS tasks
FROM run_events GROUP BY run_id;

CREATE OR REPLACE VIEW task_runs AS
SELECT CASE attempt WHEN 0 THEN max(seq) ELSE min(seq) END AS seq, run_id, task_id, attempt,
       any_value(dag_id) AS dag_id,
       arg_max(state, seq) AS state,
       max(queued_at) AS queued_at,
       min(ts) FILTER (state = 'running') AS started_at,
       max(ts) FILTER (state <> 'running') AS ended_at,
       ended_at - started_at AS duration,
       max(retry_at) AS retry_at,
       arg_max(reason, seq) AS reason,
       max(worker) AS worker,
       max(error_kind) AS error_kind,
       max(error) AS error,
       max(traceback) AS traceback,
       max(notebook) AS notebook,
       max(report) AS report,
       max(connection_file) AS connection_file,
       max(held_until) AS held_until,
       max(value_type) AS value_type,
       max(value_size) AS value_size,
       max(value_preview) AS value_preview
FROM task_events GROUP BY run_id, task_id, attempt;
"""

# Runs may be restarted, and DAGs be paused. On a run's row of ``events``, ``attempt`` is how often the run
# has gone on after its end, NULL for never: the row that made it is found without a look into ``detail``.
_CONTROL = """
CREATE OR REPLACE VIEW run_events AS
SELECT seq, ts, run_id, dag_id, state,
       detail->>'run_type' AS run_type,
       make_timestamp((detail->>'logical_date')::BIGINT) AS logical_date,
       detail->>'version' AS version,
       detail->'params' AS params,
       (detail->>'tasks')::INTEGER AS tasks,
       coalesce(detail->>'reason', '') AS reason,
       coalesce(attempt, 0) AS restarts
FROM events WHERE kind = 'run';

CREATE OR REPLACE VIEW dag_runs AS
SELECT run_id,
       any_value(dag_id) AS dag_id,
       max(run_type) AS run_type,
       max(logical_date) AS logical_date,
       arg_max(state, seq) AS state,
       min(ts) FILTER (state = 'queued') AS created_at,
       CASE WHEN arg_max(state, seq) <> 'queued'
            THEN max(ts) FILTER (state = 'running' AND reason = '') END AS started_at,  -- for the last time
       CASE WHEN arg_max(state, seq) IN ('success', 'failed', 'cancelled') THEN max(ts) END AS ended_at,
       ended_at - started_at AS duration,
       arg_max(reason, seq) AS reason,
       arg_max(version, seq) AS version,
       max(params::VARCHAR)::JSON AS params,
       arg_max(tasks, seq) AS tasks,
       max(restarts) AS restarts
FROM run_events GROUP BY run_id;

CREATE VIEW dag_events AS
SELECT seq, ts, dag_id, state AS event, coalesce(detail->>'reason', '') AS reason
FROM events WHERE kind = 'dag';

CREATE OR REPLACE VIEW dags AS
SELECT dag_id,
       arg_max(version, defined_at) AS version,
       max(defined_at) AS defined_at,
       arg_max(schedule, defined_at) AS schedule,
       arg_max(timezone, defined_at) AS timezone,
       arg_max(description, defined_at) AS description,
       arg_max(tags, defined_at) AS tags,
       count(DISTINCT version) AS versions,
       coalesce(any_value(p.event) = 'paused', false) AS paused
FROM dag_versions
LEFT JOIN (SELECT dag_id, arg_max(event, seq) AS event FROM dag_events GROUP BY dag_id) AS p USING (dag_id)
GROUP BY dag_id;
"""

# Times are what the clock showed, and clocks are put back: the order is that of ``seq``, and how long
# something took that ended before its beginning is not known.
_CLOCKS_PUT_BACK = """
CREATE OR REPLACE VIEW dag_runs AS
SELECT run_id,
       any_value(dag_id) AS dag_id,
       max(run_type) AS run_type,
       max(logical_date) AS logical_date,
       arg_max(state, seq) AS state,
       arg_min(ts, seq) FILTER (state = 'queued') AS created_at,
       CASE WHEN arg_max(state, seq) <> 'queued'
            THEN arg_max(ts, seq) FILTER (state = 'running' AND reason = '') END AS started_at,
       CASE WHEN arg_max(state, seq) IN ('success', 'failed', 'cancelled')
            THEN arg_max(ts, seq) END AS ended_at,
       CASE WHEN ended_at >= started_at THEN ended_at - started_at END AS duration,
       arg_max(reason, seq) AS reason,
       arg_max(version, seq) AS version,
       arg_max(params::VARCHAR, seq)::JSON AS params,
       arg_max(tasks, seq) AS tasks,
       max(restarts) AS restarts
FROM run_events GROUP BY run_id;

CREATE OR REPLACE VIEW task_runs AS
SELECT CASE attempt WHEN 0 THEN max(seq) ELSE min(seq) END AS seq, run_id, task_id, attempt,
       any_value(dag_id) AS dag_id,
       arg_max(state, seq) AS state,
       max(queued_at) AS queued_at,
       min(ts) FILTER (state = 'running') AS started_at,
       arg_max(ts, seq) FILTER (state <> 'running') AS ended_at,
       CASE WHEN ended_at >= started_at THEN ended_at - started_at END AS duration,
       max(retry_at) AS retry_at,
       arg_max(reason, seq) AS reason,
       max(worker) AS worker,
       max(error_kind) AS error_kind,
       max(error) AS error,
       max(traceback) AS traceback,
       max(notebook) AS notebook,
       max(report) AS report,
       max(connection_file) AS connection_file,
       max(held_until) AS held_until,
       max(value_type) AS value_type,
       max(value_size) AS value_size,
       max(value_preview) AS value_preview
FROM task_events GROUP BY run_id, task_id, attempt;
"""

# Points that were missed are told from those skipped on purpose, and people decide what becomes of them.
# Backfills.
_CATCHING_UP = """
CREATE OR REPLACE VIEW schedule_events AS
SELECT seq, ts, dag_id, state AS event, run_id,
       make_timestamp((detail->>'first')::BIGINT) AS first_point,
       make_timestamp((detail->>'last')::BIGINT) AS last_point,
       (detail->>'count')::BIGINT AS points,
       coalesce((detail->>'missed')::BOOLEAN, false) AS missed,
       detail->>'backfill' AS backfill_id
FROM events WHERE kind = 'schedule';

CREATE VIEW catchup_events AS
SELECT seq, ts, dag_id, state AS choice, detail->>'by' AS decided_by,
       [make_timestamp(point) FOR point IN (detail->'points')::BIGINT[]] AS points
FROM events WHERE kind = 'catchup';

CREATE VIEW backfill_events AS
SELECT seq, ts, dag_id, detail->>'id' AS backfill_id, state, detail->>'reason' AS reason
FROM events WHERE kind = 'backfill';

CREATE VIEW backfills AS  -- succeeded and failed are counted by how its runs stand now
WITH asked AS (
    SELECT detail->>'id' AS backfill_id, dag_id, ts AS created_at, seq, detail->'order' AS request
    FROM events WHERE kind = 'backfill' AND (detail->'order') IS NOT NULL
), latest AS (
    SELECT backfill_id, arg_max(state, seq) AS state, arg_max(reason, seq) AS reason,
           max(ts) FILTER (state IN ('finished', 'cancelled')) AS ended_at
    FROM backfill_events GROUP BY backfill_id
), begun AS (
    SELECT backfill_id, run_id FROM schedule_events WHERE backfill_id IS NOT NULL
), states AS (
    SELECT run_id, arg_max(state, seq) AS state FROM events
    WHERE kind = 'run' AND run_id IN (SELECT run_id FROM begun) GROUP BY run_id
), counts AS (
    SELECT backfill_id,
           count(*) FILTER (state = 'success') AS succeeded,
           count(*) FILTER (state IN ('failed', 'cancelled')) AS failed
    FROM begun JOIN states USING (run_id) GROUP BY backfill_id
)
SELECT backfill_id, dag_id, state, created_at, ended_at,
       make_timestamp((request->>'first')::BIGINT) AS first_date,
       make_timestamp((request->>'last')::BIGINT) AS last_date,
       json_array_length(request->'points')::BIGINT AS runs,
       coalesce(succeeded, 0) AS succeeded,
       coalesce(failed, 0) AS failed,
       (request->>'concurrency')::INTEGER AS concurrency,
       request->>'rerun' AS rerun,
       request->'params' AS params,
       reason, seq
FROM asked JOIN latest USING (backfill_id) LEFT JOIN counts USING (backfill_id);
"""

# A run is found among a million by what `run_index` says of it; the view is made of a macro so that it can be
# asked of a stretch of the log only.
_RUN_INDEX = """
CREATE TABLE run_index (
    run_key UBIGINT NOT NULL,  -- md5_number_lower(run_id)
    first   BIGINT NOT NULL,   -- the first and the last event of the run in a portion of the log
    last    BIGINT NOT NULL
);
INSERT INTO run_index
SELECT md5_number_lower(run_id), min(seq), max(seq) FROM events
WHERE run_id IS NOT NULL GROUP BY run_id ORDER BY min(seq);

CREATE MACRO task_runs_between(first_seq, last_seq, after_seq) AS TABLE
SELECT CASE attempt WHEN 0 THEN max(seq) ELSE min(seq) END AS seq, run_id, task_id, attempt,
       any_value(dag_id) AS dag_id,
       arg_max(state, seq) AS state,
       max(queued_at) AS queued_at,
       min(ts) FILTER (state = 'running') AS started_at,
       arg_max(ts, seq) FILTER (state <> 'running') AS ended_at,
       CASE WHEN ended_at >= started_at THEN ended_at - started_at END AS duration,
       max(retry_at) AS retry_at,
       arg_max(reason, seq) AS reason,
       max(worker) AS worker,
       max(error_kind) AS error_kind,
       max(error) AS error,
       max(traceback) AS traceback,
       max(notebook) AS notebook,
       max(report) AS report,
       max(connection_file) AS connection_file,
       max(held_until) AS held_until,
       max(value_type) AS value_type,
       max(value_size) AS value_size,
       max(value_preview) AS value_preview
FROM task_events WHERE seq BETWEEN first_seq AND last_seq OR seq > after_seq
GROUP BY run_id, task_id, attempt;

CREATE OR REPLACE VIEW task_runs AS
FROM task_runs_between(0, 9223372036854775807, 9223372036854775807);
"""

# The sources of tasks, each kept once however many versions have it.
_SOURCES = """
CREATE TABLE task_sources (
    hash   VARCHAR NOT NULL,  -- the first 12 hex digits of its SHA-256
    source VARCHAR NOT NULL
);

CREATE VIEW dag_tasks AS
SELECT dag_id, version, defined_at, task->>'$[0]' AS task_id, task->>'$[1]' AS kind,
       task->>'$[5]' AS source_hash, source
FROM (SELECT dag_id, version, defined_at, unnest(tasks::JSON[]) AS task FROM dag_versions)
LEFT JOIN task_sources ON hash = task->>'$[5]';
"""

#: The n-th entry brings a store from schema n to schema n + 1. Entries are added, never changed.
MIGRATIONS: Sequence[str] = (
    *(_TABLES + _VIEWS, _CLEARING, _CONTROL, _CLOCKS_PUT_BACK, _CATCHING_UP),
    *(_RUN_INDEX, _SOURCES),
)

#: The schema that this version of ppacer_nb reads and writes.
SCHEMA = len(MIGRATIONS)
