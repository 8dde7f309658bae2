"""What the store knows of the versions of DAGs."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from ppacer_nb.model.history import DagVersion, VersionSummary
from ppacer_nb.store.codec import task_shapes

#: Which versions a DAG has had, and how many of its runs were made with each, the newest first.
VERSIONS = """
WITH used AS (
    SELECT detail->>'version' AS version, count(*) AS runs FROM events
    WHERE dag_id = $1 AND kind = 'run' AND state = 'queued' AND attempt IS NULL GROUP BY ALL
)
SELECT version, defined_at, coalesce(runs, 0) FROM dag_versions LEFT JOIN used USING (version)
WHERE dag_id = $1 ORDER BY defined_at DESC
"""

#: The sources of a version's tasks, by their hashes.
SOURCES = """
SELECT DISTINCT source_hash, source FROM dag_tasks WHERE dag_id = ? AND version = ? AND source IS NOT NULL
"""


def version_of(row: tuple[Any, ...]) -> DagVersion:
    """Return the version that a row of ``dag_versions`` tells of."""
    dag_id, version, defined_at, schedule, timezone, description, tags, params, source, tasks = row
    return DagVersion(
        dag_id=dag_id,
        version=version,
        defined_at=defined_at.replace(tzinfo=UTC),
        schedule=schedule,
        timezone=timezone,
        description=description,
        tags=tuple(tags),
        params=json.loads(params),
        source=source,
        tasks=task_shapes(tasks),
    )


def summary_of(row: tuple[Any, ...]) -> VersionSummary:
    """Return what a row of `VERSIONS` tells of."""
    version, defined_at, runs = row
    return VersionSummary(version, defined_at.replace(tzinfo=UTC), runs)
