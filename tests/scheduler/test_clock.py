from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

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


class Hands:
    """A machine's two clocks, set by hand."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self.passed = 5e8  # some sixteen years
        self.clock = SystemClock(lambda: self.wall, lambda: self.passed)

    def run(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += seconds


def test_time_that_passes_is_no_step() -> None:
    hands = Hands()
    for seconds in (0, 0.001, 9.99, 86400, 3e8):
        hands.run(seconds)
        assert hands.clock.step() == timedelta(0)
    assert SystemClock().step() == timedelta(0)


@pytest.mark.parametrize("step", [3600, -3600, 86400 * 365, -1, 8 * 3600 + 0.25])
def test_a_step_is_noticed_once_and_as_long_as_it_was(step: float) -> None:
    hands = Hands()
    hands.run(60)
    hands.wall += timedelta(seconds=step)
    hands.run(5)
    assert hands.clock.now() == hands.wall
    assert hands.clock.step() / timedelta(seconds=1) == pytest.approx(step, abs=1e-3)
    hands.run(5)
    assert hands.clock.step() == timedelta(0)


def test_small_corrections_count_when_they_come_to_a_second() -> None:
    hands = Hands()
    steps = []
    for _ in range(10):
        hands.wall -= timedelta(milliseconds=300)
        steps.append(hands.clock.step() / timedelta(seconds=1))
    assert [round(step, 3) for step in steps] == [0, 0, 0, -1.2, 0, 0, 0, -1.2, 0, 0]


@pytest.mark.parametrize(
    ("until", "slept"),
    [
        (datetime.max.replace(tzinfo=UTC), 10),
        (datetime(9999, 12, 31, tzinfo=UTC), 10),
        (datetime.min.replace(tzinfo=UTC), 0),
    ],
)
def test_no_date_is_too_far_away_to_wait_for(until: datetime, slept: float) -> None:
    waits: list[float] = []

    class Recorder(Signal):
        async def wait(self, seconds: float) -> None:
            waits.append(seconds)

    asyncio.run(SystemClock().wait(until, Recorder()))
    assert waits == [slept]


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
