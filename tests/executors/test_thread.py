from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import Any

import pytest

from ppacer_nb import values
from ppacer_nb.errors import Skip
from ppacer_nb.executors.thread import ThreadExecutor
from ppacer_nb.model.attempt import (
    BodyStarted,
    Cancelled,
    Ended,
    Failed,
    Job,
    LogLine,
    Message,
    Report,
    Skipped,
    Succeeded,
)
from ppacer_nb.model.context import TaskContext, context_parameter
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.placeholders import Run, Secret, UpstreamResult
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.task import FunctionWork, NotebookWork, TaskOptions, TaskSpec
from ppacer_nb.status import RunType

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)


class Ear:
    """Hears reports, from any thread."""

    def __init__(self) -> None:
        self.reports: Queue[Report] = Queue()

    def __call__(self, key: AttemptKey, report: Report) -> None:
        self.reports.put(report)

    def until_end(self) -> list[Report]:
        heard = [self.reports.get(timeout=20)]
        while not isinstance(heard[-1], Ended):
            heard.append(self.reports.get(timeout=20))
        return heard


@contextlib.contextmanager
def thread_executor() -> Iterator[ThreadExecutor]:
    # No fixture: pytest puts in its own streams anew before it calls the test.
    executor = ThreadExecutor()
    try:
        yield executor
    finally:
        asyncio.run(executor.close())


def job(
    function: Callable[..., Any],
    *args: Any,
    folder: Path = Path("unused"),
    task_id: str = "task",
    **kwargs: Any,
) -> Job:
    work = FunctionWork(function, b"", "f", "", args, kwargs, context_parameter=context_parameter(function))
    run = RunInfo("d", "d/1", RunType.MANUAL, T0, task_id, 1, {"city": "Gdansk"})
    inputs = {"rows": values.dump([1, 2, 3], Path("unused"))}
    return Job(run, TaskSpec(task_id, work), inputs, folder, Path.cwd())


def run(job: Job) -> tuple[list[Report], Any]:
    """Run a job to its end; return what was said before and the outcome."""
    with thread_executor() as executor:
        return run_on(executor, job)


def run_on(executor: ThreadExecutor, job: Job) -> tuple[list[Report], Any]:
    ear = Ear()
    executor.submit(job, ear)
    *said, ended = ear.until_end()
    assert isinstance(ended, Ended)
    return said, ended.outcome


def test_a_function_is_called_with_everything_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "value")

    def f(rows: list[int], *, day: datetime, city: str, key: str, context: TaskContext) -> Any:
        return sum(rows), day, city, key, context.run.task_id

    placeholders = Run()
    said, outcome = run(
        job(
            f,
            UpstreamResult("rows"),
            day=placeholders.logical_date,
            city=f"<{placeholders.params['city']}>",
            key=Secret("KEY"),
        ),
    )
    assert isinstance(outcome, Succeeded)
    assert values.load(outcome.value) == (6, T0, "<Gdansk>", "value", "task")
    assert [type(report) for report in said] == [BodyStarted]


def test_it_runs_with_the_live_objects_of_this_process() -> None:
    seen: list[str] = []
    run(job(lambda: seen.append(threading.current_thread().name)))
    assert seen[0].startswith("ppacer-task")


def test_what_it_prints_and_logs_and_sends_is_heard_in_order() -> None:
    def f(context: TaskContext) -> None:
        print("out")
        print("err", file=sys.stderr)
        context.logger.info("logged", extra={"day": 5})
        context.notify("half way")
        logging.getLogger("library").warning("careful")

    said, _ = run(job(f))
    heard = [(s.level, s.message) if isinstance(s, LogLine) else s for s in said[1:]]
    assert heard == [
        ("STDOUT", "out"),
        ("STDERR", "err"),
        ("INFO", "logged"),
        Message("half way"),
        ("WARNING", "careful"),
    ]
    assert [s.attributes for s in said if isinstance(s, LogLine)][2] == {"day": "5"}


def test_a_megabyte_of_output_is_heard_whole() -> None:
    said, outcome = run(job(lambda: print("x" * 2**20)))
    assert isinstance(outcome, Succeeded)
    (line,) = [s for s in said if isinstance(s, LogLine)]
    assert len(line.message) == 2**20


def _raises() -> None:
    raise ValueError("no rows")


def _exits() -> None:
    sys.exit(3)


def _interrupts() -> None:
    raise KeyboardInterrupt


def _unpicklable() -> Any:
    return threading.Lock()


class Silent(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


def _silent() -> None:
    raise Silent


def _wrong_arguments(a: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "kind", "sentence"),
    [
        (_raises, "TaskFailed", "ValueError: no rows"),
        (_exits, "TaskFailed", "called sys.exit(3): return instead"),
        (_interrupts, "TaskFailed", "KeyboardInterrupt"),
        (_silent, "TaskFailed", "Silent: <exception str() failed>"),
        (_wrong_arguments, "TaskFailed", "missing 1 required positional argument"),
        (_unpicklable, "ValueNotPicklable", "a result of type 'lock' cannot be handed on"),
    ],
)
def test_every_bad_ending_is_a_sentence(function: Callable[..., Any], kind: str, sentence: str) -> None:
    _, outcome = run(job(function))
    assert isinstance(outcome, Failed)
    assert outcome.error.kind == kind
    assert sentence in outcome.error.message


def test_the_traceback_begins_in_the_users_code() -> None:
    _, outcome = run(job(_raises))
    first, *_, last = outcome.error.traceback.strip().splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "ValueError: no rows")
    assert "in _raises" in outcome.error.traceback
    assert os.path.join("ppacer_nb", "executors") not in outcome.error.traceback


