"""Disks that are full, and fail: with real files, which may not grow for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ppacer_nb.errors import StoreError
from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.events import Event
from ppacer_nb.model.notification import Notification
from ppacer_nb.store import backlog
from ppacer_nb.store import writer as module
from ppacer_nb.store.codec import Row, notification_row
from ppacer_nb.store.store import Store
from ppacer_nb.store.writer import pauses
from tests.store.events import T0, run_event
from tests.store.full_disk import full_disk
from tests.store.test_writer import KEY, held_back


class Told:
    """What a store's owner is told, in order."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self.in_trouble, self.recovered = threading.Event(), threading.Event()

    def trouble(self, error: StoreError) -> None:
        self.troubles.append(str(error))
        self.in_trouble.set()

    def store(self, path: Path) -> Store:
        return Store(path, on_trouble=self.trouble, on_recovered=self.recovered.set)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.duckdb"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


def wal_size(path: Path) -> int:
    return Path(f"{path}.wal").stat().st_size


def numbered(count: int, start: int = 0) -> list[Event]:
    return [run_event(f"d/{number}") for number in range(start, start + count)]


def sent(text: str) -> Row:
    return notification_row(Notification(T0, "message", *KEY, text), "")


def logged(store: Store) -> list[tuple[int, str]]:
    return store.history.sql("SELECT seq, run_id FROM events ORDER BY seq", limit=10**6).rows  # type: ignore[return-value]


def in_order(count: int) -> list[tuple[int, str]]:
    return [(number + 1, f"d/{number}") for number in range(count)]


def test_what_a_full_disk_refuses_is_written_in_order_when_there_is_room(path: Path, told: Told) -> None:
    done: list[int] = []
    with told.store(path) as store:
        store.log.events(numbered(10))
        store.log.flush()
        with full_disk(wal_size(path)):
            for number in range(10, 50):
                store.log.events(numbered(1, number), lambda number=number: done.append(number))  # type: ignore[misc]
            assert told.in_trouble.wait(20)
            with pytest.raises(StoreError, match=r"cannot be written: .*what runs goes on"):
                store.log.flush()
            assert (logged(store), done) == (in_order(10), [])
        assert told.recovered.wait(20)
        store.log.flush()
        assert (logged(store), done) == (in_order(50), list(range(10, 50)))
    assert len(told.troubles) == 1
    with Store(path) as store:
        assert logged(store) == in_order(50)


