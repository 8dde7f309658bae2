"""Durations as people write them: a timedelta, seconds, or text such as ``"1h30m"``."""

from __future__ import annotations

import math
import re
import reprlib
from datetime import datetime, timedelta

from ppacer_nb.errors import InvalidDuration

Duration = timedelta | int | float | str

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])", re.IGNORECASE)
_HINT = 'write a timedelta, seconds, or text such as "90s", "5m" or "1h30m" (units: ms s m h d w)'


def parse_duration(value: Duration, *, what: str = "duration") -> timedelta:
    """Return `value` as a timedelta.

    Parameters
    ----------
    value
        A timedelta, a number of seconds, or numbers with units: ``ms s m h d w``.
    what
        What the duration is for, as the error names it.

    Raises
    ------
    InvalidDuration
        If it is none of these, negative, not finite, or longer than a timedelta holds.
    """
    try:
        duration = _to_timedelta(value)
    except OverflowError:
        duration = None
    if duration is None or duration < timedelta(0):
        raise InvalidDuration(f"{what} {_shown(value)} is not a duration: {_HINT}.")
    return duration


def later(now: datetime, wait: timedelta) -> datetime:
    """Return when `wait` is over: at the end of all dates, if that lies beyond it."""
    try:
        return now + wait
    except OverflowError:  # a timeout of thousands of years
        return datetime.max.replace(tzinfo=now.tzinfo)


def format_duration(duration: timedelta) -> str:
    """Return `duration` in the form that `parse_duration` reads, largest unit first: ``"1h30m"``."""
    microseconds = duration // timedelta(microseconds=1)
    parts = []
    for unit in ("d", "h", "m"):
        count, microseconds = divmod(microseconds, _UNITS[unit] // timedelta(microseconds=1))
        if count:
            parts.append(f"{count}{unit}")
    if microseconds or not parts:
        parts.append(f"{microseconds / 1e6:.6f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)


def _shown(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes out no number of over 4,300 digits
        return "of thousands of digits"


def _to_timedelta(value: object) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return timedelta(seconds=value) if math.isfinite(value) else None
    if isinstance(value, str):
        return _from_text(value)
    return None


def _from_text(text: str) -> timedelta | None:
    total, position = timedelta(0), 0
    text = text.rstrip()
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _UNITS[part[2].lower()]
        position = part.end()
    return total if text else None
