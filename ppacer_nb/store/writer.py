"""The one thread that writes to the store, and commits what has gathered as a group."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import duckdb

from ppacer_nb.errors import StoreError
from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.events import Event
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.store.codec import Row, event_row, log_row

#: Log lines are written in portions, so that a flood of them does not hold up the events behind it.
LOG_PORTION = 2_000


@dataclass(frozen=True, slots=True)
class _Events:
    events: Sequence[Event]
    done: Callable[[], None] | None


@dataclass(frozen=True, slots=True)
class _Line:
    key: AttemptKey
    line: LogLine


@dataclass(frozen=True, slots=True)
class _Row:
    table: str
    row: Row


@dataclass(frozen=True, slots=True)
class _Flush:
    reached: threading.Event


class _Close:
    pass


_Item = _Events | _Line | _Row | _Flush | _Close


class LogWriter:
    """Writes events, log lines and rows of other tables from a thread of its own.

    After a failed write nothing more is written, and `on_failure` is told why, once, from that thread: a log
    with a gap would be worse than one that ends early. `on_lines` is told, likewise, of which runs lines have
    been written.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        next_event: int,
        next_line: int,
        on_failure: Callable[[StoreError], None],
        on_lines: Callable[[frozenset[str]], None],
    ) -> None:
        self._next_event = next_event
        self._next_line = next_line
        self._on_failure = on_failure
        self._on_lines = on_lines
        self._appenders = {name: connection.appender(name) for name in ("events", "task_logs")}
        self._lines: deque[_Line] = deque()
        self._flushes: list[_Flush] = []
        self._failed = False
        self._inbox: SimpleQueue[_Item] = SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(connection,), name="ppacer-log-writer", daemon=True
        )
        self._thread.start()

    def events(self, events: Sequence[Event], done: Callable[[], None] | None = None) -> None:
        """Append `events`; call `done`, from the writer's thread, once they are on disk."""
        self._inbox.put(_Events(events, done))

    def line(self, key: AttemptKey, line: LogLine) -> None:
        """Append a line to an attempt's log."""
        self._inbox.put(_Line(key, line))

    def row(self, table: str, row: Row) -> None:
        """Append a row to one of the other tables, ahead of the events that are handed over after it."""
        self._inbox.put(_Row(table, row))

    def flush(self) -> None:
        """Return when everything handed over so far is on disk, or writing has failed or ended."""
        flush = _Flush(threading.Event())
        self._inbox.put(flush)
        if not self._ended.is_set():
            flush.reached.wait()

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._inbox.put(_Close())
        self._thread.join()

    def _work(self, connection: duckdb.DuckDBPyConnection) -> None:
        open_ = True
        while open_ or self._lines:
            items = self._gathered()
            open_ = open_ and not any(isinstance(item, _Close) for item in items)
            self._flushes += [item for item in items if isinstance(item, _Flush)]
            if not self._failed:
                self._try_to_write(connection, items)
            if not self._lines:
                self._answer_flushes()
        self._appenders.clear()
        connection.close()
        self._ended.set()
        self._flushes += [item for item in self._waiting() if isinstance(item, _Flush)]
        self._answer_flushes()

    def _answer_flushes(self) -> None:
        for flush in self._flushes:
            flush.reached.set()
        self._flushes.clear()

    def _gathered(self) -> list[_Item]:
        """Return all that waits; wait for something if there is no work left."""
        first = [] if self._lines else [self._inbox.get()]
        return first + self._waiting()

    def _waiting(self) -> list[_Item]:
        items = []
        while not self._inbox.empty():
            items.append(self._inbox.get())
        return items

    def _try_to_write(self, connection: duckdb.DuckDBPyConnection, items: Sequence[_Item]) -> None:
        try:
            _write_rows(connection, (item for item in items if isinstance(item, _Row)))
            self._write_events([item for item in items if isinstance(item, _Events)])
            self._lines.extend(item for item in items if isinstance(item, _Line))
            self._write_lines()
        except Exception as error:  # DuckDB's and the disk's, or a defect of ours: what waits must not hang
            self._failed = True
            self._lines.clear()
            self._on_failure(StoreError(f"the run history cannot be written any more: {error}"))

    def _write_events(self, groups: Sequence[_Events]) -> None:
        rows = [event for group in groups for event in group.events]
        if rows:
            appender = self._appenders["events"]
            appender.append_rows([event_row(seq, event) for seq, event in enumerate(rows, self._next_event)])
            appender.flush()
            self._next_event += len(rows)
        for group in groups:
            if group.done is not None:
                group.done()

    def _write_lines(self) -> None:
        if not self._lines:
            return
        portion = [self._lines.popleft() for _ in range(min(LOG_PORTION, len(self._lines)))]
        appender = self._appenders["task_logs"]
        appender.append_rows(
            [log_row(item.key, number, item.line) for number, item in enumerate(portion, self._next_line)]
        )
        appender.flush()
        self._next_line += len(portion)
        self._on_lines(frozenset(item.key.run_id for item in portion))


def _write_rows(connection: duckdb.DuckDBPyConnection, items: Iterable[_Row]) -> None:
    by_table: dict[str, list[Row]] = {}
    for item in items:
        by_table.setdefault(item.table, []).append(item.row)
    for table, rows in by_table.items():  # thousands of DAGs are defined at once when a scheduler starts
        appender = connection.appender(table)
        appender.append_rows(rows)
        appender.flush()
