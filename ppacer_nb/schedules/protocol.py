"""What a schedule is, and how the scheduler asks one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from ppacer_nb.errors import InvalidSchedule

_JUST_BEFORE = timedelta(microseconds=1)


@runtime_checkable
class Schedule(Protocol):
    """When a DAG runs. Any object with these three can be a DAG's schedule.

    ::

        class FridayEveningAndMondayMorning:
            start = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Warsaw"))

            def next(self, current, previous=None): ...

            def __str__(self):
                return "Friday 18:00 and Monday 08:00"
    """

    @property
    def start(self) -> datetime | None:
        """No point lies before it; None for no such bound."""
        ...

    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        """Return the first point after `current`, None if there is none any more.

        Parameters
        ----------
        current
            Aware. The point returned lies strictly after it.
        previous
            The point before, for schedules that depend on it; None at the beginning.
        """
        ...

    def __str__(self) -> str:
        """Return the schedule as text."""
        ...


def next_point(schedule: Schedule, current: datetime, previous: datetime | None = None) -> datetime | None:
    """Ask `schedule` for its first point after `current` and not before its start; return it in UTC.

    Raises
    ------
    InvalidSchedule
        If it raises, or returns something that is no aware datetime after `current`.
    """
    try:
        if schedule.start is not None and schedule.start > current:
            current = schedule.start - _JUST_BEFORE
        point = schedule.next(current, previous)
    except InvalidSchedule:
        raise
    except Exception as error:  # code of the user's own
        raise InvalidSchedule(f"schedule {schedule} raised {type(error).__name__}: {error}") from error
    if point is None:
        return None
    if not isinstance(point, datetime) or point.tzinfo is None:
        raise InvalidSchedule(
            f"schedule {schedule} returned {point!r}, which is no datetime with a timezone."
        )
    if point <= current:
        raise InvalidSchedule(f"schedule {schedule} returned {point}, which is not later than {current}.")
    try:
        return point.astimezone(UTC)
    except OverflowError:  # beyond the end of all dates, which comes later in that zone
        return None


def points_between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the points of `schedule` after `after` and up to `until`, in UTC."""
    point = next_point(schedule, after)
    while point is not None and point <= until:
        yield point
        point = next_point(schedule, point, point)
