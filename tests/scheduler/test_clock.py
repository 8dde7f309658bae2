from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ppacer_nb.scheduler import clock as module
from ppacer_nb.scheduler.clock import Signal, SystemClock


def test_a_signal_set_before_the_wait_ends_it_at_once_and_only_once() -> None:
    async def scene() -> None:
        signal = Signal()
        signal.set()
        assert signal.is_set
        await asyncio.wait_for(signal.wait(60), 20)
        assert not signal.is_set

    asyncio.run(scene())


def test_a_signal_set_during_the_wait_ends_it() -> None:
    async def scene() -> None:
        signal = Signal()
        asyncio.get_running_loop().call_soon(signal.set)
        asyncio.get_running_loop().call_soon(signal.set)
        await asyncio.wait_for(signal.wait(60), 20)

    asyncio.run(scene())


def test_a_signal_that_is_not_set_ends_the_wait_in_time() -> None:
    async def scene() -> None:
        await asyncio.wait_for(Signal().wait(0.01), 20)

    asyncio.run(scene())


@pytest.mark.parametrize(("ahead", "slept"), [(3, 3), (-3, 0), (3600, 10), (None, 10)])
def test_no_sleep_is_longer_than_the_longest(
    ahead: float | None, slept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Recorder(Signal):
        async def wait(self, seconds: float) -> None:
            waits.append(seconds)

    clock = SystemClock()
    until = None if ahead is None else clock.now() + timedelta(seconds=ahead)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    asyncio.run(clock.wait(until, Recorder()))
    assert waits == [pytest.approx(slept, abs=1)]
    assert timedelta(seconds=10) == module.LONGEST_SLEEP
