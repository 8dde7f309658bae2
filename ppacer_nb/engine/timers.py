"""What is due when."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar

from ppacer_nb.engine.ranking import Ranking

T = TypeVar("T", bound=Hashable)


class Timers(Generic[T]):
    """Things with a due time, the earliest first; of those due together, the one set first."""

    def __init__(self) -> None:
        self._due: Ranking[T, datetime] = Ranking()

    @property
    def next(self) -> datetime | None:
        """When the earliest is due, None if there is nothing."""
        first = self._due.first
        return None if first is None else first[0]

    @property
    def first(self) -> T | None:
        """The one that is due first, None if there is nothing."""
        first = self._due.first
        return None if first is None else first[1]

    @property
    def size(self) -> int:
        """How many entries are kept in memory, those cancelled included."""
        return self._due.size

    def set(self, when: datetime, thing: T) -> None:
        """Let `thing` come due at `when`, and not at any time set for it before."""
        self._due.set(thing, when)

    def cancel(self, thing: T) -> None:
        """Let `thing` not come due, if it would have."""
        self._due.discard(thing)

    def change(self, when: Callable[[T, datetime], datetime]) -> None:
        """Let everything come due `when` that says, which is given the thing and the time set for it."""
        self._due.change(when)

    def pop_due(self, now: datetime) -> T | None:
        """Take out the earliest if it is due at `now`."""
        first = self._due.first
        return None if first is None or first[0] > now else self._due.pop()
