"""Tools for tests: simulated time, tasks that do as they are told, and what every store must pass.

::

    with simulated(datetime(2027, 3, 1, tzinfo=UTC)) as world:
        world.script["load"] = [Does(OSError("disk"), after="5m"), 42]
        world.scheduler.register(dag)
        world.advance("1d")
        assert [run.state for run in world.scheduler.history.runs()] == ["success"]

No time passes by itself in such a world, nothing in it sleeps, and it does the same every time.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb import values
from ppacer_nb.calling import skipped
from ppacer_nb.engine.timers import Timers
from ppacer_nb.errors import Skip
from ppacer_nb.executors.protocol import Listener
from ppacer_nb.model.attempt import (
    BodyStarted,
    Cancelled,
    Ended,
    ErrorInfo,
    Failed,
    Job,
    LogLine,
    Outcome,
    Succeeded,
)
from ppacer_nb.model.catchup import Catchup
from ppacer_nb.model.dag import DagSpec, in_order
from ppacer_nb.model.durations import Duration, parse_duration
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.task import FunctionWork, TaskOptions, TaskSpec
from ppacer_nb.notify import Receiver
from ppacer_nb.scheduler.clock import Signal
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.status import RunState
from ppacer_nb.store.contract import StoreContract

__all__ = [
    "Does",
    "ScriptedExecutor",
    "SimulatedClock",
    "StoreContract",
    "World",
    "dag_spec",
    "simulated",
]

#: In real time. A scheduler that takes longer to come to rest is taken to hang.
PATIENCE = timedelta(seconds=30)

_NEVER = datetime.max.replace(tzinfo=UTC)


class SimulatedClock:
    """A `Clock` for one scheduler whose time moves only when it is told.

    It stops at every due time on the way, and goes on from there only when everything that follows from it
    has been done: events are on disk, what they let start has started, and what ends at once has ended.

    Parameters
    ----------
    start
        The time at first; aware.
    settle
        Called in the scheduler's thread before time moves: must return when nothing that was begun outside of
        that thread is under way any more. `simulated` gives the store's ``flush``.
    """

    def __init__(self, start: datetime, settle: Callable[[], None] = lambda: None) -> None:
        self.settle = settle
        self._now = start.astimezone(UTC)
        self._goal = self._now
        self._own: Timers[Callable[[], None]] = Timers()
        self._next: datetime | None = None
        self._at_rest = threading.Event()
        self._wake: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        """Return the simulated time, in UTC."""
        return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> None:
        """Call `callback` in the scheduler's thread when time comes to `when`. Only from that thread."""
        self._own.set(when, callback)

    def advance(self, by: Duration) -> None:
        """Let that much time pass. Returns when all that falls due in it is done.

        Raises
        ------
        TimeoutError
            If the scheduler does not come to rest within `PATIENCE` of real time.
        """
        self.advance_to(self._now + parse_duration(by))

    def advance_to(self, when: datetime) -> None:
        """Let time pass until `when`. See `advance`."""
        self._at_rest.clear()
        self._goal = max(self._goal, when.astimezone(UTC))
        self._wake()
        if not self._at_rest.wait(PATIENCE.total_seconds()):
            raise TimeoutError(f"the scheduler is still at work at {self._now}, or it has stopped.")

    def jump(self) -> bool:
        """Let time pass until the next thing that is due, and say whether there was one."""
        self.advance(0)
        if self._next is None:
            return False
        self.advance_to(self._next)
        return True

    async def wait(self, until: datetime | None, news: Signal) -> None:
        """Return at `until`, or when there is news; see `Clock.wait`."""
        while not await self._is_news(news):
            due = min(until or _NEVER, self._own.next or _NEVER)
            if due > self._goal:
                await self._rest(None if due == _NEVER else due, news)
                return
            self._now = max(self._now, due)
            while (callback := self._own.pop_due(self._now)) is not None:
                callback()
            if until is not None and until <= self._now:
                return

    async def _is_news(self, news: Signal) -> bool:
        self.settle()
        await asyncio.sleep(0)  # lets in what other threads have said meanwhile
        if news.is_set:
            await news.wait(0)
            return True
        return False

    async def _rest(self, due: datetime | None, news: Signal) -> None:
        self._now, self._next = self._goal, due
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(news.set)
        self._at_rest.set()
        await news.wait(math.inf)


@dataclass(frozen=True)
class Does:
    """What a scripted attempt does: return `result`, or raise it if it is an exception, `after` a while."""

    result: object = None
    after: Duration = 0  #: of simulated time, from its start
    prints: Sequence[str] = ()  #: lines that it writes at its start


