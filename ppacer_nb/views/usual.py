"""How long something usually takes, from how long it took before."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

#: Of as many of the last successes as these the usual range is made, and of fewer than these none.
MOST_SEEN, FEWEST_SEEN = 30, 5
#: What takes longer than this many times the longest usual time is slow.
SLOW = 1.5


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual range of a length of time, in seconds: eight of ten lie between `low` and `high`."""

    low: float
    median: float
    high: float

    def is_slow(self, seconds: float) -> bool:
        """Whether something took much longer than usual."""
        return seconds > SLOW * self.high


def usual(seconds: Iterable[float]) -> Usual | None:
    """Return the usual range of what took these times, None for too few to say."""
    known = sorted(seconds)
    if len(known) < FEWEST_SEEN:
        return None
    tenths = statistics.quantiles(known, n=10, method="inclusive")
    return Usual(tenths[0], statistics.median(known), tenths[-1])


def usual_before(successes: Iterable[timedelta | None]) -> Iterator[Usual | None]:
    """Yield, for each place in a history, what was usual before it; None stands for what was no success."""
    last: deque[float] = deque(maxlen=MOST_SEEN)
    for duration in successes:
        yield usual(last)
        if duration is not None:
            last.append(duration.total_seconds())
