"""One backfill as a state machine: its events alone change it, so the log adds up to where it stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from ppacer_nb.engine.timetable import MAX_COUNTED, points_of
from ppacer_nb.errors import InvalidOption
from ppacer_nb.model.backfill import BackfillOrder, BackfillRequest, SkippedPoint, Why
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import BackfillEvent, Event, RunEvent, ScheduleEvent
from ppacer_nb.model.points import PointRun
from ppacer_nb.status import BackfillState, Rerun, RunState, RunType


class Backfill:
    """A backfill from its first event to its last."""

    def __init__(self, asked: BackfillEvent) -> None:
        assert asked.order is not None
        self.id = asked.backfill_id
        self.dag_id = asked.dag_id
        self.order: BackfillOrder = asked.order
        self.state = asked.state
        self.runs: dict[str, RunState | None] = {}  #: how its runs ended, None: not yet; in order
        self.recalling: str | None = None  #: the ended run whose history is being read, to run it again

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return not self.state.is_terminal

    @property
    def unfinished(self) -> list[str]:
        """The ids of its runs that are under way."""
        return [run_id for run_id, state in self.runs.items() if state is None]

    @property
    def next_point(self) -> datetime | None:
        """What it is to run now; None if nothing is left, or there is no room."""
        has_room = self.recalling is None and len(self.unfinished) < self.order.request.concurrency
        if self.state is not BackfillState.RUNNING or not has_room:
            return None
        return self.order.points[len(self.runs)] if len(self.runs) < len(self.order.points) else None

    @property
    def is_through(self) -> bool:
        """Whether all of its runs have ended."""
        return len(self.runs) == len(self.order.points) and not self.unfinished

    def apply(self, event: Event) -> None:
        """Take in one event of the log; those of others change nothing."""
        match event:
            case BackfillEvent(backfill_id=self.id):
                self.state = event.state
            case ScheduleEvent(backfill_id=self.id, run_id=str(run_id)):
                self.runs[run_id] = None
            case RunEvent(run_id=run_id, state=state) if run_id in self.runs:
                self.runs[run_id] = state if state.is_terminal else None


def restored(events: Sequence[Event]) -> Backfill:
    """Return the backfill that these events, the first of them its beginning, add up to."""
    first, *rest = events
    assert isinstance(first, BackfillEvent)
    backfill = Backfill(first)
    for event in rest:
        backfill.apply(event)
    return backfill


def points_to_fill(dag: DagSpec, first: datetime, last: datetime, now: datetime) -> list[datetime]:
    """Return the points of `dag` from `first` to `last`, as far as they have come.

    Raises
    ------
    InvalidOption
        If there are none, or too many.
    """
    if dag.schedule is None:
        raise InvalidOption(
            f"DAG {dag.id!r} has no schedule, so there are no dates to fill: trigger it with a logical date."
        )
    if first > now:
        raise InvalidOption(f"the backfill of DAG {dag.id!r} lies in the future: its schedule comes to it.")
    points = points_of(dag, first, min(last, now))
    if not points:
        raise InvalidOption(
            f"the schedule {dag.schedule} of DAG {dag.id!r} has no point from {first:%Y-%m-%d %H:%M} to "
            f"{min(last, now):%Y-%m-%d %H:%M} UTC: give another range."
        )
    if len(points) > MAX_COUNTED:
        raise InvalidOption(
            f"the backfill of DAG {dag.id!r} has over {MAX_COUNTED:,} points: give a shorter range."
        )
    return points


def planned(
    request: BackfillRequest,
    points: Sequence[datetime],
    runs: Sequence[PointRun],
    *,
    waiting: Collection[datetime],
    accounted: datetime,
) -> tuple[BackfillOrder, list[SkippedPoint]]:
    """Return what is run of `points`, and what is left out.

    Parameters
    ----------
    runs
        All runs that the DAG has for them, of every type.
    waiting
        Points that wait for a run to catch up.
    accounted
        The schedule has yet to come to the points after it.
    """
    runs_of: dict[datetime, list[PointRun]] = defaultdict(list)
    for run in runs:
        runs_of[run.point].append(run)
    chosen, skipped, again = [], [], set()
    for point in points:
        why = _why_not(runs_of[point], request.rerun, comes=point > accounted, waits=point in waiting)
        if why is not None:
            skipped.append(SkippedPoint(point, why))
            continue
        chosen.append(point)
        if any(run.run_type is RunType.BACKFILL for run in runs_of[point]):
            again.add(point)
    return BackfillOrder(request, tuple(chosen), frozenset(again)), skipped


def _why_not(runs: Sequence[PointRun], rerun: Rerun, *, comes: bool, waits: bool) -> Why | None:
    """Return why a point is left out, None if it is run."""
    states = {run.state for run in runs}
    if waits or any(not state.is_terminal for state in states):
        return "unfinished"
    if RunState.SUCCESS in states:
        return None if rerun is Rerun.ALL else "succeeded"
    if states:
        return "failed" if rerun is Rerun.NONE else None
    return "to come" if comes else None
