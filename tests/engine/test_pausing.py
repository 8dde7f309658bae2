"""A DAG that is paused, in the engine: no scheduled runs, and every point accounted for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.engine.queue import Limits
from ppacer_nb.errors import NotFound, SchedulerError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import DagEvent
from ppacer_nb.testing import dag_spec
from tests.engine.bench import T0, Bench, Every


def minutely(**head: Any) -> DagSpec:
    return dag_spec("d", "a", **{"schedule": Every(60), **head})


def bench_with(dag: DagSpec) -> Bench:
    bench = Bench()
    bench.register(dag)
    return bench


def points(bench: Bench) -> list[str]:
    """What became of the schedule points since this was last asked."""
    kinds = ("regular", "caught_up", "skipped", "paused", "unpaused", "manually")
    return [said for said in bench.said if said.startswith(kinds)]


def pass_time(bench: Bench, seconds: float) -> None:
    """Let every point and every run of that time come and go."""
    until = bench.now.timestamp() + seconds
    while (due := bench.engine.next_wakeup) is not None and due.timestamp() <= until:
        bench.wait((due - bench.now).total_seconds())
        for key in list(bench.running):
            bench.end_key(key)
    bench.wait(until - bench.now.timestamp())


def test_a_paused_dag_makes_no_scheduled_runs_and_nobody_wakes_for_it() -> None:
    bench = bench_with(minutely())
    pass_time(bench, 60)
    bench.pause()
    assert (bench.engine.next_wakeup, bench.engine.dags["d"].next_point) == (None, None)
    pass_time(bench, 3600)
    assert points(bench) == ["regular 1", "paused"]


def test_the_points_of_the_pause_are_skipped_at_its_end_and_the_next_one_is_served() -> None:
    bench = bench_with(minutely())
    bench.pause()
    pass_time(bench, 600)
    bench.unpause()  # also the point that is due this moment is the pause's
    assert points(bench) == ["paused", "unpaused", "skipped 10"]
    pass_time(bench, 60)
    assert points(bench) == ["regular 1"]


def test_with_catchup_they_are_caught_up() -> None:
    bench = bench_with(minutely(catchup=True))
    bench.pause()
    pass_time(bench, 180)
    bench.unpause()
    assert points(bench) == ["paused", "unpaused", "caught_up 1", "regular 1", "regular 1"]


def test_with_the_last_mode_the_newest_of_them_is_caught_up() -> None:
    bench = bench_with(minutely(schedule=Every(600), catchup="last"))
    bench.pause()
    pass_time(bench, 3700)
    bench.unpause()
    assert points(bench) == ["paused", "unpaused", "skipped 5", "caught_up 1"]


def test_with_a_window_those_within_it_are_caught_up_one_after_another() -> None:
    bench = bench_with(minutely(schedule=Every(600), catchup="20m", max_active_runs=1))
    bench.pause()
    pass_time(bench, 3500)
    bench.unpause()
    assert points(bench) == ["paused", "unpaused", "skipped 3", "caught_up 1"]
    bench.end("a")
    assert points(bench) == ["caught_up 1"]


def test_a_pause_without_a_point_skips_nothing() -> None:
    bench = bench_with(minutely())
    bench.pause()
    pass_time(bench, 59)
    bench.unpause()
    pass_time(bench, 1)
    assert points(bench) == ["paused", "unpaused", "regular 1"]


def test_what_runs_goes_on_and_the_dag_can_be_triggered() -> None:
    bench = bench_with(minutely())
    bench.wait(60)
    bench.pause()
    bench.end("a")
    run_id = bench.trigger()
    bench.end("a")
    assert bench.run_states()[run_id] == "success"


def test_a_new_version_is_paused_too_and_its_points_follow_those_of_the_old_one() -> None:
    bench = bench_with(minutely())
    bench.pause()
    pass_time(bench, 600)
    bench.register(minutely(schedule=Every(300)))
    pass_time(bench, 600)
    bench.unpause()
    assert points(bench) == ["paused", "skipped 10", "unpaused", "skipped 2"]


def test_a_pause_outlives_the_scheduler() -> None:
    bench = Bench()
    bench.engine = Coordinator(Limits(1), Path("runs"), paused={"d"})
    bench.register(minutely(), accounted=datetime.fromtimestamp(T0.timestamp() - 600, T0.tzinfo))
    pass_time(bench, 60)
    assert points(bench) == []
    bench.unpause()
    assert points(bench) == ["unpaused", "skipped 11"]


def test_a_dag_that_is_only_triggered_has_no_points_after_a_pause_either() -> None:
    bench = Bench()
    bench.register(minutely(), scheduled=False)
    bench.pause()
    pass_time(bench, 600)
    bench.unpause()
    pass_time(bench, 600)
    assert points(bench) == ["paused", "unpaused"]


def test_a_schedule_that_breaks_down_in_a_pause_is_a_problem_of_its_dag() -> None:
    class Broken(Every):
        def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
            if current > T0:
                raise KeyError("moon")
            return super().next(current, previous)

    bench = bench_with(minutely(schedule=Broken(60)))
    bench.pause()
    pass_time(bench, 600)
    bench.unpause()
    assert "moon" in bench.engine.dags["d"].problem


def test_it_is_recorded_with_who_asked() -> None:
    bench = bench_with(minutely())
    bench.pause()
    bench.unpause()
    asked = [(e.paused, e.reason) for e in bench.events if isinstance(e, DagEvent)]
    assert asked == [(True, "paused by test"), (False, "unpaused by test")]


def test_what_cannot_be_paused_is_said_in_a_sentence() -> None:
    bench = bench_with(minutely())
    with pytest.raises(SchedulerError, match="DAG 'd' is not paused"):
        bench.unpause()
    bench.pause()
    with pytest.raises(SchedulerError, match="DAG 'd' is paused already"):
        bench.pause()
    for ask in (bench.pause, bench.unpause):
        with pytest.raises(NotFound, match="no DAG 'daily'"):
            ask("daily")
