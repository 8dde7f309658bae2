"""Timezones and points in time as users give them."""

from __future__ import annotations

import difflib
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ppacer_nb.errors import InvalidSchedule


def zone_of(timezone: str | ZoneInfo) -> ZoneInfo:
    """Return a timezone by its IANA name; raise InvalidSchedule if there is none, with the nearest name."""
    if isinstance(timezone, ZoneInfo):
        return timezone
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        close = difflib.get_close_matches(str(timezone), available_timezones(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InvalidSchedule(
            f"{timezone!r} is no timezone{hint}: give an IANA name such as 'Europe/Warsaw'."
        ) from None


def aware(moment: datetime | None, *, what: str) -> datetime | None:
    """Return `moment` if it has a timezone, or is None; raise InvalidSchedule otherwise."""
    if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
        raise InvalidSchedule(
            f"{what} is {moment!r}: give a datetime with a timezone, "
            "such as datetime(2026, 1, 1, tzinfo=ZoneInfo('Europe/Warsaw'))."
        )
    return moment
