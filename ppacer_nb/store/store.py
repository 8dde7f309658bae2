"""Opening a store: the file, its lock, its schema, its writer and its read side."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from ppacer_nb.errors import StoreError, StoreLocked, StoreVersion
from ppacer_nb.store.queries import History
from ppacer_nb.store.schema import MIGRATIONS, SCHEMA
from ppacer_nb.store.writer import LogWriter

_HOLDER = re.compile(r"\(PID (\d+)\)")

# DuckDB's lock keeps other processes out, but lets this one open a file twice, with two writers.
_open_here: set[Path] = set()
_open_here_lock = threading.Lock()


def _nobody_listens(_: object) -> None:
    """A store whose owner asks for nothing learns of a failed write when it reads."""


class Store:
    """The run history, opened for writing; one process at a time can.

    Parameters
    ----------
    path
        The DuckDB file, made with its folder where there is none. None keeps the history in memory only.
    on_failure
        Told, from the writer's thread, when the history cannot be written any more.
    on_lines
        Told, from the writer's thread, of which runs log lines have been written.

    Raises
    ------
    StoreLocked
        If another process, or this one, has the file open.
    StoreVersion
        If a newer ppacer_nb wrote it.
    StoreError
        If it cannot be opened or is no store of ppacer_nb.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        on_failure: Callable[[StoreError], None] = _nobody_listens,
        on_lines: Callable[[frozenset[str]], None] = _nobody_listens,
    ) -> None:
        self.path = path and path.resolve()
        self._closed = False
        self._claim()
        try:
            connection = _connect(self.path)
            try:
                _migrate(connection, self.path)
                self.history = History(connection)
                self.log = LogWriter(
                    connection.cursor(),
                    next_event=self.history.next_number("events"),
                    next_line=self.history.next_number("task_logs"),
                    on_failure=on_failure,
                    on_lines=on_lines,
                )
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Write what is left and let go of the file. Closing again changes nothing."""
        if self._closed:
            return
        self._closed = True
        self.log.close()
        self.history.close()
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path) if self.path else 'in memory'})"

    def _claim(self) -> None:
        if self.path is None:
            return
        with _open_here_lock:
            if self.path in _open_here:
                raise StoreLocked(
                    f"this process already has {self.path} open: stop the scheduler that uses it first, "
                    "or give another path."
                )
            _open_here.add(self.path)

    def _release(self) -> None:
        if self.path is not None:
            with _open_here_lock:
                _open_here.discard(self.path)


def _connect(path: Path | None) -> duckdb.DuckDBPyConnection:
    if path is None:
        return duckdb.connect(":memory:")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        return duckdb.connect(str(path))
    except (duckdb.Error, OSError) as error:
        raise _explained(path, error) from error


def _make(path: Path) -> None:
    """Make an empty file, whole from the first moment: DuckDB cannot open one that was left half made."""
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
        made = Path(folder, path.name)
        duckdb.connect(str(made)).close()
        with suppress(OSError):  # another process made it meanwhile, or there are no links: DuckDB makes it
            path.hardlink_to(made)


def _explained(path: Path, error: Exception) -> StoreError:
    text = str(error)
    if "lock" in text.lower() and (holder := _HOLDER.search(text)):
        return StoreLocked(f"{path} is held by process {holder[1]}: only one process at a time can write it.")
    first_line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return StoreError(f"{path} cannot be opened as a run history: {first_line}")


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    found = _schema_of(connection, path)
    if found > SCHEMA:
        raise StoreVersion(
            f"{path} has schema {found}, which this version of ppacer_nb does not know (it writes {SCHEMA}): "
            "upgrade ppacer_nb, or use another store."
        )
    for number, statements in enumerate(MIGRATIONS[found:], found + 1):
        connection.begin()
        connection.execute(statements).fetchall()
        connection.execute("UPDATE ppacer_schema SET number = ?", [number]).fetchall()
        connection.commit()


def _schema_of(connection: duckdb.DuckDBPyConnection, path: Path | None) -> int:
    """Return the schema's number, 0 for a file that is still empty."""
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "ppacer_schema" not in tables:
        if tables:
            raise StoreError(
                f"{path} is a DuckDB file, but no run history (it has the table {min(tables)!r}): "
                "give another path."
            )
        connection.execute("CREATE TABLE ppacer_schema AS SELECT 0 AS number").fetchall()
    numbers = connection.execute("SELECT number FROM ppacer_schema").fetchall()
    if len(numbers) != 1:
        raise StoreError(f"{path} is damaged: its table ppacer_schema has {len(numbers)} rows and not one.")
    return int(numbers[0][0])
