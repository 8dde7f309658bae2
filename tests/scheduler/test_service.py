"""A real scheduler with a real store, in real time, with tasks in threads."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from ppacer_nb.errors import NotRunning, StoreError, StoreLocked
from ppacer_nb.executors.thread import ThreadExecutor
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.events import BackfillEvent, CatchupEvent, DagEvent, Event
from ppacer_nb.model.placeholders import UpstreamResult
from ppacer_nb.scheduler.clock import Signal, SystemClock
from ppacer_nb.scheduler.service import Scheduler
from ppacer_nb.status import RunState
from tests.scheduler.helpers import dag, scheduler, task

LONG = timedelta(seconds=20)


def run_now(made: Scheduler, *tasks: Any, **head: Any) -> tuple[str, RunState]:
    """Run these tasks once as a DAG; return the run's id and how it ended."""
    made.register(dag(*tasks, **head), scheduled=False)
    run_id, end = made.trigger_run("d")
    state = end.result(20)
    made.flush()
    return run_id, state


@contextmanager
def held_back(made: Scheduler) -> Iterator[Any]:
    """The store's writer waits, as behind a slow disk, until the function given here is called."""
    waiting, going = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        assert going.wait(20)

    made._store.log.events([], wait)
    assert waiting.wait(20)
    try:
        yield going.set
    finally:
        going.set()


def in_thread(call: Any, *args: Any) -> Future[Any]:
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(call(*args))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def test_results_logs_and_history_of_a_run_are_in_the_store(tmp_path: Path) -> None:
    def rows() -> list[int]:
        return [120, 80]

    def total(values: list[int], context: TaskContext) -> int:
        context.logger.info("adding up", extra={"rows": len(values)})
        return sum(values)

    with scheduler(tmp_path) as made:
        run_id, state = run_now(made, task(rows), task(total, UpstreamResult("rows"), after=("rows",)))
        assert state is RunState.SUCCESS
    with scheduler(tmp_path) as made:
        attempts = {a.task_id: a for a in made.history.attempts(run_id)}
        assert (attempts["total"].value_preview, attempts["total"].worker) == ("200", "thread")
        (line,) = made.history.logs(run_id)
        assert (line.task_id, line.line.message, line.line.attributes) == (
            "total",
            "adding up",
            {"rows": "2"},
        )


def test_a_task_that_prints_a_megabyte_has_it_in_its_log(tmp_path: Path) -> None:
    def chatty() -> None:
        for number in range(1024):
            sys.stdout.write(f"{number:04d}" + "x" * 1019 + "\n")

    with scheduler(tmp_path) as made:
        run_id, state = run_now(made, task(chatty))
        assert state is RunState.SUCCESS
        ((size, lines),) = made.history.sql("SELECT sum(length(message)), count(*) FROM task_logs").rows
        assert (size, lines) == (1024 * 1023, 1024)
        last = made.history.logs(run_id, limit=1)[0]
        assert last.line.message.startswith("1023")


def test_the_cells_of_the_user_run_while_tasks_do(tmp_path: Path) -> None:
    began, go = threading.Event(), threading.Event()

    def waits() -> None:
        began.set()
        assert go.wait(20)

    with scheduler(tmp_path) as made:
        made.register(dag(task(waits)), scheduled=False)
        _, end = made.trigger_run("d")
        assert began.wait(20)
        assert sum(range(1000)) == 499_500  # a cell
        assert made.info().busy == 1
        go.set()
        assert end.result(20) is RunState.SUCCESS


def test_an_idle_scheduler_does_not_turn(tmp_path: Path) -> None:
    turns: list[float] = []
    quiet = threading.Event()

    class Counting(SystemClock):
        async def wait(self, until: datetime | None, news: Signal) -> None:
            turns.append(time.monotonic())
            quiet.set()
            await super().wait(until, news)

    with scheduler(tmp_path, clock=Counting()) as made:
        run_now(made, task(lambda: None, id="a"))
        made.info()
        quiet.clear()
        turns.clear()
        assert not quiet.wait(1)
        assert turns == []


def test_stopping_waits_for_what_runs_and_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = threading.Event(), threading.Event()

    def waits() -> str:
        began.set()
        assert go.wait(20)
        return "done"

    with scheduler(tmp_path) as made:
        made.register(dag(task(waits), task(lambda: None, id="after", after=("waits",))), scheduled=False)
        run_id, end = made.trigger_run("d")
        assert began.wait(20)
        drained = threading.Event()
        drain = made._loop._coordinator.drain

        def noted() -> None:
            drain()
            drained.set()

        monkeypatch.setattr(made._loop._coordinator, "drain", noted)
        stopping = in_thread(lambda: made.stop(wait=LONG))
        assert drained.wait(20)
        go.set()
        report = stopping.result(20)
        assert (report.finished, report.unfinished) == (1, [run_id])
        with pytest.raises(NotRunning, match="it goes on when it is started again"):
            end.result(20)
    with scheduler(tmp_path) as made:
        run = made.history.run(run_id)
        assert run is not None
        assert (run.state, run.reason) == (RunState.QUEUED, "its scheduler was stopped")
        made.register(dag(task(waits), task(lambda: None, id="after", after=("waits",))), scheduled=False)
        assert made.end_of(run_id).result(20) is RunState.SUCCESS
        made.flush()
        attempts = [(a.task_id, a.attempt, a.state.value) for a in made.history.attempts(run_id)]
        assert attempts == [("waits", 1, "success"), ("after", 1, "success")]


