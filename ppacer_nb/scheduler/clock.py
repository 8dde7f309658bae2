"""What time it is, and waiting until it is later or something happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: No sleep is longer: a suspended machine or a corrected clock is noticed within this time.
LONGEST_SLEEP = timedelta(seconds=10)

#: Before a schedule point, to record its run: a commit takes 2 ms on a usual disk.
LEAD = timedelta(milliseconds=5)

#: Smaller corrections of the clock wait until they come to this together.
SMALLEST_STEP = timedelta(seconds=1)


class Signal:
    """Something happened. Belongs to one event loop; other threads set it by ``call_soon_threadsafe``."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self._is_set = False

    @property
    def is_set(self) -> bool:
        """Whether a wait would return at once."""
        return self._is_set

    def set(self) -> None:
        """Wake the one who waits, or the next one who would."""
        self._is_set = True
        self._wake()

    async def wait(self, seconds: float) -> None:
        """Return when it is set, at once if it was since the last wait, or after `seconds`."""
        if not self._is_set:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        self._is_set = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Clock(Protocol):
    """The scheduler's only source of time."""

    @property
    def lead(self) -> timedelta:
        """How long before a schedule point its run is recorded, so that its tasks can start at the point."""
        ...

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def step(self) -> timedelta:
        """Return how far the clock was put forward, or back, since it was asked last.

        Zero if all the time it showed has passed. A suspended machine puts its clock forward.
        """
        ...

    async def wait(self, until: datetime | None, news: Signal) -> None:
        """Return at `until` (None: never), when there is `news`, or earlier for no reason."""
        ...


class SystemClock:
    """The machine's wall clock.

    Runs are recorded 5 ms ahead of their points, about twice the time that a disk takes for it.

    Parameters
    ----------
    wall
        What the clock shows, in UTC.
    passed
        How many seconds have passed since some moment, whatever the clock shows. Python's monotonic clock
        stands still while Linux or macOS is suspended.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._passed = passed
        self._set_at = self._when_set()

    @property
    def lead(self) -> timedelta:
        """How long before a schedule point its run is recorded; see `Clock.lead`."""
        return LEAD

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return self._wall()

    def step(self) -> timedelta:
        """Return how far the clock was put forward, or back, since it was asked last; see `Clock.step`."""
        set_at = self._when_set()
        step = set_at - self._set_at
        if abs(step) < SMALLEST_STEP:
            return timedelta(0)
        self._set_at = set_at
        return step

    def _when_set(self) -> datetime:
        """Return what the clock showed, as it goes now, when nothing had passed."""
        return self._wall() - timedelta(seconds=self._passed())

    async def wait(self, until: datetime | None, news: Signal) -> None:
        """Return at `until`, when there is `news`, or after `LONGEST_SLEEP`."""
        left = LONGEST_SLEEP if until is None else min(until - self.now(), LONGEST_SLEEP)
        await news.wait(max(0.0, left.total_seconds()))
