"""The backfills of all DAGs: at most one at a time of each, beside its scheduled runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from ppacer_nb.engine.backfill import Backfill, planned, restored
from ppacer_nb.engine.catching_up import CatchingUp
from ppacer_nb.engine.commands import Command, Recall
from ppacer_nb.engine.queue import Limits
from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.engine.runs import DagEntry
from ppacer_nb.errors import NotFound, SchedulerError
from ppacer_nb.model.backfill import BackfillPlan, BackfillRequest
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import BackfillEvent, Event, EventOfRun, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import dag_id_of, run_id_of, stamp
from ppacer_nb.model.points import PointRun
from ppacer_nb.status import BackfillState, RunType, ScheduleEventKind


class Backfills(CatchingUp):
    """Makes the runs of backfills, each in order and within its own concurrency.

    Its runs are not counted in the DAG's ``max_active_runs``, and a pause of the DAG does not hold them up.
    """

    def __init__(
        self,
        limits: Limits,
        runs_folder: Path,
        paused: Collection[str] = (),
        unfinished: Mapping[str, Sequence[EventOfRun]] = MappingProxyType({}),
    ) -> None:
        super().__init__(limits, runs_folder, paused, unfinished)
        self.backfills: dict[str, Backfill] = {}  #: by DAG: its latest, as far as it is known here
        self._last_ids: dict[str, datetime] = {}  # by DAG: the instant that its latest one is named after

    def restore_backfill(self, events: Sequence[Event]) -> None:
        """Take in a backfill that has not ended, by all its events and those of its DAG's runs since.

        Call it before its DAG is registered: it goes on then, with those of its runs that have not ended.
        """
        backfill = restored(events)
        self.backfills[backfill.dag_id] = backfill

    def dag_of(self, dag_id: str) -> DagSpec:
        """Return the newest version of a DAG; raises NotFound if it is not defined."""
        return self._entry(dag_id).dag

    def backfill(
        self,
        dag_id: str,
        request: BackfillRequest,
        points: Sequence[datetime],
        runs: Sequence[PointRun],
        now: datetime,
        *,
        by: str,
        dry_run: bool,
    ) -> tuple[BackfillPlan, list[Command]]:
        """Begin a backfill over `points`, which have these `runs`; a `dry_run` only says what it does.

        Raises
        ------
        NotFound
            If no DAG has that id.
        InvalidParameters
            If the DAG does not declare one of the params.
        SchedulerError
            If a backfill of the DAG is under way, or the scheduler is stopping.
        """
        entry = self._entry(dag_id)
        entry.dag.with_params(request.params)
        waiting = frozenset(self.to_catch_up.get(dag_id, ()))
        order, skipped = planned(
            request, points, runs, waiting=waiting, accounted=self._accounted(entry, now)
        )
        plan = BackfillPlan(dag_id, request.first, request.last, order.points, skipped, request.concurrency)
        if dry_run:
            return plan, []
        latest = self.backfills.get(dag_id)
        if latest is not None and latest.is_open:
            raise SchedulerError(
                f"a backfill of DAG {dag_id!r} is {latest.state}: wait for it, or cancel it."
            )
        if self.draining:
            raise SchedulerError(f"the scheduler is stopping: no backfill of {dag_id!r} begins.")
        if not order.points:
            return plan, []
        plan = replace(plan, backfill_id=self._free_id(dag_id, now))
        asked = BackfillEvent(
            plan.backfill_id, dag_id, BackfillState.RUNNING, now, f"asked for by {by}", order
        )
        self.backfills[dag_id] = Backfill(asked)
        self._record(asked)
        self._serve_backfill(entry, now)
        return plan, self._commands(now)

    def pause_backfill(self, dag_id: str, now: datetime, *, by: str) -> list[Command]:
        """Begin no more runs of a backfill; those under way go on.

        Raises
        ------
        NotFound
            If no backfill of that DAG is under way.
        SchedulerError
            If it is paused already.
        """
        backfill = self._open_backfill(dag_id)
        if backfill.state is BackfillState.PAUSED:
            raise SchedulerError(f"the backfill of DAG {dag_id!r} is paused already.")
        self._record(_now_is(backfill, BackfillState.PAUSED, now, f"paused by {by}"))
        return self._commands(now)

    def resume_backfill(self, dag_id: str, now: datetime, *, by: str) -> list[Command]:
        """Let a paused backfill go on.

        Raises
        ------
        NotFound
            If no backfill of that DAG is under way.
        SchedulerError
            If it is not paused.
        """
        backfill = self._open_backfill(dag_id)
        if backfill.state is not BackfillState.PAUSED:
            raise SchedulerError(f"the backfill of DAG {dag_id!r} is not paused.")
        self._record(_now_is(backfill, BackfillState.RUNNING, now, f"resumed by {by}"))
        if dag_id in self.dags:
            self._serve_backfill(self.dags[dag_id], now)
        return self._commands(now)

    def cancel_backfill(self, dag_id: str, now: datetime, *, by: str) -> list[Command]:
        """End a backfill for good, and its runs that are under way early; NotFound if there is none."""
        backfill = self._open_backfill(dag_id)
        reason = f"backfill cancelled by {by}"
        self._record(_now_is(backfill, BackfillState.CANCELLED, now, reason))
        for run_id in backfill.unfinished:
            if run_id in self.runs:
                self._end_early(self.runs[run_id], reason, now)
        return self._commands(now)

    def recalled(self, run_id: str, history: Sequence[EventOfRun], now: datetime) -> list[Command]:
        """Run an ended run again, given its `history`, as the command `Recall` asked for."""
        backfill = self.backfills.get(dag_id_of(run_id))
        if backfill is None or backfill.recalling != run_id:
            return []
        backfill.recalling = None
        entry, point = self.dags[backfill.dag_id], backfill.next_point
        if point is None or self.draining:
            return self._commands(now)  # paused or cancelled meanwhile
        self._record_point(backfill, point, run_id, now)
        if run_id not in self.runs:  # else somebody restarted it meanwhile: then that is waited for
            self._run_again(entry, backfill, history, now)
        self._serve_backfill(entry, now)
        return self._commands(now)

    def _take_up(self, entry: DagEntry, now: datetime) -> None:
        super()._take_up(entry, now)
        backfill = self.backfills.get(entry.dag.id)
        for run_id in backfill.unfinished if backfill is not None else ():
            if run_id in entry.waiting:  # these wait for no turn
                entry.waiting.remove(run_id)
                self._go_on_at_once(self.runs[run_id], now)

    def _serve_backfill(self, entry: DagEntry, now: datetime) -> None:
        """Begin what has room, and end a backfill that is through."""
        backfill = self.backfills.get(entry.dag.id)
        if backfill is None:
            return
        while not self.draining and (point := backfill.next_point) is not None:
            run_id = run_id_of(entry.dag.id, RunType.BACKFILL, point)
            if point in backfill.order.again:
                backfill.recalling = run_id
                self._out.append(Recall(run_id))
                return
            self._record_point(backfill, point, run_id, now)
            params = {**entry.dag.params, **backfill.order.request.params}
            reason = f"backfill {backfill.id}"
            machine = self._new_run(entry.dag, RunType.BACKFILL, point, params, now, reason)
            self._absorb(machine, machine.begin(now), now)
        if backfill.is_open and backfill.is_through:
            self._record(_now_is(backfill, BackfillState.FINISHED, now, ""))

    def _run_again(
        self, entry: DagEntry, backfill: Backfill, history: Sequence[EventOfRun], now: datetime
    ) -> None:
        machine: RunMachine = replay(entry.dag, history)
        params = {**entry.dag.params, **backfill.order.request.params}
        machine.created = replace(machine.created, params=params)
        self.runs[machine.run_id] = machine
        self._absorb(machine, machine.clear(list(machine.tasks), f"backfill {backfill.id}", now), now)
        if machine.run_id in self.runs:
            self._absorb(machine, machine.begin(now), now)

    def _record_point(self, backfill: Backfill, point: datetime, run_id: str, now: datetime) -> None:
        kind = ScheduleEventKind.BACKFILLED
        self._record(
            ScheduleEvent(backfill.dag_id, kind, point, point, 1, now, run_id, backfill_id=backfill.id)
        )

    def _record(self, event: Event) -> None:
        super()._record(event)
        if self.backfills and not isinstance(event, TaskEvent) and event.dag_id in self.backfills:
            self.backfills[event.dag_id].apply(event)

    def _fill_freed_place(self, entry: DagEntry, now: datetime) -> None:
        super()._fill_freed_place(entry, now)
        self._serve_backfill(entry, now)

    def _free_id(self, dag_id: str, now: datetime) -> str:
        """Return an id that spells `now`, or the first instant after it that no backfill is named after."""
        if (last := self._last_ids.get(dag_id)) is not None:
            now = max(now, last + timedelta(microseconds=1))
        self._last_ids[dag_id] = now
        return f"{dag_id}/{stamp(now)}"

    def _open_backfill(self, dag_id: str) -> Backfill:
        backfill = self.backfills.get(dag_id)
        if backfill is None or not backfill.is_open:
            raise NotFound(f"no backfill of DAG {dag_id!r} is under way.")
        return backfill

    def _accounted(self, entry: DagEntry, now: datetime) -> datetime:
        """Return up to when a point has no run of the schedule to expect."""
        left_out = entry.dag.id in self.paused and not entry.dag.catchup.is_on
        return now if left_out or not entry.scheduled else entry.timetable.after


def _now_is(backfill: Backfill, state: BackfillState, now: datetime, reason: str) -> BackfillEvent:
    return BackfillEvent(backfill.id, backfill.dag_id, state, now, reason)
