"""What can still be read of a damaged store, in a new one beside it.

DuckDB keeps a checksum with every block of the file (256 KiB) and every entry of its log, ``PATH.wal``, and
refuses what does not match. A damaged block costs the rows that lie in it; a damaged entry of the log, all
from there on, which is the newest of the history; a damaged beginning of the file, everything but a backup.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ppacer_nb.errors import StoreError
from ppacer_nb.store.database import check_is_free, first_line
from ppacer_nb.store.store import Store
from ppacer_nb.store.wal import begins_well, wal_of

#: The tables of a store that hold its history; one of an older schema may not have all of them.
TABLES = ("events", "task_logs", "task_sources", "dag_versions", "notifications")

_FOUND = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'damaged'"
_PORTION = 122_880  # rows that DuckDB keeps together
_SMALLEST = 2_048  # rows that it reads at once
_POSITION = re.compile(r"at byte position (\d+)")


@dataclass(frozen=True, slots=True)
class RecoveredTable:
    """What came over of a table."""

    name: str
    rows: int
    lost: int | None  #: rows that could not be read; None if it is not known how many there were
    problem: str = ""  #: what DuckDB says of them

    def line(self) -> str:
        """Return this in words."""
        lost = "how many are lost is not known" if self.lost is None else f"{self.lost:,} lost"
        return f"{self.name}: {self.rows:,} rows, {lost}{f' ({self.problem})' if self.problem else ''}"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What came over of a store."""

    path: Path  #: the new store
    tables: tuple[RecoveredTable, ...]
    lost_log_bytes: int  #: of DuckDB's log, which held the newest of the history

    def lines(self) -> list[str]:
        """Return this in words."""
        lost = self.lost_log_bytes
        newest = [f"{lost:,} bytes of DuckDB's log cannot be read: the newest of the history is lost."]
        goes_on = f"Look into it with --store {self.path}, or put it in the place of the old one."
        return [
            f"What can be read is in {self.path}:",
            *(table.line() for table in self.tables),
            *(newest if lost else []),
            goes_on,
        ]


def recover(path: Path) -> Recovery:
    """Copy what can be read of the store at `path` to ``NAME.recovered.duckdb`` beside it; leave it alone.

    Raises
    ------
    StoreLocked
        If a scheduler has it open.
    StoreError
        If there is no such file, or the new one is there already, or nothing at all can be read.
    """
    target = path.with_name(f"{path.stem}.recovered.duckdb")
    if not path.is_file():
        raise StoreError(f"there is no file {path} to recover anything from.")
    if target.exists():
        raise StoreError(f"{target} is there already: move it away first, it may hold what you look for.")
    check_is_free(path)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        copy, made = Path(folder) / "damaged.duckdb", Path(folder) / "recovered.duckdb"
        lost_log_bytes = _readable_copy(path, copy)
        Store(made).close()
        with closing(duckdb.connect(str(made))) as connection:
            connection.execute(f"ATTACH '{_quoted(copy)}' AS damaged (READ_ONLY)").fetchall()
            found = connection.execute(_FOUND).fetchall()
            tables = tuple(_recover_table(connection, name) for name in TABLES if (name,) in found)
        made.replace(target)
    return Recovery(target, tables, lost_log_bytes)


def _readable_copy(path: Path, copy: Path) -> int:
    """Copy the file, and of its log what can be read; return how many bytes of the log that leaves out."""
    shutil.copyfile(path, copy)
    log = wal_of(path)
    size = log.stat().st_size if log.exists() else 0
    readable = size if size and begins_well(log) else 0
    while True:
        if readable:
            shutil.copyfile(log, wal_of(copy))
            os.truncate(wal_of(copy), readable)
        else:
            wal_of(copy).unlink(missing_ok=True)
        try:
            duckdb.connect(str(copy), read_only=True).close()
        except duckdb.Error as error:
            if not readable:
                raise StoreError(
                    f"nothing of {path} can be read ({first_line(error)}): go back to a copy of it."
                ) from error
            position = _POSITION.search(str(error))
            at = int(position[1]) if position else 0
            readable = at if at < readable else 0
        else:
            return size - readable


def _recover_table(connection: duckdb.DuckDBPyConnection, name: str) -> RecoveredTable:
    try:
        ((count,),) = connection.execute(f"SELECT count(*) FROM damaged.{name}").fetchall()
    except duckdb.Error as error:
        return RecoveredTable(name, 0, None, first_line(error))
    problem = ""
    for first in range(0, count, _PORTION):
        for why in _copied(connection, name, first, min(first + _PORTION, count)):
            problem = problem or why
    ((copied,),) = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
    return RecoveredTable(name, copied, count - copied, problem)


def _copied(connection: duckdb.DuckDBPyConnection, name: str, first: int, end: int) -> Iterator[str]:
    """Copy these rows, those that can be read, and yield why others cannot."""
    try:
        connection.execute(
            f"INSERT INTO {name} BY NAME SELECT * FROM damaged.{name} WHERE rowid >= ? AND rowid < ?",
            [first, end],
        ).fetchall()
    except duckdb.Error as error:
        if end - first <= _SMALLEST:
            yield first_line(error)
            return
        middle = first + max(_SMALLEST, (end - first) // 2 // _SMALLEST * _SMALLEST)
        yield from _copied(connection, name, first, middle)
        yield from _copied(connection, name, middle, end)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
