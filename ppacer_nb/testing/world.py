"""A real scheduler in simulated time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb.authoring.dag import DAG
from ppacer_nb.errors import SchedulerError, StoreError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.durations import Duration, parse_duration
from ppacer_nb.notify import Receiver
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.status import RunState
from ppacer_nb.testing.clock import SimulatedClock
from ppacer_nb.testing.script import ScriptedExecutor


@dataclass
class World:
    """A real scheduler with a real store in simulated time, and a script instead of executors."""

    scheduler: Scheduler
    clock: SimulatedClock
    executor: ScriptedExecutor

    @property
    def script(self) -> MutableMapping[str, Any]:
        """What tasks do; see `ScriptedExecutor`."""
        return self.executor.script

    @property
    def started(self) -> list[tuple[str, int]]:
        """The task id and number of every attempt that was started, in order."""
        return [(job.task.id, job.run.attempt) for job in self.executor.started]

    def advance(self, by: Duration) -> None:
        """Let that much time pass; see `SimulatedClock.advance`."""
        self.clock.advance(by)

    def register(self, dag: DAG | DagSpec) -> None:
        """Schedule `dag` from now on."""
        self.scheduler.register(spec_of(dag))

    def run(self, dag: DAG | DagSpec, params: Mapping[str, Any] | None = None) -> RunState:
        """Run `dag` once, from due time to due time, and return how the run ended."""
        spec = spec_of(dag)
        self.scheduler.register(spec, scheduled=False)
        _, end = self.scheduler.trigger_run(spec.id, params=params, by="test")
        self.clock.advance(0)
        while not end.done() and self.clock.jump():
            pass
        return end.result(timeout=0)

    def restart(self, *, down_for: Duration) -> None:
        """Stop the scheduler, let that much time pass without one, and start another on the same store.

        What ran is interrupted, and tried again when its DAG is registered again, as in a new kernel; the
        script stays.

        Raises
        ------
        SchedulerError
            If the history is in memory only: a new scheduler would know nothing.
        """
        options = self.scheduler.options
        if options.store is None:
            raise SchedulerError("this world keeps its history in memory: give simulated(..., store=PATH).")
        self.scheduler.stop(wait=timedelta(0))
        self.clock = SimulatedClock(self.clock.now() + parse_duration(down_for))
        self.executor.clock = self.clock
        self.scheduler = _scheduler(options, self.clock)


@contextmanager
def simulated(
    start: datetime,
    *,
    store: Path | None = None,
    runs_folder: Path = Path("unused"),
    max_workers: int = 4,
    pools: Mapping[str, int] | None = None,
    receivers: Sequence[Receiver] = (),
) -> Iterator[World]:
    """Make a `World` at the time `start`, and stop it at the end.

    Parameters
    ----------
    store
        The DuckDB file of the history; None keeps it in memory.
    runs_folder
        Where results over 64 KiB are written; without such results it is not made.
    max_workers, pools, receivers
        As in `SchedulerOptions`.
    """
    clock = SimulatedClock(start)
    executor = ScriptedExecutor(clock)
    options = SchedulerOptions(
        store=store,
        runs_folder=runs_folder,
        max_workers=max_workers,
        pools=pools or {},
        receivers=receivers,
        executors={name: lambda _: executor for name in ("kernel", "thread")},
    )
    world = World(_scheduler(options, clock), clock, executor)
    try:
        yield world
    finally:
        world.scheduler.stop(wait=timedelta(0))


def spec_of(dag: DAG | DagSpec) -> DagSpec:
    """Return a DAG's finished definition, however it was given."""
    return dag.spec if isinstance(dag, DAG) else dag


def _scheduler(options: SchedulerOptions, clock: SimulatedClock) -> Scheduler:
    scheduler = Scheduler(options, clock)

    def settle() -> None:
        with suppress(StoreError):  # while the history cannot be written, nothing is to be waited for
            scheduler.flush()

    clock.settle = settle
    return scheduler
