"""`Scheduler`: store, executors, notifier and loop put together. The one place where concrete parts meet."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb.engine.backfill import points_to_fill
from ppacer_nb.engine.commands import Command
from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.engine.queue import Limits
from ppacer_nb.engine.upcoming import upcoming_points
from ppacer_nb.errors import InvalidOption, NotFound, SchedulerError
from ppacer_nb.executors.protocol import Executor
from ppacer_nb.executors.thread import ThreadExecutor
from ppacer_nb.model.backfill import BackfillPlan, BackfillRecord, request_of, span_of
from ppacer_nb.model.dag import DagSpec, did_you_mean
from ppacer_nb.model.events import EventOfRun
from ppacer_nb.model.history import NewestVersion
from ppacer_nb.model.ids import dag_id_of, run_id_of
from ppacer_nb.model.notification import Notification
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo, StopReport
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.model.points import PointRange, UpcomingPoint, joined
from ppacer_nb.notify import Notifier, Receiver, log_receiver
from ppacer_nb.scheduler.clock import Clock, SystemClock
from ppacer_nb.scheduler.loop import ExecutorFactory, SchedulerLoop
from ppacer_nb.scheduler.params import params_of
from ppacer_nb.scheduler.recovery import Left, left_behind
from ppacer_nb.scheduler.summaries import defined_dag, held_kernels, pool_use, summary_of
from ppacer_nb.status import RunState, RunType
from ppacer_nb.store.codec import notification_row, source_rows, version_row
from ppacer_nb.store.store import Store

_log = logging.getLogger("ppacer_nb")

DEFAULT_MAX_WORKERS = max(4, min(16, os.cpu_count() or 4))


@dataclass(frozen=True)
class SchedulerOptions:
    """What a scheduler is made of."""

    store: Path | None  #: the DuckDB file; None keeps the history in memory
    runs_folder: Path  #: where runs keep executed notebooks, reports and large values
    max_workers: int = DEFAULT_MAX_WORKERS  #: tasks at once
    pools: Mapping[str, int] = field(default_factory=dict)  #: slots by name
    default_executor: str = "kernel"
    preload: Sequence[str] = ()  #: modules that every kernel shall have imported already
    receivers: Sequence[Receiver] = (log_receiver,)
    notebook: str = ""  #: the notebook or program it runs in, for those who find the store held
    executors: Mapping[str, ExecutorFactory] = field(default_factory=dict)  #: win over the built-in
    recovers: bool = True  #: whether it goes on with what another scheduler left


class Scheduler:
    """A scheduler in this process. It runs from its making until `stop`.

    Raises
    ------
    StoreLocked, StoreVersion, StoreError
        As opening the store does.
    """

    def __init__(self, options: SchedulerOptions, clock: Clock | None = None) -> None:
        self.options = options
        self._clock = clock or SystemClock()
        self._started_at = self._clock.now()
        self._at_stop: list[Callable[[], None]] = []
        self._closing = threading.Lock()
        self._is_closed = False
        self._refused: dict[str, str] = {}  # modules that cannot be preloaded, with the reason
        self._store = Store(
            options.store,
            on_trouble=lambda trouble: self._loop.note_trouble(trouble),
            on_recovered=lambda: self._loop.note_recovery(),
            on_lines=lambda run_ids: self._loop.changed(run_ids),
        )
        self.history = self._store.history
        try:
            self._accounted = self.history.last_points()
            self._versions = self.history.newest_versions()
            self._sources = self.history.source_hashes()
            paused = self.history.paused()
            left = left_behind(self.history, self._started_at) if options.recovers else Left()
        except BaseException:
            self._store.close()
            raise
        self._notifier = Notifier(options.receivers, self._note_notification)
        limits = Limits(options.max_workers, options.pools)
        coordinator = Coordinator(limits, options.runs_folder, paused, left.unfinished)
        coordinator.restore_missed(left.missed, left.to_catch_up)
        for backfill in left.backfills:
            coordinator.restore_backfill(backfill)
        self._loop = SchedulerLoop(
            coordinator,
            self._store.log,
            _executors(options, self._refused.update),
            default_executor=options.default_executor,
            clock=self._clock,
            notify=self._notifier.send,
            recall=self.history.events,
        )
        self._store.log.events(left.interruptions)
        self._loop.start()

    def register(self, dag: DagSpec, *, scheduled: bool = True) -> None:
        """Schedule `dag`, in place of an older version of it; if not `scheduled`, only let it be triggered.

        Raises
        ------
        InvalidOption
            If a task asks for an executor or a pool that this scheduler does not have.
        """
        _check_executors(dag, self.options)
        accounted = self._accounted.get(dag.id)

        def decide(coordinator: Coordinator, now: datetime) -> tuple[None, list[Command]]:
            commands = coordinator.register(dag, accounted, now, scheduled=scheduled)
            newest = self._versions.get(dag.id)
            if newest is None or newest.version != dag.version:
                self._versions[dag.id] = newest = _following(newest, dag, now)
                self._keep(dag, newest)
            return None, commands

        self._loop.ask(decide)
        self._loop.make_ready({task.options.executor for task in dag.tasks.values()})

    def _keep(self, dag: DagSpec, newest: NewestVersion) -> None:
        """Keep what a new version of a DAG says, and those sources of its tasks that no other has had."""
        for hash, row in source_rows(dag).items():
            if hash not in self._sources:
                self._sources.add(hash)
                self._store.log.row("task_sources", row)
        self._store.log.row("dag_versions", version_row(dag, newest.defined_at))

    def info(self) -> SchedulerInfo:
        """Return how the scheduler is."""
        busy, queued, held, pools = self._loop.look(
            lambda c: (c.queue.busy, len(c.queue), held_kernels(c), pool_use(c))
        )
        return SchedulerInfo(
            running=True,
            store=str(self._store.path or "in memory"),
            pid=os.getpid(),
            notebook=self.options.notebook,
            started_at=self._started_at,
            max_workers=self.options.max_workers,
            busy=busy,
            queued=queued,
            problem=self._loop.problem,
            held=held,
            pools=pools,
            not_preloaded=dict(self._refused),
        )

    def dags(self) -> list[DagSummary]:
        """Return all DAGs, also those known from the history only, by id."""
        now = self._clock.now()
        defined, paused, missed, parked = self._loop.look(
            lambda c: (
                {id: defined_dag(entry, c, now) for id, entry in c.dags.items()},
                set(c.paused),
                dict(c.missed),
                Counter(map(dag_id_of, c.parked)),
            )
        )
        for version in self.history.dag_versions():
            summary = summary_of(version, paused, missed)
            defined.setdefault(version.dag_id, replace(summary, queued_runs=parked[version.dag_id]))
        return [defined[id] for id in sorted(defined)]

    def upcoming(self, dag_id: str | None = None, *, limit: int = 10) -> list[UpcomingPoint]:
        """Return the next schedule points. See `SchedulerApi.upcoming`."""
        tables = self._loop.look(lambda engine: engine.timetables(dag_id))
        return upcoming_points(tables, self._clock.now(), limit)  # here, as the loop has better things to do

    def params(self, dag_id: str) -> list[ParamInfo]:
        """Return how a form asks for each parameter of a DAG. See `SchedulerApi.params`."""
        return params_of(self._loop.look(lambda engine: engine.dag_of(dag_id)))

    def progress(self, run_id: str) -> list[Progress]:
        """Return how far the notebooks of a run have come that run now."""
        found = list(self._loop.progress.items())
        return [Progress(k.task_id, k.attempt, p.cell, p.cells) for k, p in found if k.run_id == run_id]

    def trigger(
        self,
        dag_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
        by: str = "",
    ) -> str:
        """Start a manual run now and return its id; `by` says who asked. See `SchedulerApi.trigger`."""
        return self.trigger_run(dag_id, params=params, logical_date=logical_date, by=by)[0]

    def trigger_run(
        self,
        dag_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
        by: str = "",
    ) -> tuple[str, Future[RunState]]:
        """Start a manual run now; return its id and the future of how it ends."""
        loop = self._loop

        def decide(
            coordinator: Coordinator, now: datetime
        ) -> tuple[tuple[str, Future[RunState]], list[Command]]:
            run_id, commands = coordinator.trigger(
                dag_id, now, logical_date=logical_date, params=params or {}, by=by
            )
            return (run_id, loop.end_of(run_id)), commands

        if logical_date is not None:
            self._check_is_new(run_id_of(dag_id, RunType.MANUAL, logical_date))
        return loop.ask(decide)

    def cancel(self, run_id: str, *, by: str = "") -> None:
        """End an unfinished run early; raises NotFound if there is none of that id."""
        self._ask(lambda engine, now: engine.cancel_run(run_id, _cancelled(by), now), in_trouble=True)

    def cancel_task(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """End a task early; the rest of its run goes on. See `SchedulerApi.cancel_task`."""
        self._ask(
            lambda engine, now: engine.cancel_task(run_id, task_id, _cancelled(by), now), in_trouble=True
        )

    def restart(self, run_id: str, *, by: str = "") -> None:
        """Let a failed or cancelled run go on. See `SchedulerApi.restart`."""
        self._ask(
            lambda engine, now: engine.restart(run_id, self._history_of(run_id, engine), now, by=_who(by))
        )

    def clear(self, run_id: str, task_ids: Sequence[str], *, by: str = "") -> None:
        """Let tasks and what is downstream of them run again. See `SchedulerApi.clear`."""
        self._ask(
            lambda engine, now: engine.clear(
                run_id, task_ids, self._history_of(run_id, engine), now, by=_who(by)
            )
        )

    def mark(self, run_id: str, task_id: str, state: str, *, by: str = "") -> None:
        """Take a task for a success or a failure. See `SchedulerApi.mark`."""
        self._ask(
            lambda engine, now: engine.mark(
                run_id, task_id, state, self._history_of(run_id, engine), now, by=_who(by)
            )
        )

    def pause(self, dag_id: str, *, by: str = "") -> None:
        """Make no scheduled runs of a DAG until `unpause`. See `SchedulerApi.pause`."""
        self._ask(lambda engine, now: engine.pause(dag_id, now, by=_who(by)), in_trouble=True)

    def unpause(self, dag_id: str, *, by: str = "") -> None:
        """End the pause of a DAG. See `SchedulerApi.unpause`."""
        self._ask(lambda engine, now: engine.unpause(dag_id, now, by=_who(by)))

    def catchup(self, dag_id: str, choice: str, *, by: str = "") -> list[datetime]:
        """Decide on the points that a DAG missed while no scheduler ran. See `SchedulerApi.catchup`."""

        def decide(engine: Coordinator, now: datetime) -> tuple[list[datetime], list[Command]]:
            with_run = self._points_with_run(dag_id, joined(engine.missed.get(dag_id, ())))
            return engine.catch_up(dag_id, choice, with_run, now, by=_who(by))

        return self._loop.ask(decide)

    def backfills(self) -> list[BackfillRecord]:
        """Return the latest backfills, the newest first, with how far they have come."""
        self._store.log.flush()
        return self.history.backfills()

    def backfill(
        self,
        dag_id: str,
        first: date | str,
        last: date | str,
        *,
        rerun: str = "none",
        concurrency: int = 1,
        params: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        by: str = "",
    ) -> BackfillPlan:
        """Run a DAG for all its points of a range of dates. See `SchedulerApi.backfill`."""
        dag, now = self._loop.ask(lambda engine, now: ((engine.dag_of(dag_id), now), []))
        span = span_of(first, last, dag.timezone, dag_id)
        request = request_of(dag_id, span, rerun, concurrency, params or {})
        points = points_to_fill(dag, *span, now)  # here, as the loop has better things to do

        def decide(engine: Coordinator, now: datetime) -> tuple[BackfillPlan, list[Command]]:
            self._store.log.flush()
            runs = self.history.point_runs(dag_id, *span)
            return engine.backfill(dag_id, request, points, runs, now, by=_who(by), dry_run=dry_run)

        return self._loop.ask(decide)

    def pause_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Begin no more runs of a DAG's backfill. See `SchedulerApi.pause_backfill`."""
        self._ask(lambda engine, now: engine.pause_backfill(dag_id, now, by=_who(by)))

    def resume_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Let a paused backfill go on. See `SchedulerApi.resume_backfill`."""
        self._ask(lambda engine, now: engine.resume_backfill(dag_id, now, by=_who(by)))

    def cancel_backfill(self, dag_id: str, *, by: str = "") -> None:
        """End a backfill for good. See `SchedulerApi.cancel_backfill`."""
        self._ask(lambda engine, now: engine.cancel_backfill(dag_id, now, by=_who(by)))

    def end_of(self, run_id: str) -> Future[RunState]:
        """Return the future of how an unfinished run ends; of one that has ended already, its end.

        Raises
        ------
        NotFound
            If there is no such run.
        """

        def decide(coordinator: Coordinator, _: datetime) -> tuple[Future[RunState], list[Command]]:
            if run_id in coordinator.runs:
                return self._loop.end_of(run_id), []
            self._store.log.flush()
            run = self.history.run(run_id)
            if run is None:
                raise NotFound(f"no run {run_id!r}.")
            ended: Future[RunState] = Future()
            ended.set_result(run.state)
            return ended, []

        return self._loop.ask(decide, in_trouble=True)

    def resume(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """Let a failed task go on in the kernel that is held for it. See `SchedulerApi.resume`."""
        self._ask(
            lambda engine, now: engine.resume(
                run_id, task_id, self._history_of(run_id, engine), now, by=_who(by)
            )
        )

    def stop(self, *, wait: timedelta) -> StopReport:
        """Stop: start nothing more, wait for what runs, stop what is left then, close the store.

        A second call returns the report of the first.
        """
        try:
            report = self._loop.stop(wait)
        finally:
            if not self._loop.is_alive:  # an interrupted wait can be taken up again
                self._close()
        return replace(report, unrecorded=self._store.unrecorded)

    def at_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the scheduler has stopped, whoever stopped it."""
        self._at_stop.append(callback)

    @property
    def is_running(self) -> bool:
        """Whether it has not been stopped."""
        return self._loop.is_alive

    def _close(self) -> None:
        """Let go of everything, once."""
        with self._closing:
            callbacks, self._at_stop = self._at_stop, []
            if self._is_closed:
                return
            self._is_closed = True
            self._notifier.close()
            self._store.close()
            if self._store.unrecorded:
                _log.error("ppacer: the scheduler ended without recording %s", self._store.unrecorded)
        for callback in callbacks:
            callback()
        self._loop.listeners.tell(frozenset())

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call `listener` with the ids of runs and DAGs that changed. See `SchedulerApi.subscribe`."""
        return self._loop.listeners.add(listener)

    def flush(self) -> None:
        """Return when all logged so far can be read; raise StoreError if it cannot be written."""
        self._store.log.flush()

    def _ask(
        self, decide: Callable[[Coordinator, datetime], list[Command]], *, in_trouble: bool = False
    ) -> None:
        self._loop.ask(lambda coordinator, now: (None, decide(coordinator, now)), in_trouble=in_trouble)

    def _history_of(self, run_id: str, coordinator: Coordinator) -> list[EventOfRun]:
        """Return all that happened to a run that has ended; read where nothing can happen meanwhile."""
        if run_id in coordinator.runs:
            return []
        self._store.log.flush()
        return self.history.events(run_id)

    def _points_with_run(self, dag_id: str, missed: PointRange | None) -> set[datetime]:
        """Return the points for which a DAG has a scheduled run, or one that caught up."""
        if missed is None:
            return set()
        self._store.log.flush()
        of_schedule = (RunType.SCHEDULED, RunType.CATCHUP)
        found = self.history.point_runs(dag_id, missed.first, missed.last)
        return {run.point for run in found if run.run_type in of_schedule}

    def _check_is_new(self, run_id: str) -> None:
        run = self.history.run(run_id)
        if run is not None:
            raise SchedulerError(
                f"run {run_id!r} exists already, its state is {run.state}: choose another logical date."
            )

    def _note_notification(self, notification: Notification, problems: str) -> None:
        self._store.log.row("notifications", notification_row(notification, problems))


def _following(newest: NewestVersion | None, dag: DagSpec, now: datetime) -> NewestVersion:
    """Say that `dag` is defined now, or later, if a clock that was wrong said so of the newest version."""
    if newest is not None:
        now = max(now, newest.defined_at + timedelta(microseconds=1))
    return NewestVersion(dag.version, now)


def _who(by: str) -> str:
    return by or "somebody"


def _cancelled(by: str) -> str:
    return f"cancelled by {by}" if by else "cancelled"


def _executors(
    options: SchedulerOptions, on_refused: Callable[[Mapping[str, str]], None]
) -> dict[str, ExecutorFactory]:
    return {
        "thread": lambda _: ThreadExecutor(),
        "kernel": lambda loop: _kernel_executor(loop, options, on_refused),
        **options.executors,
    }


def _kernel_executor(
    loop: asyncio.AbstractEventLoop,
    options: SchedulerOptions,
    on_refused: Callable[[Mapping[str, str]], None],
) -> Executor:
    # Not at the top: it brings Jupyter's client libraries, which threads alone do not need.
    from ppacer_nb.executors.kernel import KernelExecutor

    return KernelExecutor(loop, slots=options.max_workers, preload=options.preload, on_refused=on_refused)


def _check_executors(dag: DagSpec, options: SchedulerOptions) -> None:
    known = {"thread", "kernel", *options.executors}
    for task in dag.tasks.values():
        name = task.options.executor
        if name is not None and name not in known:
            raise InvalidOption(
                f"task {task.id!r} of DAG {dag.id!r} asks for the executor {name!r}"
                f"{did_you_mean(name, known)}: there are {', '.join(sorted(known))}."
            )
