"""Which lines of a log are as grave as asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ppacer_nb.errors import InvalidOption

_DEBUG = ("NOTSET", "DEBUG")
_INFO = (*_DEBUG, "INFO", "STDOUT")
_WARNING = (*_INFO, "WARNING", "STDERR")

#: What is left out, by the least grave that is wanted. A level of the user's own is left out by none.
_BELOW: Mapping[str, Sequence[str]] = {"debug": (), "info": _DEBUG, "warning": _INFO, "error": _WARNING}

LEAST = tuple(_BELOW)


def levels_below(least: str) -> Sequence[str]:
    """Return the levels that are less grave than `least`.

    What was printed counts as "info", what went to stderr as "warning".

    Raises
    ------
    InvalidOption
        If `least` is none of "debug", "info", "warning" and "error".
    """
    try:
        return _BELOW[least]
    except KeyError:
        known = ", ".join(LEAST)
        raise InvalidOption(f"log lines can be asked for from {known} on, not {least!r}.") from None
