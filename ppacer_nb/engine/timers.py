"""What is due when."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

_TIDY_FROM = 64  # fewer dead entries are not worth a tidy


def later(now: datetime, wait: timedelta) -> datetime:
    """Return when `wait` is over: at the end of all dates, if that lies beyond it."""
    try:
        return now + wait
    except OverflowError:  # a timeout of thousands of years
        return datetime.max.replace(tzinfo=now.tzinfo)


class Timers(Generic[T]):
    """Things with a due time, the earliest first; of those due together, the one set first.

    A heap cannot give up an entry in its middle, so one that was cancelled stays there, dead, until it comes
    to the top or the dead outnumber the living.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, T]] = []
        self._living: dict[T, int] = {}  # the number of the entry that counts
        self._numbers = itertools.count()

    @property
    def next(self) -> datetime | None:
        """When the earliest is due, None if there is nothing."""
        return self._heap[0][0] if self._heap else None

    @property
    def size(self) -> int:
        """How many entries are kept in memory, dead ones included."""
        return len(self._heap)

    def set(self, when: datetime, thing: T) -> None:
        """Let `thing` come due at `when`, and not at any time set for it before."""
        self.cancel(thing)
        number = self._living[thing] = next(self._numbers)
        heapq.heappush(self._heap, (when, number, thing))

    def cancel(self, thing: T) -> None:
        """Let `thing` not come due, if it would have."""
        if self._living.pop(thing, None) is not None:
            if len(self._heap) > _TIDY_FROM + 2 * len(self._living):
                self._heap = [entry for entry in self._heap if self._is_alive(entry)]
                heapq.heapify(self._heap)
            self._drop_dead_top()

    def pop_due(self, now: datetime) -> T | None:
        """Take out the earliest if it is due at `now`."""
        if not self._heap or self._heap[0][0] > now:
            return None
        thing = heapq.heappop(self._heap)[2]
        del self._living[thing]
        self._drop_dead_top()
        return thing

    def _drop_dead_top(self) -> None:
        while self._heap and not self._is_alive(self._heap[0]):
            heapq.heappop(self._heap)

    def _is_alive(self, entry: tuple[datetime, int, T]) -> bool:
        return self._living.get(entry[2]) == entry[1]
