"""What a form was filled with, as values of the right types; what makes no sense is refused in a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from ppacer_nb.errors import InvalidDuration
from ppacer_nb.model.durations import parse_duration
from ppacer_nb.model.params import ParamInfo

Number = TypeVar("Number", int, float)

_SHOWN = 40  #: characters of what was written that a sentence repeats


class Refused(Exception):
    """What was written makes no sense; the sentence says what would."""


def filled_in(
    params: Sequence[ParamInfo], texts: Mapping[str, object], zone: ZoneInfo
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that differ from the defaults, and what is wrong with the others, by parameter.

    Parameters
    ----------
    texts
        What was written, by parameter; one that is missing was left alone.
    zone
        The DAG's, for datetimes.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for info in params:
        text = texts.get(info.name, info.default)
        if info.kind == "fixed" or text == info.default:
            continue
        try:
            values[info.name] = value_of(info, str(text), zone)
        except Refused as refusal:
            problems[info.name] = str(refusal)
    return values, problems


def value_of(info: ParamInfo, text: str, zone: ZoneInfo) -> Any:
    """Return the value of a parameter that `text` means.

    Raises
    ------
    Refused
        If it means none.
    """
    written = text if info.kind == "text" else text.strip()
    if info.optional and not written:
        return None
    return _READERS[info.kind](info, written, zone)


def moment_of(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the moment that was written, read in `zone` if it names none; None for nothing.

    Raises
    ------
    Refused
        If it is no moment.
    """
    if not text.strip():
        return None
    moment = _datetime(text.strip())
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _bool(_: ParamInfo, text: str, __: ZoneInfo) -> bool:
    if text not in ("true", "false"):
        raise Refused(f"{_cut(text)} is neither true nor false.")
    return text == "true"


def _int(info: ParamInfo, text: str, _: ZoneInfo) -> int:
    try:
        number = int(text)
    except ValueError:  # also more digits than Python reads
        raise Refused(f"{_cut(text)} is no whole number: write one such as 10.") from None
    return _within(info, number)


def _float(info: ParamInfo, text: str, _: ZoneInfo) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Refused(f"{_cut(text)} is no number: write one such as 0.5.")
    return _within(info, number)


def _within(info: ParamInfo, number: Number) -> Number:
    if info.low is not None and number < info.low:
        raise Refused(f"{number:g} is too small: it is {info.low:g} or more.")
    if info.high is not None and number > info.high:
        raise Refused(f"{number:g} is too large: it is {info.high:g} or less.")
    return number


def _date(_: ParamInfo, text: str, __: ZoneInfo) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{_cut(text)} is no date: write one such as 2026-11-23.") from None


def _moment(info: ParamInfo, text: str, zone: ZoneInfo) -> datetime:
    moment = _datetime(text)
    if info.aware:
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo is not None else moment


def _datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{_cut(text)} is no date with a time: write one such as 2026-11-23T06:15.") from None


def _duration(_: ParamInfo, text: str, __: ZoneInfo) -> Any:
    try:
        return parse_duration(text)
    except InvalidDuration:
        raise Refused(f"{_cut(text)} is no length of time: write one such as 90s, 5m or 1h30m.") from None


def _choice(info: ParamInfo, text: str, _: ZoneInfo) -> Any:
    if text not in info.choices:
        raise Refused(f"{_cut(text)} is no choice: there are {', '.join(info.choices)}.")
    return info.values[list(info.choices).index(text)]


def _json(info: ParamInfo, text: str, _: ZoneInfo) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else "it is too deep"
        raise Refused(f"this is no JSON: {said}.") from None
    wanted = dict if info.container == "dict" else list
    if info.container and not isinstance(value, wanted):
        example = '{"a": 1}' if wanted is dict else "[1, 2]"
        raise Refused(f"this is no {wanted.__name__}: write one such as {example}.")
    if info.container not in ("tuple", "set"):
        return value
    try:
        return tuple(value) if info.container == "tuple" else set(value)
    except TypeError:
        raise Refused("a set holds only numbers and texts.") from None


def _any(_: ParamInfo, text: str, __: ZoneInfo) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(_: ParamInfo, text: str, __: ZoneInfo) -> str:
    return text


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


_READERS: Mapping[str, Any] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "text": _text,
    "date": _date,
    "datetime": _moment,
    "duration": _duration,
    "choice": _choice,
    "json": _json,
    "any": _any,
}
