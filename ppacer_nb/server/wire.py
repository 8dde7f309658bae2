"""What goes over the wire: the same dataclasses on both sides, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ppacer_nb import errors

T = TypeVar("T")


def encode(value: Any) -> bytes:
    """Return `value` as JSON; what JSON does not know, such as a path, becomes text."""
    return msgspec.json.encode(value, enc_hook=str)


def decode(data: bytes, type_: Any) -> Any:
    """Return the value of type `type_` that `encode` was given.

    Raises
    ------
    ValueError
        If `data` is no such value; the message says where.
    """
    try:
        return msgspec.json.decode(data, type=type_, dec_hook=_from_text)
    except msgspec.MsgspecError as error:  # a ValueError by itself only since msgspec 0.21
        raise ValueError(str(error)) from None


def tagged(value: Any) -> Any:
    """Return `value` as what JSON knows, with marks for dates and other types that it does not know.

    What has no mark is left to `encode`, which makes it text.
    """
    mark = _MARKS.get(type(value))
    if mark is not None:
        return {mark: _to_plain(value)}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: tagged(item) for key, item in value.items()}
        return {"$dict": [[tagged(key), tagged(item)] for key, item in value.items()]}
    return value


def untagged(value: Any) -> Any:
    """Return the value that `tagged` was given.

    Raises
    ------
    ValueError
        If a mark stands before what makes no sense.
    """
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((mark, inner),) = value.items()
        if mark in _FROM_PLAIN:
            try:
                return _FROM_PLAIN[mark](inner)
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{mark} cannot be read: {error}") from None
    return {key: untagged(item) for key, item in value.items()}


def _to_plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, datetime) and isinstance(value.tzinfo, ZoneInfo):
        return [value.replace(tzinfo=None).isoformat(), value.tzinfo.key, value.fold]
    if isinstance(value, date | time):
        return value.isoformat()
    return [tagged(item) for item in value]


def _moment(plain: Any) -> datetime:
    if isinstance(plain, str):
        return datetime.fromisoformat(plain)
    text, zone, fold = plain
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def _pairs(plain: Any) -> dict[Any, Any]:
    return {untagged(key): untagged(item) for key, item in plain}


_MARKS = {
    date: "$date",
    datetime: "$datetime",
    time: "$time",
    timedelta: "$timedelta",
    tuple: "$tuple",
    set: "$set",
    frozenset: "$frozenset",
}
_FROM_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "$date": date.fromisoformat,
    "$datetime": _moment,
    "$time": time.fromisoformat,
    "$timedelta": lambda microseconds: timedelta(microseconds=microseconds),
    "$tuple": lambda items: tuple(untagged(items)),
    "$set": lambda items: set(untagged(items)),
    "$frozenset": lambda items: frozenset(untagged(items)),
    "$dict": _pairs,
}


def error_of(name: str, message: str) -> errors.PpacerError:
    """Return an error of the class of that name, as the other side raised it."""
    class_ = getattr(errors, name, None)
    if not isinstance(class_, type) or not issubclass(class_, errors.PpacerError):
        class_ = errors.SchedulerError
    return class_(message)


def _from_text(type_: type[Any], value: Any) -> Any:
    if type_ is Path:
        return Path(value)
    raise TypeError(f"{type_} cannot be read from JSON")
