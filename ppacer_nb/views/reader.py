"""Who reads an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from ppacer_nb.views.format import format_age, format_when


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: when, and in which zone."""

    now: datetime
    zone: tzinfo

    def when(self, instant: datetime | None) -> str:
        """Return a point in time as the reader would say it, "" for none."""
        return "" if instant is None else format_when(instant, self.now, self.zone)

    def age(self, instant: datetime | None) -> str:
        """Return how long ago, or until when; "" for none."""
        return "" if instant is None else format_age(instant, self.now)
