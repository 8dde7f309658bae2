"""Runs attempts in real kernels: one executor, one event loop, a folder for the files."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import select
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import psutil

from ppacer_nb import values
from ppacer_nb.executors.kernel import KernelExecutor
from ppacer_nb.model.attempt import (
    BodyStarted,
    CellProgress,
    Ended,
    ErrorInfo,
    Failed,
    Held,
    Job,
    LogLine,
    Outcome,
    Released,
    Succeeded,
)
from ppacer_nb.model.attempt import Report as AttemptReport
from ppacer_nb.model.context import context_parameter
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.task import ExportFormat, FunctionWork, NotebookWork, TaskOptions, TaskSpec
from ppacer_nb.model.values import Value
from ppacer_nb.status import RunType

#: Nothing in these tests takes this long, unless it hangs.
LIMIT = 40.0
DAY = datetime(2026, 11, 23, 6, 15, tzinfo=UTC)


@dataclass
class Trial:
    """One attempt: what was heard of it so far."""

    job: Job
    ended: asyncio.Future[Ended]
    released: asyncio.Future[None]
    reports: list[AttemptReport] = field(default_factory=list)
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def outcome(self) -> Outcome:
        return self.ended.result().outcome

    @property
    def value(self) -> Any:
        assert isinstance(self.outcome, Succeeded), self.outcome
        return values.load(self.outcome.value)

    @property
    def stored(self) -> Value:
        assert isinstance(self.outcome, Succeeded), self.outcome
        return self.outcome.value

    @property
    def error(self) -> ErrorInfo:
        assert isinstance(self.outcome, Failed), self.outcome
        return self.outcome.error

    @property
    def held(self) -> Held:
        assert isinstance(self.outcome, Failed), self.outcome
        assert self.outcome.held is not None
        return self.outcome.held

    @property
    def worker(self) -> str:
        """Who ran it, in words."""
        (started,) = (report for report in self.reports if isinstance(report, BodyStarted))
        return started.worker

    @property
    def log(self) -> list[tuple[str, str]]:
        """Level and message of each line."""
        return [(line.level, line.message) for line in self.lines]

    @property
    def lines(self) -> list[LogLine]:
        return [report for report in self.reports if isinstance(report, LogLine)]

    @property
    def progress(self) -> list[tuple[int, int]]:
        return [(r.cell, r.cells) for r in self.reports if isinstance(r, CellProgress)]

    @property
    def path(self) -> Path:
        return self.job.file(".ipynb")

    @property
    def document(self) -> Any:
        """The executed notebook."""
        return nbformat.read(self.path, as_version=4)

    @property
    def output(self) -> str:
        """All text that the executed notebook shows as output of its cells."""
        outputs = [o for cell in self.document.cells for o in cell.get("outputs", [])]
        return "".join(o.text for o in outputs if o.output_type == "stream")


class Lab:
    """An executor to try things with; everything is driven from the test's own thread."""

    def __init__(self, folder: Path, slots: int = 2) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.executor = KernelExecutor(self.loop, slots=slots)
        self.unfinished: list[Trial] = []
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self.wait(self.executor.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def wait(self, awaitable: Any) -> Any:
        """Run the loop until that is done; fail if it takes too long."""

        async def limited() -> Any:
            return await asyncio.wait_for(awaitable, LIMIT)

        return self.loop.run_until_complete(limited())

    def clear(self) -> None:
        """Stop what a failed test has left, so that the next one has all slots."""
        for trial in self.unfinished:
            if not trial.ended.done():
                self.stop(trial)
                self.finish(trial)
        self.unfinished.clear()

    def start(
        self,
        function: Callable[..., Any],
        *args: Any,
        options: TaskOptions = TaskOptions(),  # noqa: B008
        **kwargs: Any,
    ) -> Trial:
        """Submit a call of `function`."""
        return self.submit(work_of(function, args, kwargs), options=options)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Trial:
        """Call `function` in a kernel, to its end."""
        return self.finish(self.start(function, *args, **kwargs))

    def start_notebook(
        self,
        path: Path,
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Value] | None = None,
        export: tuple[ExportFormat, ...] = (),
        kernel_name: str | None = None,
        hold: timedelta | None = None,
    ) -> Trial:
        """Submit a notebook."""
        work = NotebookWork(path, "", dict(parameters or {}), export, kernel_name)
        return self.submit(work, inputs or {}, hold=hold)

    def notebook(self, path: Path, parameters: Mapping[str, Any] | None = None, **options: Any) -> Trial:
        """Execute a notebook to its end."""
        return self.finish(self.start_notebook(path, parameters, **options))

    def submit(
        self,
        work: FunctionWork | NotebookWork,
        inputs: Mapping[str, Value] | None = None,
        options: TaskOptions = TaskOptions(),  # noqa: B008
        hold: timedelta | None = None,
    ) -> Trial:
        task_id = f"task_{next(self._numbers)}"
        info = RunInfo("lab", "lab/manual-1", RunType.MANUAL, DAY, task_id, 1, {"city": "Łódź"})
        task = TaskSpec(task_id, work, options)
        return self._submit(Job(info, task, inputs or {}, self.folder / "runs", self.folder, hold))

    def resume(self, failed: Trial, parameters: Mapping[str, Any] | None = None) -> Trial:
        """Submit another attempt that goes on in the held kernel of `failed`."""
        job, work = failed.job, failed.job.task.work
        assert isinstance(work, NotebookWork)
        if parameters is not None:
            work = replace(work, parameters=parameters)
        run = replace(job.run, attempt=job.run.attempt + 1)
        return self._submit(replace(job, run=run, task=replace(job.task, work=work), resumes=job.key))

    def _submit(self, job: Job) -> Trial:
        trial = Trial(job, self.loop.create_future(), self.loop.create_future())
        self.unfinished.append(trial)

        def listen(key: AttemptKey, report: AttemptReport) -> None:
            assert key == trial.job.key
            if isinstance(report, Released):
                trial.released.set_result(None)
                return
            assert not trial.ended.done(), f"{report} came after the end"
            if isinstance(report, Ended):
                trial.ended.set_result(report)
            else:
                trial.reports.append(report)
            self.loop.create_task(_wake(trial.heard))

        self.executor.submit(trial.job, listen)
        return trial

    def finish(self, trial: Trial) -> Trial:
        self.wait(asyncio.shield(trial.ended))
        return trial

    def until(self, trial: Trial, condition: Callable[[Trial], object]) -> None:
        """Wait until the reports of `trial` meet a condition."""

        async def met() -> None:
            async with trial.heard:
                await trial.heard.wait_for(lambda: condition(trial) or trial.ended.done())
            assert condition(trial), trial.ended.result()

        self.wait(met())

    def until_said(self, trial: Trial, message: str) -> None:
        """Wait for a line of the log."""
        self.until(trial, lambda t: message in [line.message for line in t.lines])

    def stop(self, trial: Trial, *, timed_out: bool = False, reason: str = "somebody stopped it") -> None:
        self.executor.stop(trial.job.key, timed_out=timed_out, reason=reason)