def test_a_secret_that_is_not_set_is_the_tasks_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY", raising=False)
    _, outcome = run(job(lambda key: None, Secret("KEY")))
    assert "the secret 'KEY' is not set" in outcome.error.message


def test_a_large_result_lies_in_the_runs_folder(tmp_path: Path) -> None:
    _, outcome = run(job(lambda: "x" * 100_000, folder=tmp_path))
    assert outcome.value.path == tmp_path / "d" / "1" / "task.1.value.pkl"
    assert values.load(outcome.value) == "x" * 100_000


def test_async_functions_are_run_to_their_end() -> None:
    async def f() -> int:
        await asyncio.sleep(0)
        print("in the loop")
        return 7

    said, outcome = run(job(f))
    assert values.load(outcome.value) == 7
    assert isinstance(said[-1], LogLine)


def test_a_notebook_is_refused_with_a_sentence() -> None:
    run_info = RunInfo("d", "d/1", RunType.MANUAL, T0, "report", 1)
    task = TaskSpec("report", NotebookWork(Path("/x/report.ipynb"), ""))
    said, outcome = run(Job(run_info, task, {}, Path("unused"), Path.cwd()))
    assert said == []
    assert "'report' is a notebook, and notebooks run in kernels" in outcome.error.message


@pytest.mark.parametrize(("timed_out", "kind"), [(True, Failed), (False, Cancelled)])
def test_stopping_ends_the_attempt_at_once_and_what_comes_later_is_dropped(
    timed_out: bool, kind: type
) -> None:
    began, go, gone = threading.Event(), threading.Event(), threading.Event()

    def f() -> str:
        began.set()
        assert go.wait(20)
        print("too late")
        gone.set()
        return "too late"

    ear, stubborn = Ear(), job(f)
    with thread_executor() as executor:
        executor.submit(stubborn, ear)
        assert began.wait(20)
        executor.stop(stubborn.key, timed_out=timed_out, reason="took too long")
        executor.stop(stubborn.key, timed_out=timed_out, reason="again")
        *_, ended = ear.until_end()
        assert isinstance(ended, Ended)
        assert isinstance(ended.outcome, kind)
        outcome = ended.outcome
        text = outcome.error.message if isinstance(outcome, Failed) else getattr(outcome, "reason", "")
        assert text == "took too long; its thread cannot be stopped and goes on in the background"
        go.set()
        assert gone.wait(20)
        run_on(executor, job(lambda: None))
        assert ear.reports.empty()


class HeldQueue:
    """A queue that gives nothing out until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self._items = SimpleQueue[Any]()

    def put(self, item: Any) -> None:
        self._items.put(item)

    def get(self) -> Any:
        self.open.wait()
        return self._items.get()


def test_what_is_stopped_before_a_thread_took_it_never_starts() -> None:
    called: list[int] = []
    with thread_executor() as executor:
        held = HeldQueue()
        executor._jobs = held  # type: ignore[assignment]
        stopped, ear = job(lambda: called.append(1)), Ear()
        executor.submit(stopped, ear)
        executor.stop(stopped.key, timed_out=False, reason="enough")
        held.open.set()
        (ended,) = ear.until_end()
        assert isinstance(ended, Ended)
        run_on(executor, job(lambda: None))
        assert called == []
        assert ear.reports.empty()


def test_an_unknown_attempt_can_be_stopped() -> None:
    with thread_executor() as executor:
        executor.stop(AttemptKey("d/1", "nobody", 1), timed_out=False, reason="")


def test_attempts_run_side_by_side_and_idle_threads_are_used_again() -> None:
    barrier = threading.Barrier(4)
    names: list[str] = []

    def meet() -> None:
        names.append(threading.current_thread().name)
        barrier.wait(20)

    with thread_executor() as executor:
        for _ in range(3):
            ears = [Ear() for _ in range(4)]
            for number, ear in enumerate(ears):
                executor.submit(job(meet, task_id=f"task{number}"), ear)
            for ear in ears:
                ear.until_end()
    assert len(names) == 12
    assert len(set(names)) < 12


def test_closing_cancels_what_runs_and_gives_back_the_streams() -> None:
    before = sys.stdout
    executor = ThreadExecutor()
    assert sys.stdout is not before
    began, go = threading.Event(), threading.Event()
    ear = Ear()

    def f() -> None:
        began.set()
        assert go.wait(20)

    executor.submit(job(f), ear)
    assert began.wait(20)
    asyncio.run(executor.close())
    *_, ended = ear.until_end()
    assert isinstance(ended, Ended)
    assert ended.outcome == Cancelled("the scheduler was stopped")
    assert sys.stdout is before
    go.set()


def test_a_function_that_skips_says_why_in_its_end_and_its_log() -> None:
    def load() -> None:
        print("looking")
        raise Skip("no new rows")

    said, outcome = run(job(load))
    assert outcome == Skipped("no new rows")
    lines = [(line.level, line.message) for line in said if isinstance(line, LogLine)]
    assert lines == [("STDOUT", "looking"), ("INFO", "skipped: no new rows")]


def test_a_skip_without_a_reason_says_that_it_has_none() -> None:
    def load() -> None:
        raise Skip

    assert run(job(load))[1] == Skipped("no reason given")


@pytest.mark.parametrize(("result", "is_falsy"), [([], True), ([0], False)])
def test_a_short_circuit_says_whether_its_result_is_falsy(result: list[int], is_falsy: bool) -> None:
    plain = job(lambda: result)
    short = replace(plain, task=replace(plain.task, options=TaskOptions(short_circuit=True)))
    assert [run(each)[1].value.is_falsy for each in (plain, short)] == [False, is_falsy]
