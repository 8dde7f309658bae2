"""Which schedule points are due, and what becomes of those that were missed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.model.catchup import CatchupMode
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.schedules.protocol import next_point
from ppacer_nb.status import RunType, ScheduleEventKind

#: A point served later than this was missed: the scheduler was not up, or the machine slept.
ON_TIME = timedelta(minutes=1)

#: Missed points are counted one by one up to here; a second's interval missed for a year is not.
MAX_COUNTED = 10_000

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the point `first`, or of all points from `first` to `last`."""

    kind: ScheduleEventKind
    first: datetime
    last: datetime
    count: int | None  #: None: more than `MAX_COUNTED`; `last` is then no point, but lies after the last

    @property
    def run_type(self) -> RunType | None:
        """The type of the run to make, None where the points are passed over."""
        return _RUN_TYPES.get(self.kind)


class Served(NamedTuple):
    """What became of the points that were due."""

    decisions: list[Decision]
    timetable: Timetable  #: after them
    next: datetime | None  #: the first point not decided: in the future, or waiting for room
    problem: str  #: why there is no next point, where the schedule cannot say


@dataclass(frozen=True, slots=True)
class Timetable:
    """The schedule of a DAG, and how far its points are accounted for."""

    dag: DagSpec
    after: datetime  #: every point up to here is accounted for
    previous: datetime | None = None  #: the last point there was
    found: datetime | None = field(default=None, compare=False)  #: the next one, once it was asked for

    @classmethod
    def of(cls, dag: DagSpec, accounted: datetime | None, now: datetime) -> Timetable:
        """Begin where the history of `dag` ends: at its point `accounted`, or without one at `now`.

        With catch-up and a start of its own, a DAG without a history begins at that start.
        """
        if accounted is not None:
            return cls(dag, accounted, accounted)
        start = dag.start or (dag.schedule.start if dag.schedule is not None else None)
        if dag.catchup.is_on and start is not None:
            now = min(now, start - _MICROSECOND)
        return cls(dag, now)

    def is_ahead_of(self, now: datetime) -> bool:
        """Whether points in the future count as accounted for: the clock was wrong once, or is wrong now."""
        return self.dag.schedule is not None and self.after - now > ON_TIME

    @property
    def next(self) -> datetime | None:
        """The first point that is not accounted for."""
        dag = self.dag
        if dag.schedule is None or self.found is not None:
            return self.found
        after = self.after
        if dag.start is not None:
            after = max(after, dag.start - _MICROSECOND)
        point = next_point(dag.schedule, after, self.previous)
        return None if point is None or (dag.end is not None and point > dag.end) else point

    def due(self, now: datetime, *, most: int) -> Served:
        """Return what becomes of the points up to `now`, and what comes after them.

        Where the catch-up mode lets points take turns, `most` of them become runs, and those beyond stay
        unaccounted for, in order.
        """
        decisions: list[Decision] = []
        table: Timetable = self
        try:
            while (point := table.next) is not None and point <= now:
                given_up_before = table._given_up_before(point, now)
                if point < given_up_before:
                    decision, table = table._skip(point, given_up_before)
                elif most > 0 or not self.dag.catchup.takes_turns:
                    late = now - point > ON_TIME
                    kind = ScheduleEventKind.CAUGHT_UP if late else ScheduleEventKind.REGULAR
                    decision, table = Decision(kind, point, point, 1), table._at(point)
                    most -= 1
                else:
                    break
                decisions.append(decision)
        except InvalidSchedule as error:  # a schedule of the user's own; what was decided before stands
            return Served(decisions, table, None, str(error))
        return Served(decisions, Timetable(table.dag, table.after, table.previous, point), point, "")

    def passed_over(self, now: datetime) -> Served:
        """Return what becomes of the points up to `now` if none of them is to be served."""
        decisions: list[Decision] = []
        table: Timetable = self
        try:
            if (point := self.next) is not None and point <= now:
                decision, table = self._skip(point, now + _MICROSECOND)
                decisions.append(decision)
            return Served(decisions, table, table.next, "")
        except InvalidSchedule as error:  # a schedule of the user's own
            return Served(decisions, table, None, str(error))

    def _given_up_before(self, first: datetime, now: datetime) -> datetime:
        """Return before when missed points are not run, given the `first` point to decide."""
        catchup, missed_before = self.dag.catchup, now - ON_TIME
        match catchup.mode:
            case CatchupMode.OFF:
                return missed_before
            case CatchupMode.LAST if first < missed_before:
                return self._newest(first, missed_before)
            case CatchupMode.WINDOW:
                assert catchup.window is not None
                return earlier(now, max(catchup.window, ON_TIME))
        return first

    def _newest(self, first: datetime, until: datetime) -> datetime:
        """Return the last point before `until`; `first` is one."""
        newest, table = first, self._at(first)
        for _ in range(MAX_COUNTED):
            point = table.next
            if point is None or point >= until:
                return newest
            newest, table = point, table._at(point)
        return self._searched(newest, until)

    def _searched(self, newest: datetime, until: datetime) -> datetime:
        """Return the last point before `until` without a look at each; `newest` is one of those."""
        none_after = until
        while none_after > newest:
            middle = newest + (none_after - newest) // 2
            point = Timetable(self.dag, middle, self.previous).next
            if point is not None and point < until:
                newest = point
            else:
                none_after = middle
        return newest

    def _skip(self, first: datetime, until: datetime) -> tuple[Decision, Timetable]:
        """Pass over the points from `first` to before `until`."""
        table, last = self._at(first), first
        for count in range(1, MAX_COUNTED + 1):
            point = table.next
            if point is None or point >= until:
                return Decision(ScheduleEventKind.SKIPPED, first, last, count), table
            table, last = table._at(point), point
        bound = until - _MICROSECOND
        return Decision(ScheduleEventKind.SKIPPED, first, bound, None), Timetable(
            self.dag, bound, self.previous
        )

    def _at(self, point: datetime) -> Timetable:
        return Timetable(self.dag, point, point)


def points_of(dag: DagSpec, first: datetime, last: datetime, most: int = MAX_COUNTED) -> list[datetime]:
    """Return the points of `dag` from `first` to `last`, at most `most` and one more.

    Raises
    ------
    InvalidSchedule
        If a schedule of the user's own cannot say.
    """
    points: list[datetime] = []
    table = Timetable(dag, earlier(first, _MICROSECOND))
    while len(points) <= most and (point := table.next) is not None and point <= last:
        points.append(point)
        table = table._at(point)
    return points


def newest_point(dag: DagSpec, first: datetime, last: datetime) -> datetime | None:
    """Return the last point of `dag` from `first` to `last`, however many there are; None for none."""
    table = Timetable(dag, earlier(first, _MICROSECOND))
    point = table.next
    return None if point is None or point > last else table._newest(point, last + _MICROSECOND)


def earlier(now: datetime, span: timedelta) -> datetime:
    """Return what was `span` before `now`: the beginning of all dates, if that lies before it."""
    try:
        return now - span
    except OverflowError:  # a window of thousands of years
        return datetime.min.replace(tzinfo=now.tzinfo)


_RUN_TYPES = {
    ScheduleEventKind.REGULAR: RunType.SCHEDULED,
    ScheduleEventKind.CAUGHT_UP: RunType.CATCHUP,
}
