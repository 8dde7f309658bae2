"""Schedules in words."""

from __future__ import annotations

import re
from datetime import timedelta

from cron_descriptor import ExpressionDescriptor, FormatError, Options

from ppacer_nb.errors import InvalidDuration, InvalidSchedule
from ppacer_nb.model.durations import parse_duration
from ppacer_nb.schedules.cron import ALIASES, cron

_WITH_ZONE = re.compile(r"(?P<expression>.*?)(?: \([\w/+-]+\))?")
_EVERY = re.compile(r"every (?P<interval>\S+)(?: from (?P<start>.+))?")
_TIMES_ONLY = re.compile(r"at (\d\d:\d\d(, | and )?)+")
_SHORTER = ((" through ", " to "), (", only on ", ", on "), (", only in ", ", in "))
_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def in_words(schedule: str) -> str:
    """Return what a schedule, given as its text, means: "at 06:15, Monday to Friday".

    "" for one of the user's own, whose text is all that is known of it.
    """
    if not schedule:
        return "only when it is triggered"
    if interval := _EVERY.fullmatch(schedule):
        return _interval(interval["interval"], interval["start"])
    match = _WITH_ZONE.fullmatch(schedule)
    return _cron(match["expression"]) if match else ""


def _cron(expression: str) -> str:
    try:
        fields = ALIASES.get(expression, cron(expression).expression)
    except InvalidSchedule:
        return ""
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"  # not the machine's: all the rest is English too
    try:
        words = ExpressionDescriptor(fields, options).get_description()
    except FormatError:
        return ""
    for long, short in _SHORTER:
        words = words.replace(long, short)
    words = words[:1].lower() + words[1:]
    return f"{words}, every day" if _TIMES_ONLY.fullmatch(words) else words


def _interval(text: str, start: str | None) -> str:
    try:
        left = parse_duration(text)
    except InvalidDuration:
        return ""
    parts: list[str] = []
    for name, unit in _UNITS:
        count, left = divmod(left, unit)
        if count:
            parts.append(name if count == 1 and not parts and not left else _count(count, name))
    if left:
        seconds = f"{left.total_seconds():g}"
        parts.append(
            "second" if seconds == "1" and not parts else f"{seconds} second{'s' * (seconds != '1')}"
        )
    return f"every {' '.join(parts)}" + (f", counted from {start}" if start else "")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"
