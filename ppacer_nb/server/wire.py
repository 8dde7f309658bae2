"""What goes over the wire: the same dataclasses on both sides, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

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
