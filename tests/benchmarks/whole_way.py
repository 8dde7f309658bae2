"""A scheduler that runs DAGs in kernels and takes their time."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from ppacer_nb.executors.kernel import KernelExecutor
from ppacer_nb.model.dag import DagSpec, in_order
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.status import RunState
from tests.benchmarks.stages import TimedExecutor, Times


class Bench:
    """A scheduler with a durable store that runs DAGs and takes their time."""

    def __init__(self, folder: Path, preload: Sequence[str]) -> None:
        self._folder = folder
        self._executor: TimedExecutor | None = None
        options = SchedulerOptions(
            store=folder / "ppacer.duckdb",
            runs_folder=folder / "runs",
            max_workers=2,
            executors={"kernel": lambda loop: self._timed(loop, preload)},
        )
        self.scheduler = Scheduler(options)

    def _timed(self, loop: asyncio.AbstractEventLoop, preload: Sequence[str]) -> TimedExecutor:
        self._executor = TimedExecutor(KernelExecutor(loop, slots=2, preload=preload))
        return self._executor

    def register(self, dag_id: str, tasks: list[TaskSpec]) -> None:
        """Register a DAG, and run it until its kernels are there."""
        self.scheduler.register(DagSpec(dag_id, in_order(dag_id, tasks)), scheduled=False)
        self.time(dag_id)

    def time(self, dag_id: str, task_id: str = "", times: list[Times] | None = None) -> float:
        """Run a DAG and return its seconds; add the times of its one task to `times`."""
        began, triggered = time.perf_counter(), datetime.now(UTC)
        run_id, end = self.scheduler.trigger_run(dag_id)
        state = end.result()
        finished, seconds = datetime.now(UTC), time.perf_counter() - began
        if state is not RunState.SUCCESS:
            sys.exit(f"{run_id}: {state}")
        if times is not None:
            assert self._executor is not None
            (notebook,) = (self._folder / "runs" / run_id).glob(f"{task_id}.1.ipynb")
            times.append(self._executor.times(triggered, finished, notebook))
        _settle()
        return seconds


@contextmanager
def bench(preload: Sequence[str] = ()) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), preload)
        try:
            yield bench
        finally:
            bench.scheduler.stop(wait=timedelta(0))


def _settle() -> None:
    """Wait until our processes have nothing to do: the next kernel is there, the last one gone."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    before, quiet = 0.0, 0
    while quiet < 3:
        time.sleep(0.01)
        used = sum(_cpu_time(process) for process in family)
        quiet = quiet + 1 if used == before else 0
        before = used


def _cpu_time(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0
