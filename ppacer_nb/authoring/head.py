"""The arguments of a DAG as users give them, checked. Every error names the DAG and the mend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ppacer_nb import values
from ppacer_nb.errors import CannotPickle, InvalidOption, InvalidSchedule, ValueNotPicklable
from ppacer_nb.model.catchup import Catchup
from ppacer_nb.model.dag import did_you_mean
from ppacer_nb.schedules import parse_schedule
from ppacer_nb.schedules.protocol import Schedule

# What lies beyond them in some zone has no date in UTC, or nothing just before it.
_FIRST, _LAST = datetime(1, 12, 31, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def zone_of(timezone: str | ZoneInfo | None, dag_id: str) -> ZoneInfo:
    """Return a timezone by its IANA name, UTC for None."""
    if isinstance(timezone, ZoneInfo):
        return timezone
    try:
        return ZoneInfo("UTC" if timezone is None else timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        hint = did_you_mean(str(timezone), available_timezones())
        raise InvalidSchedule(
            f"timezone of DAG {dag_id!r} is {timezone!r}{hint}: give an IANA name such as 'Europe/Warsaw'."
        ) from None


def schedule_of(schedule: object, zone: ZoneInfo, dag_id: str) -> Schedule | None:
    """Return what `parse_schedule` makes of it; its errors name the DAG."""
    try:
        return parse_schedule(schedule, timezone=zone)
    except InvalidSchedule as error:
        raise InvalidSchedule(f"schedule of DAG {dag_id!r}: {error}") from None


def instant_of(value: datetime | date | str | None, zone: ZoneInfo, what: str) -> datetime | None:
    """Return an aware instant; what has no zone is read in `zone`."""
    if value is None:
        return None
    moment: date | None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), zone)
    if not isinstance(moment, datetime):
        raise InvalidOption(
            f"{what} is {value!r}: give a datetime, a date, or ISO text such as '2026-11-23'."
        )
    instant = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    if not _FIRST < instant <= _LAST:
        raise InvalidOption(f"{what} is {value!r}: give a date from the year 2 to the end of 9999, in UTC.")
    return instant


def catchup_of(catchup: object, dag_id: str) -> Catchup:
    """Return what `catchup` means."""
    try:
        return Catchup.of(catchup)
    except ValueError:
        raise InvalidOption(
            f"catchup of DAG {dag_id!r} is {catchup!r}: give False, True, 'all', 'last', or how far back "
            "missed points are run, such as '7d'."
        ) from None


def at_least_one(value: object, what: str) -> int:
    """Return `value` if it is a whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidOption(f"{what} is {value!r}: give a whole number from 1.")
    return value


def at_least_one_or_none(value: object, what: str) -> int | None:
    """Return `value` if it is a whole number from 1, or None for no limit."""
    if value is None:
        return None
    try:
        return at_least_one(value, what)
    except InvalidOption as error:
        raise InvalidOption(f"{str(error).rstrip('.')}, or None for no limit.") from None


def check_order(start: datetime | None, end: datetime | None, dag_id: str) -> None:
    """Raise InvalidOption if there can be no schedule point between `start` and `end`."""
    if start is not None and end is not None and end < start:
        raise InvalidOption(f"end of DAG {dag_id!r} lies before its start: {end} is earlier than {start}.")


def params_of(params: object, dag_id: str) -> dict[str, Any]:
    """Return the names and defaults of a DAG's parameters."""
    if params is None:
        return {}
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        raise InvalidOption(f"params of DAG {dag_id!r} are {params!r}: give a dict of names and defaults.")
    try:
        values.pickle_value(dict(params))
    except ValueNotPicklable as error:
        cause = error.__cause__
        raise CannotPickle(
            f"params of DAG {dag_id!r} hold what cannot be sent to a kernel "
            f"({type(cause).__name__}: {cause}): give plain data."
        ) from None
    return dict(params)


def tags_of(tags: object, dag_id: str) -> tuple[str, ...]:
    """Return a DAG's tags; a text alone is one tag."""
    listed = [tags] if isinstance(tags, str) else tags
    if not isinstance(listed, list | tuple | set | frozenset) or not all(isinstance(t, str) for t in listed):
        raise InvalidOption(f"tags of DAG {dag_id!r} are {tags!r}: give a list of texts.")
    return tuple(listed)


def description_of(description: object, dag_id: str) -> str:
    """Return a DAG's description if it is text."""
    if not isinstance(description, str):
        raise InvalidOption(f"description of DAG {dag_id!r} is {description!r}: give a text.")
    return description
