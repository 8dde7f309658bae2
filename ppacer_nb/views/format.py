"""Moments, ages, lengths of time and sizes as people read them. `now` is always an argument."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import humanize

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NEAR_DAYS = {-1: "yesterday", 0: "today", 1: "tomorrow"}


def format_when(instant: datetime, now: datetime, zone: tzinfo) -> str:
    """Return `instant` in `zone`, as short as `now` allows.

    "06:15 today", "06:15 yesterday", "Mon 23 Nov 06:15", and in another year "23 Nov 2025 06:15".
    """
    local, today = in_zone(instant, zone), in_zone(now, zone)
    clock = f"{local.hour:02}:{local.minute:02}"
    if near := _NEAR_DAYS.get(local.toordinal() - today.toordinal()):
        return f"{clock} {near}"
    day = f"{local.day} {_MONTHS[local.month - 1]}"
    if local.year == today.year:
        return f"{_WEEKDAYS[local.weekday()]} {day} {clock}"
    return f"{day} {local.year} {clock}"


def format_age(instant: datetime, now: datetime) -> str:
    """Return how far `instant` is from `now`: "3 minutes ago", "in 5 minutes", "just now" within a second."""
    distance = now - instant
    # Seconds are not counted down: what is due in 4:59.98 is due in 5 minutes.
    away = abs(timedelta(seconds=round(distance.total_seconds())))
    if not away:
        return "just now"
    words = humanize.naturaldelta(away)
    return f"{words} ago" if distance > timedelta(0) else f"in {words}"


def format_elapsed(elapsed: timedelta) -> str:
    """Return a length of time with two numbers at most: "0.35 s", "12.4 s", "3 min 20 s", "1 h 05 min"."""
    if elapsed < timedelta(0):  # the clock was set back while something ran
        return f"-{format_elapsed(-elapsed)}"
    exact = elapsed.total_seconds()
    if round(exact, 2) < 10:
        return f"{exact:.2f} s"
    if round(exact, 1) < 60:
        return f"{exact:.1f} s"
    minutes, seconds = divmod(round(exact), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02} s"
    hours, minutes = divmod(round(exact / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(round(exact / 3600), 24)
    return f"{days:,} d {hours:02} h"


def format_bytes(size: int) -> str:
    """Return a number of bytes in decimal units: "512 Bytes", "1.5 MB"."""
    try:
        return humanize.naturalsize(size)
    except OverflowError:  # more than a float holds
        return f"{size} Bytes"


def in_zone(instant: datetime, zone: tzinfo | None) -> datetime:
    """Return `instant` in `zone`, or as it is where that lies outside the calendar; None is our own."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant
