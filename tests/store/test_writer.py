from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.store import writer as module
from ppacer_nb.store.store import Store
from tests.store.events import T0, run_event

KEY = AttemptKey("d/1", "a", 1)


def held_back(store: Store) -> Callable[[], None]:
    """Let the writer's thread wait, as behind a slow disk, until the function returned here is called."""
    waiting, go = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        assert go.wait(20)

    store.log.events([], wait)
    assert waiting.wait(20)
    return go.set


def commits(store: Store) -> list[tuple[str, int]]:
    """Note the table and the number of rows of every commit from now on."""
    noted: list[tuple[str, int]] = []

    class Noted:
        def __init__(self, table: str, appender: Any) -> None:
            self.table, self.appender, self.rows = table, appender, 0

        def append_rows(self, rows: list[Any]) -> None:
            self.rows += len(rows)
            self.appender.append_rows(rows)

        def flush(self) -> None:
            self.appender.flush()
            noted.append((self.table, self.rows))
            self.rows = 0

    appenders = store.log._appenders
    appenders.update({table: Noted(table, appender) for table, appender in appenders.items()})  # type: ignore[misc]
    return noted


def test_what_gathers_while_the_disk_is_busy_is_one_commit() -> None:
    with Store(None) as store:
        noted = commits(store)
        go = held_back(store)
        for number in range(500):
            store.log.events([run_event(f"d/{number}")])
        go()
        store.log.flush()
        assert noted == [("events", 500)]


def test_done_callbacks_come_in_order_and_when_a_reader_sees_the_rows(tmp_path: Path) -> None:
    called: list[tuple[int, bool]] = []

    def note(number: int) -> None:
        called.append((number, store.history.run(f"d/{number}") is not None))

    with Store(tmp_path / "x.duckdb") as store:
        go = held_back(store)
        for number in range(30):
            store.log.events([run_event(f"d/{number}")], lambda number=number: note(number))  # type: ignore[misc]
        go()
        store.log.flush()
    assert called == [(number, True) for number in range(30)]


def test_a_flood_of_log_lines_does_not_hold_up_the_events_behind_it() -> None:
    with Store(None) as store:
        noted = commits(store)
        go = held_back(store)
        for _ in range(3 * module.LOG_PORTION):
            store.log.line(KEY, LogLine(T0, "STDOUT", "x"))
        store.log.events([run_event()])
        go()
        store.log.flush()
        assert noted[0] == ("events", 1)
        assert noted[1:] == [("task_logs", module.LOG_PORTION)] * 3


def test_an_event_that_comes_amid_a_flood_is_written_after_one_portion() -> None:
    with Store(None) as store:
        noted = commits(store)
        go = held_back(store)
        for _ in range(5 * module.LOG_PORTION):
            store.log.line(KEY, LogLine(T0, "STDOUT", "x"))

        def in_the_middle() -> None:
            store.log.events([run_event("d/2")])

        store.log.events([run_event("d/1")], in_the_middle)
        go()
        store.log.flush()
        assert [table for table, _ in noted][:3] == ["events", "task_logs", "events"]


def test_lines_are_numbered_on_from_what_was_there(tmp_path: Path) -> None:
    for _ in range(2):
        with Store(tmp_path / "x.duckdb") as store:
            store.log.line(KEY, LogLine(T0, "STDOUT", "x"))
    with Store(tmp_path / "x.duckdb") as store:
        assert store.history.sql("SELECT seq FROM task_logs ORDER BY seq").rows == [(1,), (2,)]


def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    with Store(tmp_path / "x.duckdb") as store:
        go = held_back(store)
        store.log.events([run_event()])
        for _ in range(2 * module.LOG_PORTION):
            store.log.line(KEY, LogLine(T0, "STDOUT", "x"))
        go()
    with Store(tmp_path / "x.duckdb") as store:
        assert len(store.history.runs()) == 1
        assert store.history.sql("SELECT count(*) FROM task_logs").rows == [(2 * module.LOG_PORTION,)]


def test_flushing_a_closed_log_returns() -> None:
    store = Store(None)
    store.close()
    store.log.flush()
