"""The one thread that writes to the store, and commits what has gathered as a group."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from ppacer_nb.errors import StoreError
from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.events import Event, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.store import run_index
from ppacer_nb.store.backlog import Backlog, size_of
from ppacer_nb.store.codec import Row, event_row, log_row
from ppacer_nb.store.database import Database, first_line

#: Log lines are written in portions, so that a flood of them does not hold up the events behind it.
LOG_PORTION = 2_000
#: Seconds between two tries to write while the disk takes nothing: the first, doubled up to the last.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

#: Tables whose rows have no number: what is on disk is known by their count. In the order of writing, as a
#: version needs its sources.
_COUNTED = ("task_sources", "dag_versions", "notifications")

_log = logging.getLogger("ppacer_nb")


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


class _Flush:
    def __init__(self) -> None:
        self.reached = threading.Event()
        self.error: StoreError | None = None


class _Close:
    pass


_Item = _Events | _Line | _Row | _Flush | _Close


class LogWriter:
    """Writes events, log lines and rows of other tables from a thread of its own.

    What cannot be written, as the disk is full or fails, stays here, in order, and is tried again until it
    can be: the log has no gap, and nothing in it twice, as what a failed write has left is read back first.
    Events wait without a bound, log lines within that of `Backlog`.

    `on_trouble` is told, from that thread, when writing has failed, with a sentence; `on_recovered` when all
    that waited is written. `on_lines` is told of which runs lines have been written.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_trouble: Callable[[StoreError], None],
        on_recovered: Callable[[], None],
        on_lines: Callable[[frozenset[str]], None],
    ) -> None:
        self._database = database
        self._on_trouble = on_trouble
        self._on_recovered = on_recovered
        self._on_lines = on_lines
        self._rows: dict[str, deque[Row]] = {table: deque() for table in _COUNTED}
        self._groups: deque[_Events] = deque()
        self._lines: deque[_Line] = deque()
        self._flushes: list[_Flush] = []
        self._backlog = Backlog()
        self._is_closing = False
        self._trouble: StoreError | None = None
        self._pauses = pauses()
        self._try_again_at = 0.0  # on the monotonic clock
        self._is_stale = False  # whether a failed write has left what is to be made anew
        self._connect()
        self._next_event, self._next_line = self._last("events") + 1, self._last("task_logs") + 1
        self._counts = {table: self._count(table) for table in _COUNTED}
        self._inbox: SimpleQueue[_Item] = SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ppacer-log-writer", daemon=True)
        self._thread.start()

    def events(self, events: Sequence[Event], done: Callable[[], None] | None = None) -> None:
        """Append `events`; call `done`, from the writer's thread, once they are on disk."""
        self._inbox.put(_Events(events, done))

    def line(self, key: AttemptKey, line: LogLine, *, may_wait: bool = False) -> None:
        """Append a line to an attempt's log; with `may_wait`, hold up who is faster than the disk."""
        if not self._ended.is_set():
            for each in self._backlog.take(key, line, may_wait=may_wait):
                self._inbox.put(_Line(key, each))

    def row(self, table: str, row: Row) -> None:
        """Append a row to one of the other tables, ahead of the events that are handed over after it."""
        self._inbox.put(_Row(table, row))

    def flush(self) -> None:
        """Return when everything handed over so far is on disk, or the writer has been closed.

        Raises
        ------
        StoreError
            If it cannot be written now.
        """
        flush = _Flush()
        self._inbox.put(flush)
        if not self._ended.is_set():
            flush.reached.wait()
        if flush.error is not None:
            raise flush.error

    def close(self) -> str:
        """Write what is left, and end the thread. Return in words what could not be written, or ""."""
        self._inbox.put(_Close())
        self._thread.join()
        return self._left()

    def _work(self) -> None:
        while not self._is_closing or (self._waits() and self._trouble is None):
            self._gather()
            if self._trouble is None or self._is_closing or time.monotonic() >= self._try_again_at:
                self._try_to_write()
            self._answer_flushes()
        self._backlog.stand_still()
        self._disconnect()
        self._ended.set()
        self._sort_in(self._inbox_items())
        self._answer_flushes(at_the_end=True)

    def _waits(self) -> bool:
        return bool(self._groups or self._lines or any(self._rows.values()))

    def _gather(self) -> None:
        """Take in all that waits; wait for something if there is nothing to do."""
        if self._trouble is not None and not self._is_closing:
            patience: float | None = max(0.0, self._try_again_at - time.monotonic())
        else:
            patience = 0.0 if self._waits() else None
        try:
            first = [] if patience == 0.0 else [self._inbox.get(timeout=patience)]
        except Empty:
            first = []
        self._sort_in(first + self._inbox_items())

    def _inbox_items(self) -> list[_Item]:
        items = []
        while not self._inbox.empty():
            items.append(self._inbox.get())
        return items

    def _sort_in(self, items: Sequence[_Item]) -> None:
        for item in items:
            match item:
                case _Events():
                    self._groups.append(item)
                case _Line():
                    self._lines.append(item)
                case _Row():
                    self._rows[item.table].append(item.row)
                case _Flush():
                    self._flushes.append(item)
                case _Close():
                    self._is_closing = True

    def _answer_flushes(self, *, at_the_end: bool = False) -> None:
        if self._trouble is None and self._waits() and not at_the_end:
            return
        for flush in self._flushes:
            flush.error = self._trouble
            flush.reached.set()
        self._flushes.clear()

    def _try_to_write(self) -> None:
        try:
            if self._is_stale:
                self._renew()
            self._write_rows()
            self._write_events()
            self._write_lines()
            self._extend_index()
        except Exception as error:  # DuckDB's and the disk's, or a defect of ours: tried again in any case
            why = first_line(error).rstrip(".!")
        else:
            self._recover()
            self._lines += [_Line(key, note) for key, note in self._backlog.notes()]
            return
        self._note_trouble(why)  # not above: the error's frames hold on to what is to be let go

    def _note_trouble(self, why: str) -> None:
        if self._trouble is None:
            self._backlog.stand_still()
            self._trouble = StoreError(
                f"the run history cannot be written: {why}. Nothing new is started until it can be; "
                "what runs goes on, and is recorded then."
            )
            _call(self._on_trouble, self._trouble)
        self._is_stale = True
        try:
            self._renew()  # at once, for those who read
        except Exception as error:  # tried again before the next write
            _log.debug("ppacer: %s", error)
        self._try_again_at = time.monotonic() + next(self._pauses)

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble, self._pauses = None, pauses()
            self._backlog.flow()
            _call(self._on_recovered)

    def _renew(self) -> None:
        """Make anew what a failed write has broken, and leave out what it has written for all that."""
        self._disconnect()
        self._database.revive()
        self._connect()
        for table in _COUNTED:
            self._note_rows(table, self._count(table) - self._counts[table])
        self._note_events(self._last("events") + 1 - self._next_event)
        self._note_lines(self._last("task_logs") + 1 - self._next_line)
        self._is_stale = False

    def _connect(self) -> None:
        self._cursor = self._database.cursor()
        self._indexed = run_index.reach(self._cursor)  #: the last event that the index of runs covers
        self._appenders = {name: self._cursor.appender(name) for name in ("events", "task_logs")}

    def _disconnect(self) -> None:
        self._appenders.clear()
        self._cursor.close()

    def _last(self, table: str) -> int:
        return self._number(f"SELECT coalesce(max(seq), 0) FROM {table}")

    def _count(self, table: str) -> int:
        return self._number(f"SELECT count(*) FROM {table}")

    def _number(self, sql: str) -> int:
        ((number,),) = self._cursor.execute(sql).fetchall()
        return int(number)

    def _write_rows(self) -> None:
        for table, waiting in self._rows.items():
            if waiting:  # many, when a scheduler starts that has thousands of DAGs
                appender = self._cursor.appender(table)
                appender.append_rows(list(waiting))
                appender.flush()
                self._note_rows(table, len(waiting))

    def _note_rows(self, table: str, count: int) -> None:
        """The first `count` of the rows that wait for that table are on disk."""
        self._counts[table] += count
        for _ in range(count):
            self._rows[table].popleft()

    def _write_events(self) -> None:
        events = [event for group in self._groups for event in group.events]
        if events:
            appender = self._appenders["events"]
            numbered = enumerate(events, self._next_event)
            appender.append_rows([event_row(seq, event) for seq, event in numbered])
            appender.flush()
        self._note_events(len(events))

    def _note_events(self, count: int) -> None:
        """The first `count` of the events that wait are on disk."""
        if count < 0:
            raise StoreError(f"the last {-count} of the events that were on the disk are there no more")
        self._next_event += count
        while self._groups and len(self._groups[0].events) <= count:
            group = self._groups.popleft()
            count -= len(group.events)
            if group.done is not None:
                _call(group.done)
        if count:
            self._groups[0] = replace(self._groups[0], events=self._groups[0].events[count:])

    def _extend_index(self) -> None:
        if self._next_event - self._indexed > run_index.PORTION:
            run_index.extend(self._cursor, self._indexed)
            self._indexed = self._next_event - 1

    def _write_lines(self) -> None:
        if not self._lines:
            return
        portion = list(islice(self._lines, LOG_PORTION))
        appender = self._appenders["task_logs"]
        appender.append_rows(
            [log_row(item.key, number, item.line) for number, item in enumerate(portion, self._next_line)]
        )
        appender.flush()
        self._note_lines(len(portion))

    def _note_lines(self, count: int) -> None:
        """The first `count` of the lines that wait are on disk."""
        self._next_line += count
        written = [self._lines.popleft() for _ in range(count)]
        if written:
            self._backlog.wrote(sum(size_of(item.line) for item in written))
            _call(self._on_lines, frozenset(item.key.run_id for item in written))

    def _left(self) -> str:
        if self._trouble is None:
            return ""
        ids = [_about(event) for group in self._groups for event in group.events]
        return _in_words(
            len(ids), list(dict.fromkeys(ids)), len(self._lines), sum(map(len, self._rows.values()))
        )


def pauses() -> Iterator[float]:
    """Yield the seconds to wait before each further try: 0.1, 0.2, 0.4 and so on, up to 5."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


def _call(callback: Callable[..., None], *args: Any) -> None:
    """Tell somebody; what they raise is a defect of theirs, and no failed write."""
    try:
        callback(*args)
    except Exception:
        _log.exception("ppacer: internal error after writing to the run history")


def _about(event: Event) -> str:
    if isinstance(event, TaskEvent):
        return event.run_id
    run_id = event.run_id if isinstance(event, RunEvent | ScheduleEvent) else None
    return run_id or event.dag_id


def _in_words(events: int, ids: Sequence[str], lines: int, rows: int) -> str:
    parts = []
    if events:
        named = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        parts.append(f"{events} {'event' if events == 1 else 'events'} of {named}")
    if lines:
        parts.append(f"{lines:,} log {'line' if lines == 1 else 'lines'}")
    if rows:
        parts.append(f"{rows} other {'row' if rows == 1 else 'rows'}")
    return ", ".join(parts)