@dataclass
class ScriptedExecutor:
    """An `Executor` whose tasks do what a script says, in simulated time, without running their functions.

    The script gives for a task id a value to return, an exception to raise, a `Does`, or a list of these, one
    for each attempt, of which the last one repeats. A task that is not in it returns None at once.
    """

    clock: SimulatedClock
    script: MutableMapping[str, Any] = field(default_factory=dict)
    started: list[Job] = field(default_factory=list)  #: every attempt that was started, in order
    stopped: list[AttemptKey] = field(default_factory=list)  #: every attempt that was asked to stop
    _running: dict[AttemptKey, Listener] = field(default_factory=dict)

    def submit(self, job: Job, listener: Listener) -> None:
        """Begin what the script says; see `Executor.submit`."""
        self.started.append(job)
        does = self._lookup(job)
        self._running[job.key] = listener
        listener(job.key, BodyStarted(self.clock.now(), "script"))
        for text in does.prints:
            listener(job.key, LogLine(self.clock.now(), "STDOUT", text))
        wait = parse_duration(does.after)
        if wait:
            when = self.clock.now() + wait
            self.clock.call_at(when, lambda: self._end(job.key, _scripted_outcome(does, job)))
        else:
            self._end(job.key, _scripted_outcome(does, job))

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """End the attempt at once; see `Executor.stop`."""
        if key in self._running:
            self.stopped.append(key)
            self._end(key, Failed(ErrorInfo("TaskTimeout", reason)) if timed_out else Cancelled(reason))

    def keep(self, key: AttemptKey) -> None:
        """No scripted attempt holds a kernel."""

    def release(self, key: AttemptKey) -> None:
        """No scripted attempt holds a kernel."""

    async def close(self) -> None:
        """Cancel what runs."""
        for key in list(self._running):
            self._end(key, Cancelled("the scheduler was stopped"))

    def _lookup(self, job: Job) -> Does:
        said = self.script.get(job.task.id)
        if isinstance(said, list):
            said = said[min(job.run.attempt, len(said)) - 1]
        return said if isinstance(said, Does) else Does(said)

    def _end(self, key: AttemptKey, outcome: Outcome) -> None:
        listener = self._running.pop(key, None)
        if listener is not None:
            listener(key, Ended(self.clock.now(), outcome))


def _scripted_outcome(does: Does, job: Job) -> Outcome:
    if isinstance(does.result, Skip):
        return skipped(does.result)[0]
    if isinstance(does.result, BaseException):
        text = f"{type(does.result).__name__}: {does.result}"
        return Failed(ErrorInfo("TaskFailed", text))
    return Succeeded(values.dump(does.result, job.file(".value.pkl"), test=job.task.options.short_circuit))


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

    def run(self, dag: DagSpec, params: Mapping[str, Any] | None = None) -> RunState:
        """Run `dag` once, from due time to due time, and return how the run ended."""
        self.scheduler.register(dag, scheduled=False)
        _, end = self.scheduler.trigger_run(dag.id, params=params, by="test")
        self.clock.advance(0)
        while not end.done() and self.clock.jump():
            pass
        return end.result(timeout=0)


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
    scheduler = Scheduler(options, clock)
    clock.settle = scheduler.flush
    try:
        yield World(scheduler, clock, executor)
    finally:
        scheduler.stop(wait=timedelta(0))


def dag_spec(
    id: str,
    chains: str,
    *,
    options: Mapping[str, TaskOptions] | TaskOptions = TaskOptions(),  # noqa: B008 - frozen
    **head: Any,
) -> DagSpec:
    """Return a DAG whose tasks do nothing, from a short notation.

    Parameters
    ----------
    chains
        ``"a >> b, c >> d; e"``: `b` and `c` wait for `a`, `d` for both of them, and `e` for nothing.
    options
        Of every task, or by task id.
    **head
        Further fields of `DagSpec`: ``schedule=...``; ``catchup`` as `DAG` takes it.
    """
    upstreams: dict[str, list[str]] = {}
    for chain in chains.split(";"):
        before: list[str] = []
        for group in chain.split(">>"):
            names = [name.strip() for name in group.split(",") if name.strip()]
            for name in names:
                known = upstreams.setdefault(name, [])
                known += [other for other in before if other not in known]
            before = names
    tasks = [
        TaskSpec(
            name,
            FunctionWork(_nothing, b"", "nothing", ""),
            options if isinstance(options, TaskOptions) else options.get(name, TaskOptions()),
            tuple(waits_for),
        )
        for name, waits_for in upstreams.items()
    ]
    if "catchup" in head:
        head["catchup"] = Catchup.of(head["catchup"])
    return DagSpec(id, in_order(id, tasks), **head)


def _nothing() -> None:
    """The function of the tasks that `dag_spec` makes."""
