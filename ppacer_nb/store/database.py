"""One DuckDB database for all who use it: opened, read from any thread, and opened anew where it gave up."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from ppacer_nb.errors import StoreError, StoreLocked
from ppacer_nb.store.wal import begins_well, wal_of

#: Seconds until a reader is interrupted once more: DuckDB forgets an interrupt that comes before its query.
_INTERRUPT_AGAIN = 0.05

_HOLDER = re.compile(r"\(PID (\d+)\)")
_DAMAGE = re.compile("corrupt|checksum|not a valid DuckDB|not read enough bytes|replaying WAL", re.IGNORECASE)


class Database:
    """A DuckDB file, or a database in memory for the path None.

    A commit that DuckDB has confirmed is durable: it has written it to ``PATH.wal`` and had the system put
    that on the disk (fsync). Every 16 MiB, and at the end, it moves what is in there to the main file, and a
    process that was killed leaves it for the next who opens the file. Where a write for a commit fails, the
    commit never was, and all goes on; where the fsync or the move fails, DuckDB gives the whole database up,
    refuses even to read it, and the commit may have happened or not. `revive` opens it anew then.

    Raises
    ------
    StoreLocked
        If another process has the file open.
    StoreError
        If it cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._reading: list[duckdb.DuckDBPyConnection] = []
        self._is_reopening = False
        self._why_closed = "it is closed."
        self._connection: duckdb.DuckDBPyConnection | None = connect(path)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor for the one who writes, who closes it before `revive` and `close`."""
        with self._changed:
            if self._connection is None:
                raise StoreError(self._why_closed)
            return self._connection.cursor()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a cursor to a reader, in any thread; raise StoreError if the database is closed."""
        with self._changed:  # a connection is not to be used from two threads at once
            self._changed.wait_for(lambda: not self._is_reopening)
            if self._connection is None:
                raise StoreError(f"the run history cannot be read: {self._why_closed}")
            cursor = self._connection.cursor()
            self._reading.append(cursor)
        try:
            with cursor:
                yield cursor
        finally:
            with self._changed:
                self._reading.remove(cursor)
                self._changed.notify_all()

    def way_out(self, error: duckdb.Error) -> str:
        """Return how to save what the file holds, if `error` says that it is damaged, else ""."""
        return _way_out(self._path) if self._path is not None and _DAMAGE.search(str(error)) else ""

    def revive(self) -> None:
        """Open the database anew if DuckDB has given it up; what is being read then ends with an error.

        Raises
        ------
        StoreError
            If it cannot be opened. A later call tries again.
        """
        if self._path is None or self._answers():
            return
        with self._changed:
            self._is_reopening = True
            try:
                self._let_go()
                self._connection = connect(self._path)
            except StoreError as error:
                self._why_closed = str(error)
                raise
            finally:
                self._is_reopening = False
                self._changed.notify_all()

    def close(self) -> None:
        """End what is being read, and close. Reading raises StoreError from then on."""
        with self._changed:
            self._let_go()
            self._why_closed = "it is closed."

    def _answers(self) -> bool:
        try:
            with self.cursor() as cursor:
                cursor.execute("SELECT 1").fetchall()
        except (duckdb.Error, StoreError):
            return False
        return True

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        while self._reading:  # DuckDB refuses to close what is in use
            for cursor in self._reading:
                with suppress(duckdb.ConnectionException):  # it has just ended
                    cursor.interrupt()
            self._changed.wait(_INTERRUPT_AGAIN)
        if connection is not None:
            connection.close()


def connect(path: Path | None) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, made with its folder where there is none; raise StoreError if that cannot be."""
    if path is None:
        return duckdb.connect(":memory:")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and wal_of(path).exists() and not begins_well(wal_of(path)):
            raise StoreError(f"{wal_of(path)} is no log of DuckDB's, and {path} is damaged.{_way_out(path)}")
        if not path.exists():
            _make(path)
        return duckdb.connect(str(path))
    except (duckdb.Error, OSError) as error:
        raise explained(path, error) from error


def _make(path: Path) -> None:
    """Make an empty file, whole from the first moment: DuckDB cannot open one that was left half made."""
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
        made = Path(folder, path.name)
        duckdb.connect(str(made)).close()
        with suppress(OSError):  # another process made it meanwhile, or there are no links: DuckDB makes it
            path.hardlink_to(made)


def check_is_free(path: Path) -> None:
    """Raise StoreLocked if another process has the file open, whether it can be opened or not."""
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error as error:
        if isinstance(reason := explained(path, error), StoreLocked):
            raise reason from error


def first_line(error: Exception) -> str:
    """Return what `error` says in one line: DuckDB adds traces of its own."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def explained(path: Path | None, error: Exception) -> StoreError:
    """Return why a file cannot be opened, and if it is damaged, how to save what it holds."""
    text = str(error)
    if "lock" in text.lower() and (holder := _HOLDER.search(text)):
        return StoreLocked(f"{path} is held by process {holder[1]}: only one process at a time can write it.")
    hint = _way_out(path) if path is not None and _DAMAGE.search(text) else ""
    return StoreError(f"{path} cannot be opened as a run history: {first_line(error).rstrip('.')}.{hint}")


def _way_out(path: Path) -> str:
    return f" The command `ppacer recover {path}` saves what can be read of it in a new file."
