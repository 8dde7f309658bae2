"""All DAGs and all their unfinished runs: what is due, what may start, and what follows from each ending.

A pure state machine: every method takes the time it happens at and returns the commands to carry out, in
order. The records ahead of a `Start` must be on disk before it is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ppacer_nb.engine.backfills import Backfills
from ppacer_nb.engine.commands import Command, Release, Stop
from ppacer_nb.engine.interruption import STOPPED
from ppacer_nb.engine.run_machine import RunMachine
from ppacer_nb.engine.runs import DagEntry, Due, PointDue, RetryDue, RunOverdue
from ppacer_nb.engine.timetable import Decision, Served, Timetable
from ppacer_nb.errors import InvalidOption, SchedulerError
from ppacer_nb.model.attempt import Cancelled, Failed, Held, Outcome
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.durations import format_duration, later
from ppacer_nb.model.events import DagEvent, ScheduleEvent
from ppacer_nb.model.ids import AttemptKey, run_id_of
from ppacer_nb.model.points import PointRange
from ppacer_nb.status import AttemptState, RunType, ScheduleEventKind


class Coordinator(Backfills):
    """Decides for all DAGs of one scheduler."""

    @property
    def next_wakeup(self) -> datetime | None:
        """When `advance` has something to do, if nothing else happens before; None: never."""
        return self._timers.next

    @property
    def next_point(self) -> datetime | None:
        """When the next schedule point is due, if nothing else is due before it."""
        return self._timers.next if isinstance(self._timers.first, PointDue) else None

    def timetables(self, dag_id: str | None = None) -> list[Timetable]:
        """Return the timetables by which scheduled runs are made, of one DAG or of all."""
        return [
            entry.timetable
            for id, entry in self.dags.items()
            if dag_id in (None, id) and entry.scheduled and id not in self.paused
        ]

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
        if old is not None and old.scheduled and not _same_points(old.dag, dag):
            self._take_in(old, old.timetable.passed_over(now), now)  # what waits for its turn is in vain
        entry = DagEntry(self._timetable(dag, old, accounted, now), scheduled=scheduled)
        if old is not None:
            entry.active, entry.waiting, entry.last_manual = old.active, old.waiting, old.last_manual
            self._timers.cancel(PointDue(dag.id))
        self.dags[dag.id] = entry
        self._take_up(entry, now)
        self.queue.limit(dag.id, dag.max_active_tasks)
        self._begin_runs(entry, now)  # this version may have more room
        self._catch_up(entry, now)
        self._serve_backfill(entry, now)
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
        self.queue.release(machine.dag.id, task.spec.options.pool)
        if isinstance(outcome, Failed) and outcome.held is not None:
            self._hold(key, outcome.held)
        is_interrupted = self.interrupting and not machine.is_asked_to_end(key.task_id)
        if is_interrupted and isinstance(outcome, Cancelled):
            self._absorb(machine, machine.interrupt(key.task_id, outcome, STOPPED, now), now)
        else:
            self._absorb(machine, machine.end_attempt(key.task_id, outcome, now), now)
        return self._commands(now)

    def released(self, key: AttemptKey) -> None:
        """Note that the kernel of a failed attempt is held no more."""
        self.held.pop(key, None)

    def pause(self, dag_id: str, now: datetime, *, by: str) -> list[Command]:
        """Make no scheduled runs of a DAG from now on. Its runs go on, and it can be triggered.

        Raises
        ------
        NotFound
            If no DAG has that id.
        SchedulerError
            If it is paused already.
        """
        entry = self._entry(dag_id)
        if dag_id in self.paused:
            raise SchedulerError(f"DAG {dag_id!r} is paused already.")
        self.paused.add(dag_id)
        self._timers.cancel(PointDue(dag_id))
        entry.next_point = None
        self._record(DagEvent(dag_id, True, now, f"paused by {by}"))
        return self._commands(now)

    def unpause(self, dag_id: str, now: datetime, *, by: str) -> list[Command]:
        """End the pause of a DAG: its points in it are skipped, or caught up if it is defined so.

        Raises
        ------
        NotFound
            If no DAG has that id.
        SchedulerError
            If it is not paused.
        """
        entry = self._entry(dag_id)
        if dag_id not in self.paused:
            raise SchedulerError(f"DAG {dag_id!r} is not paused.")
        self._record(DagEvent(dag_id, False, now, f"unpaused by {by}"))
        self._pass_over(entry, now)
        self.paused.discard(dag_id)
        self._catch_up(entry, now)
        if entry.scheduled:
            self._serve_points(entry, now)
        return self._commands(now)

    def drain(self) -> None:
        """Start nothing more, but what cleans up once all runs are being cancelled. What runs goes on."""
        self.draining = True

    def interrupt(self) -> list[Command]:
        """Stop what still runs, to be tried again under the next scheduler."""
        self.interrupting = True
        for machine in self.runs.values():
            for key in machine.running:
                if not machine.is_asked_to_end(key.task_id):
                    self._out.append(Stop(key, timed_out=False, reason=STOPPED))
        commands, self._out = self._out, []
        return commands

    def put_back(self, now: datetime) -> list[Command]:
        """Leave all unfinished runs to the next scheduler, when this one does nothing more."""
        for machine in self.runs.values():
            for event in machine.put_back(STOPPED, now):
                self._record(event)
        commands, self._out = self._out, []
        return commands

    def clock_stepped(self, by: timedelta) -> None:
        """Take in that the clock was put forward `by` that much, or back, or that the machine was suspended.

        Schedule points lie at times on the clock: those that it went over were missed, and those that it
        shows again have been accounted for. Timeouts count the time that passes while the machine is up, and
        so they move with the clock. Retries do too, but none comes later than its time on the clock: after a
        suspension they are due at once.
        """

        def when(due: Due, at: datetime) -> datetime:
            match due:
                case PointDue():
                    return at
                case RetryDue(run_id, task_id):
                    logged = self.runs[run_id].tasks[task_id].retry_at
                    return later(at, by) if logged is None else min(logged, later(at, by))
                case _:
                    return later(at, by)

        self._timers.change(when)

    def advance(self, now: datetime) -> list[Command]:
        """Do everything that is due at `now`."""
        while (due := self._timers.pop_due(now)) is not None:
            match due:
                case PointDue(dag_id):
                    self._serve_points(self.dags[dag_id], now)
                case RetryDue(run_id, task_id):
                    self._retry(run_id, task_id, now)
                case RunOverdue(run_id):
                    self._time_out_run(self.runs[run_id], now)
                case _:
                    self._time_out(due)
        return self._commands(now)

    def serve_ahead(self, point: datetime) -> list[Command]:
        """Make the runs for the schedule points up to `point`, which is about to come.

        All is recorded as of `point`, and no attempt may start before it. Of what is due first, only points
        are served: time that somebody was given does not end early.
        """
        while (next_point := self.next_point) is not None and next_point <= point:
            due = self._timers.pop_due(point)
            assert isinstance(due, PointDue)
            self._serve_points(self.dags[due.dag_id], point)
        return self._commands(point)

    def _hold(self, key: AttemptKey, held: Held) -> None:
        """Note that a kernel is held. Each takes memory: there are no more of them than workers."""
        self.held[key] = held
        if len(self.held) > self.queue.limits.max_workers:
            oldest = next(iter(self.held))
            del self.held[oldest]
            self._out.append(Release(oldest))

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
        if self.draining or entry.dag.id in self.paused:
            return
        served = entry.timetable.due(now, most=entry.room)
        self._take_in(entry, served, now, missed=not entry.dag.catchup.is_on)

    def _pass_over(self, entry: DagEntry, now: datetime) -> None:
        """Account for the points of a pause up to `now`, unless they are caught up."""
        if entry.scheduled and not entry.dag.catchup.is_on:
            self._take_in(entry, entry.timetable.passed_over(now), now)

    def _take_in(self, entry: DagEntry, served: Served, now: datetime, *, missed: bool = False) -> None:
        entry.timetable, entry.next_point, entry.problem = served.timetable, served.next, served.problem
        for decision in served.decisions:
            self._carry_out(entry, decision, now, missed=missed)
        if entry.next_point is not None and entry.next_point > now:
            self._timers.set(entry.next_point, PointDue(entry.dag.id))

    def _carry_out(self, entry: DagEntry, decision: Decision, now: datetime, *, missed: bool) -> None:
        dag_id, run_type = entry.dag.id, decision.run_type
        kind, first, last, count = decision.kind, decision.first, decision.last, decision.count
        if run_type is not None:
            self._record(
                ScheduleEvent(dag_id, kind, first, last, count, now, run_id_of(dag_id, run_type, first))
            )
            self._create_run(entry, run_type, first, dict(entry.dag.params), now)
            return
        self._record(ScheduleEvent(dag_id, kind, first, last, count, now, missed=missed))
        if missed:
            self.missed.setdefault(dag_id, []).append(PointRange(first, last, count))

    def _fill_freed_place(self, entry: DagEntry, now: datetime) -> None:
        super()._fill_freed_place(entry, now)
        if entry.dag.catchup.takes_turns and entry.next_point is not None and entry.next_point <= now:
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

    def _time_out_run(self, machine: RunMachine, now: datetime) -> None:
        assert machine.dag.timeout is not None
        reason = f"ran longer than its timeout of {format_duration(machine.dag.timeout)}"
        self._end_early(machine, reason, now, timed_out=True)

    def _is_running(self, key: AttemptKey) -> bool:
        machine = self.runs.get(key.run_id)
        if machine is None:
            return False
        task = machine.tasks[key.task_id]
        return task.attempt == key.attempt and task.state is AttemptState.RUNNING


def _same_points(old: DagSpec, new: DagSpec) -> bool:
    def parts(dag: DagSpec) -> tuple[object, ...]:
        return str(dag.schedule), dag.timezone, dag.start, dag.end

    return parts(old) == parts(new)
