"""Between the time on the wall and the instants behind it, where clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_RESOLUTION = timedelta(seconds=1)


def wall_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what a clock in `zone` shows at an aware `instant`, as a naive datetime."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instants_of(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the instants, in UTC and in order, at which clocks in `zone` show `wall`.

    None for a time that is skipped when clocks go forward, two for one that is repeated when they go back.
    """
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(instant for instant in sorted(both) if wall_time(instant, zone) == wall)


def is_shown_once(local: datetime) -> bool:
    """Return whether clocks show what the aware `local` says at one instant only: neither never nor twice."""
    return local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset()


def end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which clocks jumped over the skipped time `wall`."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    old = _offset(before, zone)
    while after - before > _RESOLUTION:  # the change lies in (before, after]
        middle = (before + (after - before) / 2).replace(microsecond=0)
        middle = max(middle, before + _RESOLUTION)
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after


def repetition_ahead(instant: datetime, zone: ZoneInfo) -> timedelta:
    """Return how far clocks will be put back if what they show at `instant` will come again, else zero."""
    local = instant.astimezone(zone)
    again = local.replace(fold=1).utcoffset()
    now = local.utcoffset()
    assert again is not None
    assert now is not None
    return max(now - again, timedelta(0)) if local.fold == 0 else timedelta(0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()
