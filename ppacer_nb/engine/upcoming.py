"""Which schedule points come next."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from ppacer_nb.engine.timetable import Timetable
from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.model.points import UpcomingPoint


def points_after(table: Timetable, now: datetime) -> Iterator[datetime]:
    """Yield the points of `table` after `now` in their order, up to where the schedule cannot say any more.

    What became due before and waits for its turn is not among them.
    """
    if table.after < now:
        table = Timetable(table.dag, now, table.previous)
    try:
        while (point := table.next) is not None:
            yield point
            table = Timetable(table.dag, point, point)
    except InvalidSchedule:  # a schedule of the user's own: what is said of the DAG tells why
        return


def upcoming_points(tables: Iterable[Timetable], now: datetime, most: int) -> list[UpcomingPoint]:
    """Return the next `most` points after `now` of all `tables` together, in their order."""
    of_all = heapq.merge(*(_points_with_id(table, now) for table in tables))
    return [UpcomingPoint(dag_id, point) for point, dag_id in islice(of_all, most)]


def _points_with_id(table: Timetable, now: datetime) -> Iterator[tuple[datetime, str]]:
    for point in points_after(table, now):
        yield point, table.dag.id
