from __future__ import annotations

from datetime import timedelta

from ppacer_nb.engine.timers import Timers
from tests.engine.bench import T0


def test_the_earliest_comes_first_and_of_equals_the_one_set_first() -> None:
    timers = Timers[str]()
    assert timers.next is None
    for seconds, thing in ((2, "c"), (1, "a"), (1, "b")):
        timers.set(T0 + timedelta(seconds=seconds), thing)
    assert timers.next == T0 + timedelta(seconds=1)
    assert timers.pop_due(T0) is None
    now = T0 + timedelta(seconds=5)
    assert [timers.pop_due(now) for _ in range(4)] == ["a", "b", "c", None]


def test_what_is_cancelled_is_never_due_and_does_not_count_as_next() -> None:
    timers = Timers[str]()
    timers.set(T0, "a")
    timers.set(T0 + timedelta(seconds=1), "b")
    timers.cancel("a")
    timers.cancel("never set")
    assert timers.next == T0 + timedelta(seconds=1)
    assert timers.pop_due(T0) is None
    assert timers.pop_due(T0 + timedelta(seconds=1)) == "b"
    timers.cancel("b")
    assert timers.next is None


def test_setting_again_replaces() -> None:
    timers = Timers[str]()
    timers.set(T0, "a")
    timers.set(T0 + timedelta(seconds=9), "a")
    assert timers.pop_due(T0 + timedelta(seconds=8)) is None
    assert timers.next == T0 + timedelta(seconds=9)
    timers.set(T0 + timedelta(seconds=3), "a")
    assert timers.pop_due(T0 + timedelta(seconds=9)) == "a"
    assert timers.pop_due(T0 + timedelta(seconds=9)) is None


def test_cancelled_timers_take_no_room() -> None:
    timers = Timers[int]()
    timers.set(T0, -1)
    for number in range(10_000):
        timers.set(T0 + timedelta(hours=1), number)
        timers.cancel(number)
    assert timers.size < 300
    assert timers.pop_due(T0) == -1
