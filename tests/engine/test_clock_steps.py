"""Clocks are put forward and back, and machines are suspended, which looks like the former."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ppacer_nb.model.events import ScheduleEvent
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, T0, Bench, Every

SECOND = timedelta(seconds=1)
HOUR, DAY = 3600, 86400
STEPS = [-HOUR, HOUR, DAY, -DAY, 400 * DAY]


def decided(bench: Bench) -> list[tuple[str, float, float]]:
    """What became of schedule points, and which, in minutes since `T0`."""
    return [
        (e.kind.value, (e.first - T0) / (60 * SECOND), (e.last - T0) / (60 * SECOND))
        for e in bench.events
        if isinstance(e, ScheduleEvent)
    ]


@pytest.mark.parametrize("step", STEPS)
def test_a_task_has_all_of_its_timeout_and_no_more_whatever_the_clock_shows(step: float) -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", options=TaskOptions(timeout=90 * SECOND)))
    bench.trigger()
    bench.body("a")
    bench.wait(30)
    assert bench.said
    bench.put_clock(step)
    bench.wait(59.9)
    assert bench.said == []
    bench.wait(0.1)
    assert bench.said == ["time out a:1"]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_has_all_of_its_timeout_and_no_more_whatever_the_clock_shows(step: float) -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a >> b", timeout=90 * SECOND))
    bench.trigger()
    bench.wait(30)
    bench.put_clock(step)
    bench.wait(30)
    bench.end("a")
    bench.wait(29.9)
    assert "time out b:1" not in bench.said
    bench.wait(0.1)
    assert "time out b:1" in bench.said


@pytest.mark.parametrize("step", [-HOUR, -DAY])
def test_a_retry_does_not_come_late_when_the_clock_is_put_back(step: float) -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", options=TaskOptions(retries=1, retry_delay=90 * SECOND)))
    bench.trigger()
    bench.end("a", BAD)
    bench.wait(30)
    bench.put_clock(step)
    bench.wait(59.9)
    assert "start a:2" not in bench.said
    bench.wait(0.1)
    assert "start a:2" in bench.said


def test_a_retry_comes_at_its_time_on_the_clock_after_a_suspension() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", options=TaskOptions(retries=1, retry_delay=90 * SECOND)))
    bench.trigger()
    bench.end("a", BAD)
    bench.put_clock(60)
    assert "start a:2" not in bench.said
    bench.wait(30)
    assert "start a:2" in bench.said


def test_a_clock_that_goes_back_and_forth_brings_no_retry_sooner() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", options=TaskOptions(retries=1, retry_delay=90 * SECOND)))
    bench.trigger()
    bench.end("a", BAD)
    for _ in range(100):
        bench.put_clock(-2)
        bench.put_clock(2)
    bench.wait(89.9)
    assert "start a:2" not in bench.said
    bench.wait(0.1)
    assert "start a:2" in bench.said


def test_no_point_runs_twice_when_the_clock_is_put_back() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "", schedule=Every(600)))
    for _ in range(6):
        bench.wait(600)
    bench.put_clock(-HOUR)
    for _ in range(12):
        bench.wait(600)
    assert decided(bench) == [("regular", m, m) for m in range(10, 130, 10)]


def test_points_that_the_clock_jumped_over_were_missed() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "", schedule=Every(600)))
    bench.wait(600)
    bench.put_clock(DAY + 300)
    bench.wait(300)
    assert decided(bench) == [("regular", 10, 10), ("skipped", 20, 1450), ("regular", 1460, 1460)]


def test_points_that_the_clock_jumped_over_are_caught_up_where_the_dag_says_so() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "", schedule=Every(600), catchup=True))
    bench.wait(600)
    bench.put_clock(3000)
    assert decided(bench) == [
        ("regular", 10, 10),
        *[("caught_up", m, m) for m in (20, 30, 40, 50)],
        ("regular", 60, 60),
    ]


def test_timeouts_of_thousands_of_years_never_come_whatever_the_clock_does() -> None:
    bench = Bench()
    forever = timedelta.max
    bench.register(dag_spec("d", "a", options=TaskOptions(timeout=forever), timeout=forever))
    bench.trigger()
    bench.body("a")
    for step in (DAY, -HOUR, -400 * DAY, 1000 * DAY):
        bench.put_clock(step)
    assert bench.engine.next_wakeup is not None
    assert bench.engine.next_wakeup.year >= 9990
    bench.end("a")
    assert bench.said[-1] == "run success"


def test_a_retry_after_thousands_of_years_comes_after_a_year() -> None:
    bench = Bench()
    options = TaskOptions(retries=1, retry_delay=timedelta.max, retry_jitter=1, retry_backoff=1e300)
    bench.register(dag_spec("d", "a", options=options))
    bench.trigger()
    bench.end("a", BAD)
    assert bench.engine.next_wakeup is not None
    assert bench.engine.next_wakeup - T0 <= timedelta(days=730)