def test_rows_and_lines_whose_commit_failed_when_it_was_durable_are_not_written_twice(
    path: Path, told: Told
) -> None:
    """DuckDB moves its log to the main file every 16 MiB. If there is no room for that, it gives up."""
    with told.store(path) as store:
        store.log.events(numbered(10))
        store.log.flush()
        store.log.row("notifications", sent("before"))
        store.log.flush()
        count, error = 10, None
        with full_disk(24 * 1024 * 1024):
            while not told.in_trouble.is_set():
                for _ in range(module.LOG_PORTION):
                    store.log.line(KEY, LogLine(T0, "STDOUT", os.urandom(1000).hex()))
                store.log.row("notifications", sent(str(count)))
                store.log.events(numbered(3, count))
                count += 3
                try:
                    store.log.flush()
                except StoreError as refused:
                    error = refused
        assert "checkpoint" in str(error)
        assert told.recovered.wait(20)
        store.log.flush()
        assert logged(store) == in_order(count)
        assert store.history.sql("SELECT count(*) FROM notifications").rows == [(1 + (count - 10) // 3,)]
        ((lines, last),) = store.history.sql("SELECT count(*), max(seq) FROM task_logs").rows
        assert lines == last == (count - 10) // 3 * module.LOG_PORTION


def test_events_whose_commit_failed_when_it_was_durable_are_not_written_twice(path: Path, told: Told) -> None:
    done: list[int] = []
    with told.store(path) as store, full_disk(24 * 1024 * 1024):
        while not told.in_trouble.is_set():
            count = len(done)
            event = replace(run_event(f"d/{count}"), reason=os.urandom(100_000).hex())
            store.log.events([event], lambda count=count: done.append(count))  # type: ignore[misc]
            with suppress(StoreError):
                store.log.flush()
        assert "succeeded and is durable" in told.troubles[0]
        assert told.recovered.wait(20)
        store.log.flush()
        assert done == list(range(count + 1))
        assert logged(store) == in_order(count + 1)


def test_a_history_that_duckdb_gave_up_can_be_read_while_the_disk_is_full(path: Path, told: Told) -> None:
    with told.store(path) as store:
        store.log.events(numbered(10))
        store.log.flush()
        _give_up(store)
        store.log.events(numbered(5, 10))
        assert told.recovered.wait(20)
        store.log.flush()
        assert logged(store) == in_order(15)


def _give_up(store: Store) -> None:
    """Have DuckDB give the database up, as after a failed checkpoint."""
    with full_disk(1), pytest.raises(Exception, match="checkpoint"):
        store._database.cursor().execute("CHECKPOINT")


def test_a_store_that_is_closed_in_trouble_says_what_is_not_recorded(path: Path, told: Told) -> None:
    store = told.store(path)
    store.log.events(numbered(1))
    store.log.flush()
    with full_disk(wal_size(path)):
        store.log.events([run_event("d/1"), run_event("e/1")])
        store.log.line(KEY, LogLine(T0, "STDOUT", "x"))
        assert told.in_trouble.wait(20)
        store.close()
    assert store.unrecorded == "2 events of d/1, e/1, 1 log line"
    with Store(path) as store:
        assert logged(store) == in_order(1)


def test_a_store_that_is_closed_in_trouble_writes_what_it_can_after_all(
    path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 600)
    store = told.store(path)
    store.log.events(numbered(1))
    store.log.flush()
    with full_disk(wal_size(path)):
        store.log.events(numbered(1, 1))
        assert told.in_trouble.wait(20)
    store.close()
    assert store.unrecorded == ""
    with Store(path) as store:
        assert logged(store) == in_order(2)


def test_the_pauses_between_two_tries_grow_up_to_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert list(islice(pauses(), 8)) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


KILLED = """
import sys
from pathlib import Path
from tests.store.full_disk import full_disk
from tests.store.test_full_disk import Told, numbered, wal_size

path, told = Path(sys.argv[1]), Told()
store = told.store(path)
store.log.events(numbered(10))
store.log.flush()
with full_disk(wal_size(path)):
    store.log.events(numbered(1, 10))
    assert told.in_trouble.wait(20)
    print("in trouble", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_was_killed_in_trouble_leaves_a_file_that_opens(path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in trouble\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
    with Store(path) as store:
        assert logged(store) == in_order(10)
        store.log.events(numbered(1, 10))
        store.log.flush()
        assert logged(store) == in_order(11)


def test_a_flood_of_lines_that_the_disk_does_not_take_is_cut_and_says_so(
    path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "LIMIT", 20_000)
    with told.store(path) as store:
        store.log.events(numbered(1))
        store.log.flush()
        with full_disk(wal_size(path)):
            store.log.events(numbered(1, 1))
            assert told.in_trouble.wait(20)
            for number in range(1000):
                store.log.line(KEY, LogLine(T0, "STDOUT", f"{number:0100d}"), may_wait=True)
        assert told.recovered.wait(20)
        store.log.flush()
        store.log.line(KEY, LogLine(T0, "STDOUT", "later"))
        store.log.flush()
        lines = [record.line.message for record in store.history.logs("d/1")]
    kept = len(lines) - 2
    assert [int(line) for line in lines[:kept]] == list(range(kept))
    assert 50 < kept < 100
    assert sorted(lines[kept:]) == sorted(
        [f"{1000 - kept} lines were not recorded: the disk is slower than what is printed", "later"]
    )


def test_who_prints_faster_than_a_slow_disk_waits_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "LIMIT", 5_000)
    with Store(None) as store:
        go = held_back(store)
        printed: list[int] = []

        def prints() -> None:
            for number in range(100):
                store.log.line(KEY, LogLine(T0, "STDOUT", str(number)), may_wait=True)
                printed.append(number)

        thread = threading.Thread(target=prints)
        thread.start()
        thread.join(0.2)
        assert len(printed) < 30
        go()
        thread.join(20)
        store.log.flush()
        assert [int(record.line.message) for record in store.history.logs("d/1")] == list(range(100))
