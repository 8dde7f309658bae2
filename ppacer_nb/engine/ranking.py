"""Things in an order that may change."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Hashable)
Rank = TypeVar("Rank", bound=Any)

_TIDY_FROM = 64  # fewer dead entries are not worth a tidy


class Ranking(Generic[T, Rank]):
    """Things with a rank each, the lowest first; of equal ranks, the one set first.

    A heap cannot give up an entry in its middle, so one that counts no more stays there, dead, until it comes
    to the top or the dead outnumber the living. What anything costs grows with the logarithm of the number of
    things.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Rank, int, T]] = []
        self._living: dict[T, int] = {}  # the number of the entry that counts
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._living)

    @property
    def size(self) -> int:
        """How many entries are kept in memory, dead ones included."""
        return len(self._heap)

    @property
    def first(self) -> tuple[Rank, T] | None:
        """The lowest rank and the thing that has it, None if there is nothing."""
        if not self._heap:
            return None
        rank, _, thing = self._heap[0]
        return rank, thing

    def set(self, thing: T, rank: Rank) -> None:
        """Give `thing` that rank, in place of any it had."""
        if thing in self._living:
            self.discard(thing)
        number = self._living[thing] = next(self._numbers)
        heapq.heappush(self._heap, (rank, number, thing))

    def discard(self, thing: T) -> None:
        """Take `thing` out, if it is there."""
        if self._living.pop(thing, None) is not None:
            if len(self._heap) > _TIDY_FROM + 2 * len(self._living):
                self._heap = [entry for entry in self._heap if self._is_alive(entry)]
                heapq.heapify(self._heap)
            self._drop_dead_top()

    def change(self, rank: Callable[[T, Rank], Rank]) -> None:
        """Give everything the `rank` that follows from its old one."""
        self._heap = [(rank(thing, old), n, thing) for old, n, thing in filter(self._is_alive, self._heap)]
        heapq.heapify(self._heap)

    def pop(self) -> T:
        """Take out the first; there must be one."""
        thing = heapq.heappop(self._heap)[2]
        del self._living[thing]
        self._drop_dead_top()
        return thing

    def _drop_dead_top(self) -> None:
        while self._heap and not self._is_alive(self._heap[0]):
            heapq.heappop(self._heap)

    def _is_alive(self, entry: tuple[Rank, int, T]) -> bool:
        return self._living.get(entry[2]) == entry[1]
