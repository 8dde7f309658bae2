"""A scheduler whose disk is full for a while: real files, which may not grow then, and tasks in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from queue import Queue

import pytest

from ppacer_nb.errors import StoreError
from ppacer_nb.model.events import EventOfRun
from ppacer_nb.model.notification import Notification
from ppacer_nb.scheduler.service import Scheduler
from ppacer_nb.status import RunState
from ppacer_nb.store import writer
from tests.scheduler.helpers import dag, scheduler, task
from tests.store.full_disk import full_disk

LONG = timedelta(seconds=20)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.1)


class Gate:
    """A task that runs until it may end."""

    def __init__(self) -> None:
        self.began, self._go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self._go.wait(20)
        return "done"

    def open(self) -> None:
        self._go.set()


class Alarms:
    """A receiver of notifications."""

    def __init__(self) -> None:
        self.got: Queue[Notification] = Queue()

    def __call__(self, notification: Notification) -> None:
        self.got.put(notification)

    def next(self) -> Notification:
        return self.got.get(timeout=20)


@contextmanager
def no_room(made: Scheduler) -> Iterator[None]:
    """The files of the store may not grow."""
    made.flush()
    path = Path(str(made.options.store))
    with full_disk(Path(f"{path}.wal").stat().st_size):
        yield


def without_times(events: list[EventOfRun]) -> list[tuple[str, str, int]]:
    return [(e.state.value, getattr(e, "task_id", "run"), getattr(e, "attempt", 0)) for e in events]


def run_with_gate(
    folder: Path, *, disk_fills_up: bool
) -> tuple[list[EventOfRun], list[EventOfRun], list[str]]:
    """Run first >> second, the disk full while `first` ends; return the events read at once, and later."""
    first, alarms, ran = Gate(), Alarms(), threading.Event()
    tasks = task(first, id="first"), task(ran.set, id="second", after=("first",))
    with scheduler(folder, receivers=[alarms]) as made:
        made.register(dag(*tasks), scheduled=False)
        run_id, end = made.trigger_run("d")
        assert first.began.wait(20)
        if disk_fills_up:
            with no_room(made):
                first.open()
                assert alarms.next().kind == "history_unwritable"
                assert "run history cannot be written" in made.info().problem
                assert not ran.is_set()
                assert not end.done()
            assert alarms.next().kind == "history_written_again"
        first.open()
        assert end.result(20) is RunState.SUCCESS
        assert ran.is_set()
        assert made.info().problem == ""
        made.flush()
        at_once = made.history.events(run_id)
    with scheduler(folder) as made:
        kinds = [kind for (kind,) in made.history.sql("SELECT kind FROM notifications ORDER BY ts").rows]
        return at_once, made.history.events(run_id), kinds


def test_a_run_goes_on_by_itself_when_the_disk_has_room_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual, _, _ = run_with_gate(tmp_path / "usual", disk_fills_up=False)
    at_once, later, kinds = run_with_gate(tmp_path / "full", disk_fills_up=True)
    assert without_times(at_once) == without_times(usual)
    assert later == at_once
    assert kinds == ["history_unwritable", "history_written_again"]
    assert caplog.text.count("ppacer: the run history cannot be written") == 1
    assert caplog.text.count("ppacer: the run history is written again") == 1


def test_new_work_is_refused_while_the_disk_is_full_and_ending_it_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, alarms, calls = Gate(), Alarms(), list[int]()
    with scheduler(tmp_path, receivers=[alarms]) as made:
        made.register(dag(task(gate, id="a")), scheduled=False)
        made.register(dag(task(calls.append, 1, id="a"), id="e"), scheduled=False)
        run_id, end = made.trigger_run("d")
        assert gate.began.wait(20)
        with no_room(made):
            with pytest.raises(StoreError, match="decided, and is recorded and done then"):
                made.trigger("e")
            with pytest.raises(StoreError, match="was not done: ask again then"):
                made.trigger("e")
            with pytest.raises(StoreError, match="was not done"):
                made.register(dag(task(calls.append, 2, id="a"), id="f"), scheduled=False)
            made.cancel(run_id)
            assert made.info().busy == 1  # what waits to start
            assert [summary.dag_id for summary in made.dags()] == ["d", "e"]
        assert alarms.next().kind == "history_unwritable"
        assert alarms.next().kind == "history_written_again"
        assert end.result(20) is RunState.CANCELLED
        made.end_of(made.history.run_ids()[0]).result(20)
        assert calls == [1]
        gate.open()


def test_an_attempt_that_waits_for_the_disk_can_be_cancelled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    with scheduler(tmp_path) as made:
        made.register(dag(task(calls.append, 1, id="a")), scheduled=False)
        with no_room(made):
            with pytest.raises(StoreError, match="decided"):
                made.trigger("d")
            run_id = made._loop.look(lambda coordinator: next(iter(coordinator.runs)))
            end = made.end_of(run_id)
            made.cancel(run_id)
        assert end.result(20) is RunState.CANCELLED
        assert calls == []


def test_a_scheduler_that_is_stopped_while_its_disk_is_full_says_what_is_not_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, alarms = Gate(), Alarms()
    with scheduler(tmp_path, receivers=[alarms]) as made:
        made.register(dag(task(gate, id="a"), task(gate, id="b")), scheduled=False)
        run_id, end = made.trigger_run("d")
        assert gate.began.wait(20)
        with no_room(made):
            with pytest.raises(StoreError):
                made.trigger("d")
            report = made.stop(wait=timedelta(0))
            assert report == made.stop(wait=timedelta(0))
        assert run_id in report.unfinished
        assert "events of " in report.unrecorded
        assert run_id in report.unrecorded
        with pytest.raises(StoreError, match="was stopped before that"):
            end.result(20)
    gate.open()
    assert "ended without recording" in caplog.text
    with scheduler(tmp_path) as made:  # the next one finds it as after a kill
        run = made.history.run(run_id)
        assert run is not None


def test_a_task_that_prints_without_end_while_the_disk_is_full_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ppacer_nb.store.backlog.LIMIT", 50_000)
    began, full, printed = threading.Event(), threading.Event(), threading.Event()

    def prints() -> None:
        began.set()
        assert full.wait(20)
        for number in range(5_000):
            print(f"line {number}")  # more than there is room for, and nothing waits for it
        printed.set()

    alarms = Alarms()
    with scheduler(tmp_path, receivers=[alarms]) as made:
        made.register(dag(task(prints)), scheduled=False)
        run_id, end = made.trigger_run("d")
        assert began.wait(20)
        with no_room(made):
            with pytest.raises(StoreError):
                made.trigger("d")
            full.set()
            assert printed.wait(20)
            assert not end.done()
        assert end.result(20) is RunState.SUCCESS
        made.flush()
        lines = [record.line.message for record in made.history.logs(run_id, limit=10_000)]
    kept = [line for line in lines if line.startswith("line ")]
    (note,) = [line for line in lines if "not recorded" in line]
    assert 100 < len(kept) < 5_000
    assert note.startswith(f"{5_000 - len(kept):,} lines were not recorded")
