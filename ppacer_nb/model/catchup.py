"""What becomes of schedule points that passed while nobody served them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from ppacer_nb.errors import InvalidDuration
from ppacer_nb.model.durations import format_duration, parse_duration


class CatchupMode(Enum):
    """How many of the missed points are run."""

    OFF = "off"
    ALL = "all"
    LAST = "last"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Catchup:
    """Which missed points of a DAG are run late; the others are recorded as skipped."""

    mode: CatchupMode
    window: timedelta | None = None  #: with WINDOW: how old a point may be when its turn comes

    @classmethod
    def of(cls, value: object) -> Catchup:
        """Return what a user means: False, True, ``"all"``, ``"last"``, or a duration for a window.

        Raises
        ------
        ValueError
            If it means nothing.
        """
        if isinstance(value, bool):
            return ALL if value else OFF
        if value in ("all", "last"):
            return ALL if value == "all" else LAST
        if not isinstance(value, str | timedelta):  # is 7 a week, or 7 seconds?
            raise ValueError(f"{value!r} is no way to catch up")
        try:
            window = parse_duration(value)
        except InvalidDuration as error:
            raise ValueError(str(error)) from None
        if not window:
            raise ValueError("a window of no time holds no point")
        return cls(CatchupMode.WINDOW, window)

    @property
    def is_on(self) -> bool:
        """Whether missed points are run at all."""
        return self.mode is not CatchupMode.OFF

    @property
    def takes_turns(self) -> bool:
        """Whether points wait until the DAG has room for a run, as there may be many of them."""
        return self.mode in (CatchupMode.ALL, CatchupMode.WINDOW)

    def __str__(self) -> str:
        return format_duration(self.window) if self.window is not None else self.mode.value


OFF = Catchup(CatchupMode.OFF)
ALL = Catchup(CatchupMode.ALL)
LAST = Catchup(CatchupMode.LAST)
