"""All unfinished runs: which may begin, which of their tasks may start, and what their events bring."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ppacer_nb.engine.commands import Command, Notify, Record, Release, Start, Stop
from ppacer_nb.engine.notifications import notification_of
from ppacer_nb.engine.queue import Limits, ReadyQueue, ReadyTask
from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.engine.timers import Timers
from ppacer_nb.engine.timetable import Timetable
from ppacer_nb.errors import NotFound
from ppacer_nb.model.attempt import Held
from ppacer_nb.model.dag import DagSpec, did_you_mean
from ppacer_nb.model.events import Event, EventOfRun, RunEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey, dag_id_of, run_id_of
from ppacer_nb.status import RunState, RunType


class PointDue(NamedTuple):
    """A DAG has a schedule point now."""

    dag_id: str


class RetryDue(NamedTuple):
    """A failed task is to be tried again now."""

    run_id: str
    task_id: str


class RunOverdue(NamedTuple):
    """A run has taken as long as it may."""

    run_id: str


#: What comes due, and for an attempt, that its time is over.
Due = PointDue | RetryDue | RunOverdue | AttemptKey


@dataclass(slots=True)
class DagEntry:
    """A DAG that is scheduled, and its unfinished runs."""

    timetable: Timetable
    next_point: datetime | None = None
    active: set[str] = field(default_factory=set)  #: ids of its running runs
    waiting: deque[str] = field(default_factory=deque)  #: ids of its queued runs
    problem: str = ""  #: why its schedule stands still, where it does
    last_manual: datetime | None = None  #: the last logical date that a manual run was given
    scheduled: bool = True  #: False: it runs only when it is triggered

    @property
    def dag(self) -> DagSpec:
        """The version that new runs use."""
        return self.timetable.dag

    @property
    def room(self) -> int:
        """How many runs may be made before one would have to wait."""
        return max(0, self.dag.max_active_runs - len(self.active) - len(self.waiting))

    def free_instant(self, now: datetime) -> datetime:
        """Return `now`, or the first instant after it that no manual run has stood for."""
        if self.last_manual is not None:
            now = max(now, self.last_manual + timedelta(microseconds=1))
        self.last_manual = now
        return now


class Runs:
    """What the engine knows of all DAGs and their unfinished runs, and how these go on by themselves.

    Parameters
    ----------
    limits
        How much may run at once.
    runs_folder
        Where runs keep their files.
    paused
        The ids of the DAGs that are paused, defined or not.
    unfinished
        By their ids, all that happened to the runs that an earlier scheduler left, the oldest first. Each
        goes on when its DAG is defined.
    """

    def __init__(
        self,
        limits: Limits,
        runs_folder: Path,
        paused: Collection[str] = (),
        unfinished: Mapping[str, Sequence[EventOfRun]] = MappingProxyType({}),
    ) -> None:
        self.dags: dict[str, DagEntry] = {}
        self.paused = set(paused)  #: ids of the DAGs of which no scheduled runs are made
        self.runs: dict[str, RunMachine] = {}  #: unfinished ones
        self.parked = dict(unfinished)  #: unfinished ones of DAGs that are not defined
        self._parked_of: dict[str, list[str]] = {}  # their ids by DAG, also of those that are cancelled since
        for run_id in unfinished:
            self._parked_of.setdefault(dag_id_of(run_id), []).append(run_id)
        self.held: dict[AttemptKey, Held] = {}  #: failed attempts whose kernels stay, the oldest first
        self.queue = ReadyQueue(limits)
        self.draining = False
        self.interrupting = False  #: what is stopped is tried again under the next scheduler
        self._runs_folder = runs_folder
        self._timers: Timers[Due] = Timers()
        self._freed: deque[str] = deque()  # ids of DAGs of which a run has ended
        self._out: list[Command] = []

    def _entry(self, dag_id: str) -> DagEntry:
        try:
            return self.dags[dag_id]
        except KeyError:
            known = f": there are {', '.join(self.dags)}" if self.dags else ": none is defined yet"
            raise NotFound(f"no DAG {dag_id!r}{did_you_mean(dag_id, self.dags)}{known}.") from None

    def _create_run(
        self,
        entry: DagEntry,
        run_type: RunType,
        point: datetime,
        params: Mapping[str, Any],
        now: datetime,
        reason: str = "",
    ) -> None:
        """Make a run that takes its turn among those of its DAG."""
        machine = self._new_run(entry.dag, run_type, point, params, now, reason)
        entry.waiting.append(machine.run_id)
        self._begin_runs(entry, now)

    def _new_run(
        self,
        dag: DagSpec,
        run_type: RunType,
        point: datetime,
        params: Mapping[str, Any],
        now: datetime,
        reason: str,
    ) -> RunMachine:
        created = RunEvent(
            run_id=run_id_of(dag.id, run_type, point),
            dag_id=dag.id,
            run_type=run_type,
            logical_date=point,
            version=dag.version,
            params=params,
            tasks=len(dag.tasks),
            state=RunState.QUEUED,
            at=now,
            reason=reason,
        )
        machine = self.runs[created.run_id] = RunMachine(dag, created)
        self._record(created)
        return machine

    def _begin_runs(self, entry: DagEntry, now: datetime) -> None:
        while entry.waiting and len(entry.active) < entry.dag.max_active_runs and not self.draining:
            machine = self.runs[entry.waiting.popleft()]
            self._begin(entry, machine, now)

    def _begin(self, entry: DagEntry, machine: RunMachine, now: datetime) -> None:
        entry.active.add(machine.run_id)
        self._go_on_at_once(machine, now)

    def _go_on_at_once(self, machine: RunMachine, now: datetime) -> None:
        """Begin a run, whatever its DAG has room for."""
        if machine.was_put_back:
            for id, task in machine.tasks.items():
                if task.retry_at is not None:
                    self._timers.set(task.retry_at, RetryDue(machine.run_id, id))
        self._absorb(machine, machine.begin(now), now)

    def _take_up(self, entry: DagEntry, now: datetime) -> None:
        """Let the runs that an earlier scheduler left take their turn, as their DAG is defined now."""
        for run_id in self._parked_of.pop(entry.dag.id, ()):
            events = self.parked.pop(run_id, None)
            if events is None:
                continue
            machine = replay(entry.dag, events)
            machine.go_on_with_newest_version()
            self.runs[run_id] = machine
            entry.waiting.append(run_id)

    def _absorb(self, machine: RunMachine, events: Collection[Event], now: datetime) -> None:
        """Record what a run decided, queue what became ready, and let go of a run that has ended."""
        if gone := {event.task_id for event in events if type(event) is TaskEvent and not event.attempt}:
            self._withdraw(machine, gone)
        for event in events:
            self._record(event)
            if type(event) is TaskEvent:
                self._follow_up(machine, event)
            else:
                self._set_deadline(machine)
        dag = machine.dag
        while machine.ready:
            task = machine.tasks[machine.ready.popleft()].spec
            self.queue.put(
                ReadyTask(machine.run_id, dag.id, task.id, task.options.pool, dag.priority_of(task))
            )
        if machine.state.is_terminal:
            del self.runs[machine.run_id]
            self.dags[dag.id].active.discard(machine.run_id)
            self._freed.append(dag.id)

    def _withdraw(self, machine: RunMachine, task_ids: Collection[str]) -> None:
        """Let what was to come of tasks that ended or were cleared without an attempt not come."""
        self.queue.discard(machine.run_id, task_ids)
        for id in task_ids:
            self._timers.cancel(RetryDue(machine.run_id, id))
            kept, machine.tasks[id].resumes = machine.tasks[id].resumes, None
            if kept is not None:
                self._out.append(Release(kept))
        for key in [k for k in self.held if k.run_id == machine.run_id and k.task_id in task_ids]:
            del self.held[key]
            self._out.append(Release(key))

    def _follow_up(self, machine: RunMachine, event: TaskEvent) -> None:
        if event.retry_at is not None:
            self._timers.set(event.retry_at, RetryDue(event.run_id, event.task_id))
        notification = notification_of(event, machine.tasks[event.task_id].spec)
        if notification is not None:
            self._out.append(Notify(notification))

    def _set_deadline(self, machine: RunMachine) -> None:
        if machine.dag.timeout is None:
            return
        overdue = RunOverdue(machine.run_id)
        if machine.deadline is None:
            self._timers.cancel(overdue)
        else:
            self._timers.set(machine.deadline, overdue)

    def _end_early(self, machine: RunMachine, reason: str, now: datetime, *, timed_out: bool = False) -> None:
        entry = self.dags[machine.dag.id]
        if machine.run_id in entry.waiting:
            entry.waiting.remove(machine.run_id)
            if machine.was_put_back:  # it has begun once: there may be something to clean up
                self._begin(entry, machine, now)
                if machine.state.is_terminal:
                    return
        events = machine.cancel(reason, now, timed_out=timed_out)
        assert machine.early_end is not None
        for key in machine.to_stop:
            self._out.append(Stop(key, timed_out=timed_out, reason=machine.early_end.of_tasks))
        self._absorb(machine, events, now)

    def _commands(self, now: datetime) -> list[Command]:
        """Start what may start, and hand out everything decided since the last call."""
        while self._freed:
            self._fill_freed_place(self.dags[self._freed.popleft()], now)
        while self._may_start() and (ready := self.queue.take()) is not None:
            machine = self.runs[ready.run_id]
            event = machine.start_attempt(ready.task_id, now)
            self._record(event)
            job = machine.job(ready.task_id, self._runs_folder, event.attempt)
            self._out.append(Start(job, job.task.options.executor))
        commands, self._out = self._out, []
        return commands

    def _may_start(self) -> bool:
        if not self.draining:
            return True
        # Of runs that are all being cancelled, only what cleans up is still in the queue.
        return not self.interrupting and all(machine.is_being_cancelled for machine in self.runs.values())

    def _fill_freed_place(self, entry: DagEntry, now: datetime) -> None:
        """Begin what waited for a run of the same DAG to end."""
        self._begin_runs(entry, now)

    def _record(self, event: Event) -> None:
        self._out.append(Record(event))
