"""Time that moves only when it is told, for a real scheduler."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ppacer_nb.engine.timers import Timers
from ppacer_nb.model.durations import Duration, parse_duration
from ppacer_nb.scheduler.clock import Signal

#: In real time. A scheduler that takes longer to come to rest is taken to hang.
PATIENCE = timedelta(seconds=30)

_NEVER = datetime.max.replace(tzinfo=UTC)


class SimulatedClock:
    """A `Clock` for one scheduler whose time moves only when it is told.

    It stops at every due time on the way, and goes on from there only when everything that follows from it
    has been done: events are on disk, what they let start has started, and what ends at once has ended.

    Parameters
    ----------
    start
        The time at first; aware.
    settle
        Called in the scheduler's thread before time moves: must return when nothing that was begun outside of
        that thread is under way any more. `simulated` gives the store's ``flush``.
    """

    def __init__(self, start: datetime, settle: Callable[[], None] = lambda: None) -> None:
        self.settle = settle
        #: How long before a schedule point its run is recorded: in simulated time no disk is slow.
        self.lead = timedelta(0)
        self._now = start.astimezone(UTC)
        self._goal = self._now
        self._step = timedelta(0)
        self._own: Timers[Callable[[], None]] = Timers()
        self._next: datetime | None = None
        self._at_rest = threading.Event()
        self._wake: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        """Return the simulated time, in UTC."""
        return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> None:
        """Call `callback` in the scheduler's thread when time comes to `when`. Only from that thread."""
        self._own.set(when, callback)

    def advance(self, by: Duration) -> None:
        """Let that much time pass. Returns when all that falls due in it is done.

        Raises
        ------
        TimeoutError
            If the scheduler does not come to rest within `PATIENCE` of real time.
        """
        self.advance_to(self._now + parse_duration(by))

    def advance_to(self, when: datetime) -> None:
        """Let time pass until `when`. See `advance`."""
        self._at_rest.clear()
        self._goal = max(self._goal, when.astimezone(UTC))
        self._wake()
        if not self._at_rest.wait(PATIENCE.total_seconds()):
            raise TimeoutError(f"the scheduler is still at work at {self._now}, or it has stopped.")

    def step(self) -> timedelta:
        """Return how far it was put forward, or back, since it was asked last; see `Clock.step`."""
        step, self._step = self._step, timedelta(0)
        return step

    def put(self, when: datetime) -> None:
        """Put the clock forward or back while no time passes, as a correction or a suspension does.

        Returns when all that is due by then is done, as `advance` does.
        """
        by = when.astimezone(UTC) - self._now
        self.advance(0)  # it is at rest, and no other thread reads the time
        self._now += by
        self._goal = self._now
        self._step += by
        self._own.change(lambda _, due: due + by)
        self.advance(0)

    def jump(self) -> bool:
        """Let time pass until the next thing that is due, and say whether there was one."""
        self.advance(0)
        if self._next is None:
            return False
        self.advance_to(self._next)
        return True

    async def wait(self, until: datetime | None, news: Signal) -> None:
        """Return at `until`, or when there is news; see `Clock.wait`."""
        while not await self._is_news(news):
            due = min(until or _NEVER, self._own.next or _NEVER)
            if due > self._goal:
                await self._rest(None if due == _NEVER else due, news)
                return
            self._now = max(self._now, due)
            while (callback := self._own.pop_due(self._now)) is not None:
                callback()
            if until is not None and until <= self._now:
                return

    async def _is_news(self, news: Signal) -> bool:
        self.settle()
        await asyncio.sleep(0)  # lets in what other threads have said meanwhile
        if news.is_set:
            await news.wait(0)
            return True
        return False

    async def _rest(self, due: datetime | None, news: Signal) -> None:
        self._now, self._next = self._goal, due
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(news.set)
        self._at_rest.set()
        await news.wait(math.inf)