def runners(parent: int | None = None) -> list[psutil.Process]:
    """Return the runners of a process, the latest last: of this one, unless given."""
    children = psutil.Process(parent).children()
    found = [p for p in children if any("runner_main" in part for part in p.cmdline())]
    return sorted(found, key=lambda runner: runner.create_time())


def fork_server(parent: int | None = None) -> psutil.Process:
    """Return the fork server that a process has started last: this one, unless given."""
    children = psutil.Process(parent).children()
    servers = [p for p in children if any("kernels.forking" in part for part in p.cmdline())]
    return max(servers, key=lambda server: server.create_time())


def work_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> FunctionWork:
    return FunctionWork(
        function=function,
        payload=values.pickle_value(function),
        name=function.__qualname__.rpartition(".")[2],
        source=textwrap.dedent(inspect.getsource(function)),
        args=args,
        kwargs=kwargs,
        context_parameter=context_parameter(function),
    )


def write_notebook(path: Path, *cells: str, kernel: str = "python3") -> Path:
    """Write a notebook; a cell that begins with ``# parameters`` is tagged so, one with ``%md`` is text."""
    document = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    )
    for source in map(textwrap.dedent, cells):
        if source.startswith("%md"):
            document.cells.append(nbformat.v4.new_markdown_cell(source.removeprefix("%md").strip()))
            continue
        cell = nbformat.v4.new_code_cell(source.strip("\n"))
        if source.lstrip().startswith("# parameters"):
            cell.metadata["tags"] = ["parameters"]
        document.cells.append(cell)
    nbformat.write(document, path)
    return path


def assert_gone(*processes: psutil.Process) -> None:
    """Fail if one of these processes runs on; a zombie that nobody reaps has ended."""
    deadline = time.monotonic() + 5
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        os.close(descriptor)
        assert ended, f"{process} goes on"


async def _wake(condition: asyncio.Condition) -> None:
    async with condition:
        condition.notify_all()
