"""Points that were missed while no scheduler ran and no catch-up mode applied: people choose what is run."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from ppacer_nb.engine.commands import Command
from ppacer_nb.engine.control import Control
from ppacer_nb.engine.queue import Limits
from ppacer_nb.engine.runs import DagEntry
from ppacer_nb.engine.timetable import MAX_COUNTED, newest_point, points_of
from ppacer_nb.errors import InvalidOption, SchedulerError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import CatchupEvent, EventOfRun, ScheduleEvent
from ppacer_nb.model.ids import run_id_of
from ppacer_nb.model.points import PointRange
from ppacer_nb.status import CatchupChoice, RunType, ScheduleEventKind


class CatchingUp(Control):
    """Offers missed points, and runs those that were chosen, in order, as far as their DAG has room."""

    def __init__(
        self,
        limits: Limits,
        runs_folder: Path,
        paused: Collection[str] = (),
        unfinished: Mapping[str, Sequence[EventOfRun]] = MappingProxyType({}),
    ) -> None:
        super().__init__(limits, runs_folder, paused, unfinished)
        self.missed: dict[str, list[PointRange]] = {}  #: by DAG: what nobody has decided on yet, in order
        self.to_catch_up: dict[str, deque[datetime]] = {}  #: by DAG: what waits for its turn, in order

    def restore_missed(
        self, missed: Mapping[str, Sequence[PointRange]], to_catch_up: Mapping[str, Sequence[datetime]]
    ) -> None:
        """Take in, before any DAG is registered, what the log says of points that were missed."""
        self.missed = {dag_id: list(ranges) for dag_id, ranges in missed.items()}
        self.to_catch_up = {dag_id: deque(points) for dag_id, points in to_catch_up.items()}

    def catch_up(
        self, dag_id: str, choice: str, with_run: Collection[datetime], now: datetime, *, by: str
    ) -> tuple[list[datetime], list[Command]]:
        """Decide on the points that a DAG missed; return those that are run now or when there is room.

        Points `with_run` have a scheduled run or one that caught up already. "none" also gives up what an
        earlier choice has not run yet.

        Raises
        ------
        InvalidOption
            If `choice` is not "none", "last" or "all".
        NotFound
            If no DAG has that id.
        SchedulerError
            If it missed none, more points than can be caught up, or the scheduler is stopping.
        """
        if choice not in list(CatchupChoice):
            raise InvalidOption(f"missed points are caught up as none, last or all, not {choice!r}.")
        ranges = self.missed.get(dag_id, [])
        if not ranges and not (choice == CatchupChoice.NONE and self.to_catch_up.get(dag_id)):
            self._entry(dag_id)
            raise SchedulerError(f"DAG {dag_id!r} has no missed points to decide on.")
        if choice == CatchupChoice.NONE:
            self.to_catch_up.pop(dag_id, None)
            points = []
        else:
            points = self._chosen(dag_id, ranges, CatchupChoice(choice), with_run)
        self.missed.pop(dag_id, None)
        self._record(CatchupEvent(dag_id, CatchupChoice(choice), tuple(points), now, by))
        if points:
            self.to_catch_up.setdefault(dag_id, deque()).extend(points)
            self._catch_up(self.dags[dag_id], now)
        return points, self._commands(now)

    def _chosen(
        self, dag_id: str, ranges: Sequence[PointRange], choice: CatchupChoice, with_run: Collection[datetime]
    ) -> list[datetime]:
        dag = self._entry(dag_id).dag
        if self.draining:
            raise SchedulerError(f"the scheduler is stopping: {dag_id!r} does not catch up.")
        if choice is CatchupChoice.ALL:
            _check_count(dag_id, ranges)
            points = [point for r in ranges for point in points_of(dag, r.first, r.last)]
            return [point for point in points if point not in with_run]
        for r in reversed(ranges):
            newest = _newest(dag, r, with_run)
            if newest is not None:
                return [newest]
        return []

    def _fill_freed_place(self, entry: DagEntry, now: datetime) -> None:
        super()._fill_freed_place(entry, now)
        self._catch_up(entry, now)

    def _catch_up(self, entry: DagEntry, now: datetime) -> None:
        """Make runs of the points that were chosen, while there is room."""
        dag_id = entry.dag.id
        points = self.to_catch_up.get(dag_id)
        while points and entry.room and not self.draining and dag_id not in self.paused:
            point = points.popleft()
            run_id = run_id_of(dag_id, RunType.CATCHUP, point)
            self._record(ScheduleEvent(dag_id, ScheduleEventKind.CAUGHT_UP, point, point, 1, now, run_id))
            self._create_run(entry, RunType.CATCHUP, point, dict(entry.dag.params), now)


def _newest(dag: DagSpec, missed: PointRange, with_run: Collection[datetime]) -> datetime | None:
    if missed.count is None:
        return newest_point(dag, missed.first, missed.last)
    return next((p for p in reversed(points_of(dag, missed.first, missed.last)) if p not in with_run), None)


def _check_count(dag_id: str, ranges: Sequence[PointRange]) -> None:
    if any(r.count is None for r in ranges) or sum(r.count or 0 for r in ranges) > MAX_COUNTED:
        raise SchedulerError(
            f"DAG {dag_id!r} missed over {MAX_COUNTED:,} points: catch up the last one, or run a "
            "backfill over a part of them."
        )