def test_stopping_interrupts_what_has_not_ended_in_time(tmp_path: Path) -> None:
    began, go = threading.Event(), threading.Event()

    def waits() -> None:
        began.set()
        assert go.wait(20)

    with scheduler(tmp_path) as made:
        made.register(dag(task(waits)), scheduled=False)
        run_id = made.trigger("d")
        assert began.wait(20)
        report = made.stop(wait=timedelta(0))
        assert (report.finished, report.unfinished) == (0, [run_id])
        assert made.stop(wait=LONG) == report
    go.set()
    with scheduler(tmp_path) as made:
        assert [a.state.value for a in made.history.attempts(run_id)] == ["interrupted"]
        made.register(dag(task(waits)), scheduled=False)
        assert made.end_of(run_id).result(20) is RunState.SUCCESS


def test_a_stopped_scheduler_leaves_no_thread_behind(tmp_path: Path) -> None:
    with scheduler(tmp_path) as made:
        run_now(made, task(lambda: None, id="a"))
    for thread in threading.enumerate():
        if thread.name.startswith("ppacer"):
            thread.join(20)
            assert not thread.is_alive()


def decisions_of(made: Scheduler, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return a function that waits until the scheduler has decided something of a run, and returns its id."""
    decided: Queue[str | None] = Queue()
    hand_over = made._store.log.events

    def noted(events: Sequence[Event], done: Callable[[], None] | None = None) -> None:
        hand_over(events, done)
        if events and not isinstance(events[0], DagEvent | CatchupEvent | BackfillEvent):
            decided.put(events[0].run_id)

    monkeypatch.setattr(made._store.log, "events", noted)

    def wait() -> str:
        run_id = decided.get(timeout=20)
        assert run_id is not None
        return run_id

    return wait


def test_a_run_cancelled_while_its_start_is_on_its_way_to_the_disk_never_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []
    with scheduler(tmp_path) as made:
        made.register(dag(task(called.append, 1, id="a")), scheduled=False)
        decided = decisions_of(made, monkeypatch)
        with held_back(made) as go:
            triggered = in_thread(made.trigger, "d")
            run_id = decided()
            cancelled = in_thread(made.cancel, run_id)
            assert decided() == run_id
            go()
            triggered.result(20)
            cancelled.result(20)
        made.info()
        made.flush()
        run = made.history.run(run_id)
        assert run is not None
        assert (run.state, called) == (RunState.CANCELLED, [])


def test_stopping_while_a_start_is_on_its_way_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []
    with scheduler(tmp_path) as made:
        made.register(dag(task(called.append, 1, id="a")), scheduled=False)
        decided = decisions_of(made, monkeypatch)
        with held_back(made) as go:
            triggered = in_thread(made.trigger, "d")
            run_id = decided()
            stopping = in_thread(lambda: made.stop(wait=timedelta(0)))
            assert decided() == run_id
            go()
            assert triggered.result(20) == run_id
            assert stopping.result(20).unfinished == [run_id]
    with scheduler(tmp_path) as made:
        assert [a.state.value for a in made.history.attempts(run_id)] == ["interrupted"]
        assert called == []


def test_asking_while_the_scheduler_ends_never_hangs(tmp_path: Path) -> None:
    with scheduler(tmp_path) as made:
        asked: list[str] = []

        def ask_on() -> None:
            try:
                while True:
                    made.info()
                    asked.append("answered")
            except NotRunning:
                asked.append("refused")

        threads = [threading.Thread(target=ask_on) for _ in range(8)]
        for thread in threads:
            thread.start()
        while len(asked) < 50:
            made.info()
        made.stop(wait=timedelta(0))
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert asked.count("refused") == 8


def test_two_schedulers_cannot_have_one_store_and_the_second_leaves_nothing_behind(tmp_path: Path) -> None:
    with scheduler(tmp_path) as made:
        before = threading.active_count()
        with pytest.raises(StoreLocked), scheduler(tmp_path):
            pass
        assert threading.active_count() == before
        assert run_now(made, task(lambda: None, id="a"))[1] is RunState.SUCCESS


def test_a_scheduler_that_could_not_be_made_lets_go_of_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise StoreError("an event that makes no sense")

    before = threading.active_count()
    with monkeypatch.context() as patched:
        patched.setattr("ppacer_nb.store.queries.History.unfinished", broken)
        with pytest.raises(StoreError, match="makes no sense"), scheduler(tmp_path):
            pass
    assert threading.active_count() == before
    with scheduler(tmp_path):
        pass


def test_schedulers_with_stores_of_their_own_run_side_by_side(tmp_path: Path) -> None:
    lines: list[tuple[str, ...]] = []
    with scheduler(tmp_path / "one") as one, scheduler(tmp_path / "two") as two:
        for made in (one, two):
            run_id, _ = run_now(made, task(lambda: sys.stdout.write("once\n") and None, id="a"))
            lines.append(tuple(record.line.message for record in made.history.logs(run_id)))
    assert lines == [("once",), ("once",)]


DIES = """
import os, sys, signal
from pathlib import Path
from tests.scheduler.helpers import dag, scheduler, task

def waits():
    sys.__stdout__.write("begun\\n")
    sys.__stdout__.flush()
    sys.stdin.read()

def fails():
    raise ValueError("no")

with scheduler(Path(sys.argv[1])) as made:
    from datetime import timedelta
    tasks = [
        task(lambda: 1, id="done"),
        task(waits, after=("done",)),
        task(fails, retries=1, retry_delay=timedelta(hours=1)),
        task(lambda: None, id="later", after=("waits",)),
    ]
    made.register(dag(*tasks, max_active_runs=1), scheduled=False)
    made.trigger("d")
    made.trigger("d")
    sys.stdin.read()
"""


def test_runs_of_a_scheduler_that_was_killed_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(DIES), str(tmp_path)]
    tasks = [
        task(lambda: 1, id="done"),
        task(lambda: 2, id="waits", after=("done",)),
        task(lambda: 3, id="fails"),
        task(lambda: 4, id="later", after=("waits",)),
    ]
    goes_well = dag(*tasks, max_active_runs=1)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(StoreLocked, match=f"process {process.pid}"), scheduler(tmp_path):
            pass
        process.kill()
        process.wait(20)
    with scheduler(tmp_path) as made:
        made.flush()
        second, first = made.history.runs()
        assert (first.state, first.reason) == (RunState.QUEUED, "its scheduler died")
        assert (second.state, second.reason) == (RunState.QUEUED, "")
        (summary,) = made.dags()
        assert (summary.defined, summary.queued_runs) == (False, 2)
        attempts = {(a.task_id, a.attempt): a for a in made.history.attempts(first.run_id)}
        assert attempts["done", 1].state == "success"
        assert (attempts["waits", 1].state, attempts["waits", 1].reason) == (
            "interrupted",
            "its scheduler died",
        )
        assert attempts["waits", 1].ended_at is not None
        assert ("later", 1) not in attempts
        assert made.history.unfinished() == [first.run_id, second.run_id]
        made.register(goes_well, scheduled=False)
        made.mark(first.run_id, "fails", "success")  # its retry is due in an hour
        for run in (first, second):
            assert made.end_of(run.run_id).result(20) is RunState.SUCCESS
        made.flush()
        numbers = {a.task_id: a.attempt for a in made.history.attempts(first.run_id)}
        assert numbers == {"done": 1, "waits": 2, "fails": 0, "later": 1}


def test_it_serves_a_point_when_it_comes(tmp_path: Path) -> None:
    class Soon:
        start: datetime | None = None
        point: datetime | None = None

        def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
            if self.point is None:
                self.point = current + timedelta(milliseconds=100)
            return self.point if current < self.point else None

    ran = threading.Event()
    started: list[datetime] = []

    def body() -> None:
        started.append(datetime.now(UTC))
        ran.set()

    schedule = Soon()
    with scheduler(tmp_path) as made:
        made.register(dag(task(body), schedule=schedule))
        assert ran.wait(20)
        made.flush()
        assert schedule.point is not None
        assert timedelta(0) <= started[0] - schedule.point < timedelta(seconds=5)
        assert made.history.runs()[0].logical_date == schedule.point


def test_the_kernel_executor_is_made_by_need_only(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from tests.scheduler.helpers import dag, scheduler, task
        with scheduler(Path({str(tmp_path)!r})) as made:
            made.register(dag(task(int, id="a")), scheduled=False)
            assert made.trigger_run("d")[1].result(20) == "success"
        heavy = {{"jupyter_client", "nbclient", "papermill", "ipywidgets"}}
        print(sorted(heavy & set(sys.modules)))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_a_thread_executor_of_ones_own_takes_the_place_of_the_built_in(tmp_path: Path) -> None:
    made_by: list[asyncio.AbstractEventLoop] = []

    def factory(loop: asyncio.AbstractEventLoop) -> ThreadExecutor:
        made_by.append(loop)
        return ThreadExecutor()

    with scheduler(tmp_path, executors={"thread": factory}) as made:
        assert made_by == []
        assert run_now(made, task(os.getpid, id="a"))[1] is RunState.SUCCESS
        assert len(made_by) == 1
