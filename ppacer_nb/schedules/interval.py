"""Fixed intervals from a fixed start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ppacer_nb.errors import InvalidSchedule
from ppacer_nb.model.durations import Duration, format_duration, parse_duration
from ppacer_nb.schedules.zones import aware

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class Every:
    """Points at equal distances of real time; made by `every`."""

    interval: timedelta
    start: datetime | None = None

    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        """Return the first point after `current`: `start` itself, or it plus a multiple of the interval.

        None if it lies beyond the end of all dates.
        """
        try:
            return self._first_after(current)
        except OverflowError:
            return None

    def _first_after(self, current: datetime) -> datetime:
        anchor = (self.start or _EPOCH).astimezone(UTC)
        steps = (current.astimezone(UTC) - anchor) // self.interval + 1
        if self.start is not None:
            steps = max(steps, 0)
        point = anchor + steps * self.interval
        return point if self.start is None else point.astimezone(self.start.tzinfo)

    def __str__(self) -> str:
        since = f" from {self.start:%Y-%m-%d %H:%M %Z}" if self.start is not None else ""
        return f"every {format_duration(self.interval)}{since}"

    def __repr__(self) -> str:
        since = f", start={self.start!r}" if self.start is not None else ""
        return f"every({format_duration(self.interval)!r}{since})"


def every(interval: Duration, *, start: datetime | None = None) -> Every:
    """Return the schedule with a point every `interval`, without drift.

    Parameters
    ----------
    interval
        A timedelta, seconds, or text such as ``"10m"``; at least a second.
    start
        The first point; aware. Without it, the points are multiples of the interval since 1970-01-01 UTC:
        every ten minutes means at :00, :10, :20 ...

    Raises
    ------
    InvalidSchedule, InvalidDuration
        If the interval is shorter than a second or no duration, or the start has no timezone.
    """
    step = parse_duration(interval, what="interval")
    if step < _SHORTEST:
        raise InvalidSchedule(f"an interval of {format_duration(step)} is too short: give a second or more.")
    return Every(step, aware(start, what="start of an interval"))
