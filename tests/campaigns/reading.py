"""What a dead scheduler left, read by nothing but DuckDB.

It is read in a copy: whoever opens a store brings it up to date, and that is for the next scheduler to do.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from ppacer_nb.model.ids import AttemptKey


class Row(NamedTuple):
    """A row of the table ``events``."""

    seq: int
    ts: datetime
    kind: str
    dag_id: str
    run_id: str | None
    task_id: str | None
    attempt: int | None
    state: str
    detail: str | None
    value: bytes | None

    @property
    def told(self) -> Mapping[str, Any]:
        """The row's ``detail``."""
        return json.loads(self.detail) if self.detail else {}

    @property
    def begins(self) -> bool:
        """Whether an attempt begins; with a reason, one that runs was only asked to stop."""
        return self.kind == "task" and self.state == "running" and not self.told.get("reason")

    @property
    def gives_up(self) -> bool:
        """Whether a task fails because its attempt was interrupted."""
        return self.state == "failed" and self.told.get("error", {}).get("kind") == "TaskInterrupted"


@dataclass(frozen=True)
class Left:
    """What is in the file, beyond what was there before."""

    rows: list[Row]  #: the new ones
    before: str  #: a fingerprint of the others
    everything: str  #: a fingerprint of all
    runs: Mapping[str, str]  #: states as the view ``dag_runs`` has them, of the runs that new rows are about
    attempts: Mapping[AttemptKey, str]  #: likewise of ``task_runs``
    lines: int  #: of logs


NOTHING = Left([], "", "", {}, {}, 0)


def read(store: Path, after: int) -> Left:
    """Return what the file and its write-ahead log hold; of the events, those with numbers above `after`.

    Raises
    ------
    duckdb.Error
        If it cannot be opened or read.
    """
    if not store.exists():
        return NOTHING
    with tempfile.TemporaryDirectory() as folder:
        for path in (store, store.with_name(f"{store.name}.wal")):
            if path.exists():
                shutil.copy(path, folder)
        with duckdb.connect(str(Path(folder, store.name))) as connection:
            return _read(connection, after)


def _read(connection: duckdb.DuckDBPyConnection, after: int) -> Left:
    def rows(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    if not rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'events'"):
        return NOTHING  # killed before its first commit
    changed = f"(SELECT DISTINCT run_id FROM events WHERE seq > {after})"
    attempts = rows(f"SELECT run_id, task_id, attempt, state FROM task_runs WHERE run_id IN {changed}")
    return Left(
        rows=[Row(*row) for row in rows(f"SELECT * FROM events WHERE seq > {after} ORDER BY seq")],
        before=_fingerprint(rows, f"WHERE seq <= {after}"),
        everything=_fingerprint(rows, ""),
        runs=dict(rows(f"SELECT run_id, state FROM dag_runs WHERE run_id IN {changed}")),
        attempts={AttemptKey(run_id, task_id, number): state for run_id, task_id, number, state in attempts},
        lines=rows("SELECT count(*) FROM task_logs")[0][0],
    )


def _fingerprint(rows: Any, where: str) -> str:
    ((count, mark),) = rows(f"SELECT count(*), bit_xor(hash(events)) FROM events {where}")
    return f"{count} {mark}" if count else ""
