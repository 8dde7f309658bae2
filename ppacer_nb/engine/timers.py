"""What is due when."""

from __future__ import annotations

import heapq
import itertools
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


class Timers(Generic[T]):
    """Things with a due time, the earliest first; of those due together, the one set first."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, T]] = []
        self._order = itertools.count()

    @property
    def next(self) -> datetime | None:
        """When the earliest is due, None if there is nothing."""
        return self._heap[0][0] if self._heap else None

    def set(self, when: datetime, thing: T) -> None:
        """Let `thing` come due at `when`. Several of the same do not replace each other."""
        heapq.heappush(self._heap, (when, next(self._order), thing))

    def pop_due(self, now: datetime) -> T | None:
        """Take out the earliest if it is due at `now`."""
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None
