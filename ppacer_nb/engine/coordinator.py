"""All DAGs and all their unfinished runs: what is due, what may start, and what follows from each ending.

A pure state machine: every method takes the time it happens at and returns the commands to carry out, in
order. The records ahead of a `Start` must be on disk before it is carried out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ppacer_nb.engine.commands import Command, Keep, Notify, Record, Release, Start, Stop
from ppacer_nb.engine.notifications import notification_of
from ppacer_nb.engine.queue import Limits, ReadyQueue, ReadyTask
from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.engine.timers import Timers, later
from ppacer_nb.engine.timetable import Decision, Timetable
from ppacer_nb.errors import InvalidOption, NotFound, SchedulerError
from ppacer_nb.model.attempt import Failed, Held, Outcome
from ppacer_nb.model.dag import DagSpec, did_you_mean
from ppacer_nb.model.durations import format_duration
from ppacer_nb.model.events import Event, EventOfRun, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey, dag_id_of, run_id_of
from ppacer_nb.status import AttemptState, RunState, RunType, ScheduleEventKind


class _PointDue(NamedTuple):
    dag_id: str


class _RetryDue(NamedTuple):
    run_id: str
    task_id: str


class _RunOverdue(NamedTuple):
    run_id: str


@dataclass(slots=True)
class DagEntry:
    """A DAG that is scheduled, and its unfinished runs."""

    timetable: Timetable
    next_point: datetime | None = None
    active: set[str] = field(default_factory=set)  #: ids of its running runs
    waiting: deque[str] = field(default_factory=deque)  #: ids of its queued runs
    problem: str = ""  #: why its schedule stands still, where it does
    last_manual: datetime | None = None  #: the last logical date that a manual run was given

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


class Coordinator:
    """Decides for all DAGs of one scheduler."""

    def __init__(self, limits: Limits, runs_folder: Path) -> None:
        self.dags: dict[str, DagEntry] = {}
        self.runs: dict[str, RunMachine] = {}  #: unfinished ones
        self.held: dict[AttemptKey, Held] = {}  #: failed attempts whose kernels stay, the oldest first
        self.queue = ReadyQueue(limits)
        self.draining = False
        self._runs_folder = runs_folder
        self._timers: Timers[_PointDue | _RetryDue | _RunOverdue | AttemptKey] = Timers()
        self._freed: deque[str] = deque()  # ids of DAGs of which a run has ended
        self._out: list[Command] = []

    @property
    def next_wakeup(self) -> datetime | None:
        """When `advance` has something to do, if nothing else happens before; None: never."""
        return self._timers.next

    def register(
        self, dag: DagSpec, accounted: datetime | None, now: datetime, *, scheduled: bool = True
    ) -> list[Command]:
        """Schedule `dag` from now on, in place of an older version of it.

        `accounted` is the last schedule point in its history, None without one. Runs in flight end on the
        version they began with. A new version with the same schedule goes on where the old one stood. If not
        `scheduled`, it runs only when it is triggered.

        Raises
        ------
        InvalidOption
            If a task asks for a pool that the scheduler does not have.
        """
        self._check_pools(dag)
        old = self.dags.get(dag.id)
        entry = DagEntry(self._timetable(dag, old, accounted, now))
        if old is not None:
            entry.active, entry.waiting, entry.last_manual = old.active, old.waiting, old.last_manual
            self._timers.cancel(_PointDue(dag.id))
        self.dags[dag.id] = entry
        self._begin_runs(entry, now)  # this version may have more room
        if scheduled:
            self._serve_points(entry, now)
        return self._commands(now)

    def trigger(
        self, dag_id: str, now: datetime, *, logical_date: datetime | None, params: Mapping[str, Any], by: str
    ) -> tuple[str, list[Command]]:
        """Make a manual run, and return its id. Without a logical date it stands for `now`.

        Raises
        ------
        NotFound
            If no DAG has that id.
        InvalidParameters
            If the DAG does not declare one of `params`.
        SchedulerError
            If the scheduler is stopping, or such a run is under way already.
        """
        entry = self._entry(dag_id)
        if self.draining:
            raise SchedulerError(f"the scheduler is stopping: {dag_id!r} was not triggered.")
        filled = entry.dag.with_params(params)
        point = logical_date or entry.free_instant(now)
        run_id = run_id_of(dag_id, RunType.MANUAL, point)
        if run_id in self.runs:
            raise SchedulerError(f"run {run_id!r} is under way already: wait for its end, or cancel it.")
        kind = ScheduleEventKind.MANUALLY_TRIGGERED
        self._record(ScheduleEvent(dag_id, kind, point, point, 1, now, run_id))
        self._create_run(entry, RunType.MANUAL, point, filled, now, reason=by)
        return run_id, self._commands(now)

    def body_started(self, key: AttemptKey, worker: str, now: datetime) -> None:
        """Note that the task's own code runs from now on: its timeout counts from here."""
        if not self._is_running(key):
            return
        task = self.runs[key.run_id].tasks[key.task_id]
        task.worker = worker
        if task.spec.options.timeout is not None:
            self._timers.set(later(now, task.spec.options.timeout), key)

    def attempt_ended(self, key: AttemptKey, outcome: Outcome, now: datetime) -> list[Command]:
        """Take in the end of an attempt. The end of one that is not running any more changes nothing."""
        machine = self.runs.get(key.run_id)
        if machine is None or not self._is_running(key):
            return []
        task = machine.tasks[key.task_id]
        self._timers.cancel(key)
        self.queue.release(task.spec.options.pool)
        if isinstance(outcome, Failed) and outcome.held is not None:
            self._hold(key, outcome.held)
        self._absorb(machine, machine.end_attempt(key.task_id, outcome, now), now)
        return self._commands(now)

    def released(self, key: AttemptKey) -> None:
        """Note that the kernel of a failed attempt is held no more."""
        self.held.pop(key, None)

    def resume(
        self, run_id: str, task_id: str, history: Sequence[EventOfRun], now: datetime, *, by: str
    ) -> list[Command]:
        """Let a failed task go on in the kernel that was held for it, and then what is downstream of it.

        `history` is all that happened to the run, if that has ended.

        Raises
        ------
        NotFound
            If its DAG is not defined, or has no such task.
        SchedulerError
            If no kernel is held for it, the scheduler is stopping, or a task downstream of it runs.
        """
        machine = self._machine(run_id, history)
        if task_id not in machine.tasks:
            known = f"{did_you_mean(task_id, machine.tasks)}: there are {', '.join(machine.tasks)}"
            raise NotFound(f"run {run_id!r} has no task {task_id!r}{known}.")
        key = AttemptKey(run_id, task_id, machine.tasks[task_id].attempt)
        if key not in self.held:
            raise SchedulerError(f"no kernel is held for task {task_id!r} of run {run_id!r}: {_WHY_NOT_HELD}")
        self._check_may_clear(machine, [task_id])
        self._out.append(Keep(key))
        del self.held[key]
        self._clear(machine, [task_id], f"{task_id} resumed by {by}", now)
        machine.tasks[task_id].resumes = key
        return self._commands(now)

    def cancel_run(self, run_id: str, reason: str, now: datetime) -> list[Command]:
        """End a run early: what runs is asked to stop, and nothing more of it starts but what cleans up.

        A run that is being cancelled already ends without that too.

        Raises
        ------
        NotFound
            If no unfinished run has that id.
        """
        machine = self.runs.get(run_id)
        if machine is None:
            raise NotFound(f"no unfinished run {run_id!r}{did_you_mean(run_id, self.runs)}.")
        self._end_early(machine, reason, now)
        return self._commands(now)

    def drain(self) -> None:
        """Start nothing more, but what cleans up once all runs are being cancelled. What runs goes on."""
        self.draining = True

    def advance(self, now: datetime) -> list[Command]:
        """Do everything that is due at `now`."""
        while (due := self._timers.pop_due(now)) is not None:
            match due:
                case _PointDue(dag_id):
                    self._serve_points(self.dags[dag_id], now)
                case _RetryDue(run_id, task_id):
                    self._retry(run_id, task_id, now)
                case _RunOverdue(run_id):
                    self._time_out_run(self.runs[run_id], now)
                case _:
                    self._time_out(due)
        return self._commands(now)

    def _hold(self, key: AttemptKey, held: Held) -> None:
        """Note that a kernel is held. Each takes memory: there are no more of them than workers."""
        self.held[key] = held
        if len(self.held) > self.queue.limits.max_workers:
            oldest = next(iter(self.held))
            del self.held[oldest]
            self._out.append(Release(oldest))

    def _machine(self, run_id: str, history: Sequence[EventOfRun]) -> RunMachine:
        """Return a run, as it is or as its history says; of its DAG the newest version counts."""
        if run_id in self.runs:
            return self.runs[run_id]
        if not history:
            raise NotFound(f"no run {run_id!r}{did_you_mean(run_id, self.runs)}.")
        return replay(self._entry(dag_id_of(run_id)).dag, history)

    def _check_may_clear(self, machine: RunMachine, task_ids: Sequence[str]) -> None:
        if self.draining:
            raise SchedulerError(f"the scheduler is stopping: run {machine.run_id!r} cannot go on.")
        if machine.is_being_cancelled:
            raise SchedulerError(f"run {machine.run_id!r} is being cancelled: wait for its end.")
        for id in machine.with_downstream(task_ids):
            if machine.tasks[id].state is AttemptState.RUNNING:
                raise SchedulerError(f"task {id!r} of run {machine.run_id!r} runs now: wait for its end.")

    def _clear(self, machine: RunMachine, task_ids: Sequence[str], reason: str, now: datetime) -> None:
        """Let tasks run again, with what is downstream of them, be it that their run has ended."""
        cleared = set(machine.with_downstream(task_ids))
        for key in [k for k in self.held if k.run_id == machine.run_id and k.task_id in cleared]:
            del self.held[key]
            self._out.append(Release(key))
        self.runs[machine.run_id] = machine
        self.dags[machine.dag.id].active.add(machine.run_id)
        self.queue.discard_run(machine.run_id)
        self._absorb(machine, machine.clear(task_ids, reason, now), now)

    def _entry(self, dag_id: str) -> DagEntry:
        try:
            return self.dags[dag_id]
        except KeyError:
            known = f": there are {', '.join(self.dags)}" if self.dags else ": none is defined yet"
            raise NotFound(f"no DAG {dag_id!r}{did_you_mean(dag_id, self.dags)}{known}.") from None

    def _check_pools(self, dag: DagSpec) -> None:
        pools = self.queue.limits.pools
        for task in dag.tasks.values():
            if task.options.pool is not None and task.options.pool not in pools:
                raise InvalidOption(
                    f"task {task.id!r} of DAG {dag.id!r} asks for the pool {task.options.pool!r}, which the "
                    f"scheduler does not have: start it with --pool {task.options.pool}=SLOTS."
                )

    def _timetable(
        self, dag: DagSpec, old: DagEntry | None, accounted: datetime | None, now: datetime
    ) -> Timetable:
        if old is None:
            return Timetable.of(dag, accounted, now)
        if _same_points(old.dag, dag):
            return Timetable(dag, old.timetable.after, old.timetable.previous)
        return Timetable(dag, now)

    def _serve_points(self, entry: DagEntry, now: datetime) -> None:
        """Make the runs that are due, and set the timer for the next point."""
        if self.draining:
            return
        served = entry.timetable.due(now, most=entry.room)
        entry.timetable, entry.next_point, entry.problem = served.timetable, served.next, served.problem
        for decision in served.decisions:
            self._carry_out(entry, decision, now)
        if entry.next_point is not None and entry.next_point > now:
            self._timers.set(entry.next_point, _PointDue(entry.dag.id))

    def _carry_out(self, entry: DagEntry, decision: Decision, now: datetime) -> None:
        dag_id, run_type = entry.dag.id, decision.run_type
        run_id = None if run_type is None else run_id_of(dag_id, run_type, decision.first)
        self._record(
            ScheduleEvent(dag_id, decision.kind, decision.first, decision.last, decision.count, now, run_id)
        )
        if run_type is not None:
            self._create_run(entry, run_type, decision.first, dict(entry.dag.params), now)

    def _create_run(
        self,
        entry: DagEntry,
        run_type: RunType,
        point: datetime,
        params: Mapping[str, Any],
        now: datetime,
        reason: str = "",
    ) -> None:
        dag = entry.dag
        run_id = run_id_of(dag.id, run_type, point)
        created = RunEvent(
            run_id=run_id,
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
        self.runs[run_id] = RunMachine(dag, created)
        entry.waiting.append(run_id)
        self._record(created)
        self._begin_runs(entry, now)

    def _begin_runs(self, entry: DagEntry, now: datetime) -> None:
        while entry.waiting and len(entry.active) < entry.dag.max_active_runs and not self.draining:
            machine = self.runs[entry.waiting.popleft()]
            entry.active.add(machine.run_id)
            self._absorb(machine, machine.begin(now), now)

    def _absorb(self, machine: RunMachine, events: Iterable[Event], now: datetime) -> None:
        """Record what a run decided, queue what became ready, and let go of a run that has ended."""
        for event in events:
            self._record(event)
            if isinstance(event, TaskEvent):
                self._follow_up(machine, event)
            else:
                self._set_deadline(machine)
        while machine.ready:
            task = machine.tasks[machine.ready.popleft()].spec
            self.queue.put(ReadyTask(machine.run_id, machine.dag.id, task.id, task.options.pool))
        if machine.state.is_terminal:
            del self.runs[machine.run_id]
            self.dags[machine.dag.id].active.discard(machine.run_id)
            self._freed.append(machine.dag.id)

    def _follow_up(self, machine: RunMachine, event: TaskEvent) -> None:
        if event.retry_at is not None:
            self._timers.set(event.retry_at, _RetryDue(event.run_id, event.task_id))
        notification = notification_of(event, machine.tasks[event.task_id].spec)
        if notification is not None:
            self._out.append(Notify(notification))

    def _fill_freed_places(self, now: datetime) -> None:
        """Begin what waited for a run of the same DAG to end."""
        while self._freed:
            entry = self.dags[self._freed.popleft()]
            self._begin_runs(entry, now)
            if entry.dag.catchup and entry.next_point is not None and entry.next_point <= now:
                self._serve_points(entry, now)

    def _retry(self, run_id: str, task_id: str, now: datetime) -> None:
        machine = self.runs[run_id]
        machine.retry(task_id, now)
        self._absorb(machine, (), now)

    def _time_out(self, key: AttemptKey) -> None:
        timeout = self.runs[key.run_id].tasks[key.task_id].spec.options.timeout
        assert timeout is not None
        reason = f"ran longer than its timeout of {format_duration(timeout)}"
        self._out.append(Stop(key, timed_out=True, reason=reason))

    def _set_deadline(self, machine: RunMachine) -> None:
        overdue = _RunOverdue(machine.run_id)
        if machine.deadline is None:
            self._timers.cancel(overdue)
        else:
            self._timers.set(machine.deadline, overdue)

    def _time_out_run(self, machine: RunMachine, now: datetime) -> None:
        assert machine.dag.timeout is not None
        reason = f"ran longer than its timeout of {format_duration(machine.dag.timeout)}"
        self._end_early(machine, reason, now, timed_out=True)

    def _end_early(self, machine: RunMachine, reason: str, now: datetime, *, timed_out: bool = False) -> None:
        self.queue.discard_run(machine.run_id)
        events = machine.cancel(reason, now, timed_out=timed_out)
        assert machine.early_end is not None
        for key in machine.to_stop:
            self._out.append(Stop(key, timed_out=timed_out, reason=machine.early_end.of_tasks))
        for task_id, task in machine.tasks.items():
            if not task.has_ended:
                continue
            self._timers.cancel(_RetryDue(machine.run_id, task_id))
            if task.resumes is not None:
                self._out.append(Release(task.resumes))
                task.resumes = None
        entry = self.dags[machine.dag.id]
        if machine.run_id in entry.waiting:
            entry.waiting.remove(machine.run_id)
        self._absorb(machine, events, now)

    def _is_running(self, key: AttemptKey) -> bool:
        machine = self.runs.get(key.run_id)
        if machine is None:
            return False
        task = machine.tasks[key.task_id]
        return task.attempt == key.attempt and task.state is AttemptState.RUNNING

    def _commands(self, now: datetime) -> list[Command]:
        """Start what may start, and hand out everything decided since the last call."""
        self._fill_freed_places(now)
        while self._may_start() and (ready := self.queue.take()) is not None:
            machine = self.runs[ready.run_id]
            event = machine.start_attempt(ready.task_id, now)
            self._record(event)
            job = machine.job(ready.task_id, self._runs_folder, event.attempt)
            self._out.append(Start(job, job.task.options.executor))
        commands, self._out = self._out, []
        return commands

    def _may_start(self) -> bool:
        # Of runs that are all being cancelled, only what cleans up is still in the queue.
        return not self.draining or all(machine.is_being_cancelled for machine in self.runs.values())

    def _record(self, event: Event) -> None:
        self._out.append(Record(event))


_WHY_NOT_HELD = (
    "the task says with hold_on_failure='30m' that its kernel is to be held, and it is held until that time, "
    "until a newer one needs the room, or until it ends."
)


def _same_points(old: DagSpec, new: DagSpec) -> bool:
    def parts(dag: DagSpec) -> tuple[object, ...]:
        return str(dag.schedule), dag.timezone, dag.start, dag.end

    return parts(old) == parts(new)
