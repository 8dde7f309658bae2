"""Skips, short circuits, cleanup and run timeouts in the engine: what follows from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from ppacer_nb.engine.run_machine import replay
from ppacer_nb.errors import SchedulerError
from ppacer_nb.model.events import RunEvent, TaskEvent
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import AttemptState, TriggerRule
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, FALSY, GOOD, SKIP, STOPPED, T0, Bench

ALL_RULES = {
    "by_success": TaskOptions(trigger_rule=TriggerRule.ALL_SUCCESS),
    "by_failure": TaskOptions(trigger_rule=TriggerRule.ONE_FAILED),
    "by_one": TaskOptions(trigger_rule=TriggerRule.ONE_SUCCESS),
    "by_none": TaskOptions(trigger_rule=TriggerRule.NONE_FAILED),
    "by_done": TaskOptions(trigger_rule=TriggerRule.ALL_DONE),
}
CLEANUP = TaskOptions(trigger_rule=TriggerRule.ALL_DONE, cleanup=True)


def bench_with(
    chains: str,
    options: Mapping[str, TaskOptions] | None = None,
    *,
    max_workers: int = 100,
    timeout: int | None = None,
    **more: TaskOptions,
) -> Bench:
    bench = Bench(max_workers=max_workers)
    limit = None if timeout is None else timedelta(seconds=timeout)
    dag = dag_spec("d", chains, options={**(options or {}), **more}, timeout=limit)
    bench.register(dag, scheduled=False)
    return bench


def reason_of(bench: Bench, task_id: str) -> str:
    return [e.reason for e in bench.events if isinstance(e, TaskEvent) and e.task_id == task_id][-1]


def end_of(bench: Bench) -> tuple[str, str]:
    """How the run ended, and why."""
    last = [e for e in bench.events if isinstance(e, RunEvent)][-1]
    assert last.state.is_terminal
    return last.state.value, last.reason


# Skips


def test_a_task_that_skips_is_not_tried_again_and_its_downstream_goes_by_its_rule() -> None:
    chains = "; ".join(f"a >> {name}" for name in ALL_RULES)
    bench = bench_with(chains, ALL_RULES, a=TaskOptions(retries=3))
    run_id = bench.trigger()
    bench.end("a", SKIP)
    assert {key.task_id for key in bench.running} == {"by_none", "by_done"}
    bench.end("by_none")
    bench.end("by_done")
    assert bench.states(run_id) == {
        "a": "skipped",
        "by_none": "success",
        "by_done": "success",
        "by_success": "skipped",
        "by_failure": "skipped",
        "by_one": "skipped",
    }
    assert reason_of(bench, "a") == "no new rows"
    assert end_of(bench) == ("success", "")


# Short circuits


def test_what_is_downstream_of_a_falsy_short_circuit_is_skipped_whatever_its_rule_but_all_done() -> None:
    chains = "; ".join(f"a, x >> {name}" for name in ALL_RULES)
    bench = bench_with(chains, ALL_RULES)
    run_id = bench.trigger()
    bench.end("a", FALSY)
    assert bench.states(run_id) == {
        "a": "success",
        "x": "running",
        "by_success": "skipped",
        "by_failure": "skipped",
        "by_one": "skipped",
        "by_none": "skipped",
    }
    assert reason_of(bench, "by_none") == "short-circuited by a"
    bench.end("x")
    bench.end("by_done")
    assert end_of(bench) == ("success", "")


def test_a_short_circuit_reaches_as_far_as_what_runs_all_the_same() -> None:
    rule = TaskOptions(trigger_rule=TriggerRule.NONE_FAILED)
    join = TaskOptions(trigger_rule=TriggerRule.ALL_DONE)
    bench = bench_with("a >> b >> c >> join >> d", b=rule, c=rule, join=join, d=rule)
    run_id = bench.trigger()
    bench.end("a", FALSY)
    assert reason_of(bench, "c") == "short-circuited by a"
    bench.end("join")
    bench.end("d")
    assert bench.states(run_id)["d"] == "success"


def test_a_rule_that_was_met_before_a_short_circuit_starts_its_task_also_after_a_replay() -> None:
    met = TaskOptions(trigger_rule=TriggerRule.ONE_FAILED)
    bench = bench_with("a, x >> b; c; d", max_workers=2, b=met)
    run_id = bench.trigger()
    bench.end("x", BAD)
    bench.end("a", FALSY)
    history = [e for e in bench.events if isinstance(e, RunEvent | TaskEvent)]
    machine = replay(bench.engine.runs[run_id].dag, history)
    assert {key.task_id for key in bench.running} == {"c", "d"}  # b is ready, and waits for a worker
    assert machine.resume(T0) == []
    bench.end("c")
    assert "b" in {key.task_id for key in bench.running}


def test_a_cleared_short_circuit_cuts_nothing_off_any_more() -> None:
    bench = bench_with("a >> b, c", b=ALL_RULES["by_none"], c=TaskOptions())
    run_id = bench.trigger()
    bench.end("a", FALSY)
    bench.clear(run_id, "a")
    bench.end("a")
    assert [key.task_id for key in bench.running] == ["b", "c"]


def test_a_skip_names_the_short_circuit_that_counts_and_not_one_that_was_cleared() -> None:
    bench = bench_with("a, b >> c")
    run_id = bench.trigger()
    bench.end("a", FALSY)
    machine = bench.engine.runs[run_id]
    machine.clear(["a"], "test", T0)
    _, skip = machine.end_attempt("b", FALSY, T0)
    assert isinstance(skip, TaskEvent)
    assert (skip.task_id, skip.reason, skip.cut_by) == ("c", "short-circuited by b", "b")


def test_a_restart_leaves_what_was_skipped_for_a_short_circuit_as_it_is() -> None:
    bench = bench_with("a >> b; x")
    run_id = bench.trigger()
    bench.end("a", FALSY)
    bench.end("x", BAD)
    bench.restart(run_id)
    assert [key.task_id for key in bench.running] == ["x"]
    bench.end("x")
    assert bench.states(run_id) == {"a": "success", "b": "skipped", "x": "success"}


def test_what_was_cut_off_stays_so_whatever_its_other_upstreams_are_marked() -> None:
    bench = bench_with("a, x >> b >> c")
    run_id = bench.trigger()
    bench.end("a", FALSY)
    bench.end("x")
    bench.mark(run_id, "x", "failed")
    assert bench.states(run_id) == {"a": "success", "x": "failed", "b": "skipped", "c": "skipped"}


def test_marking_a_short_circuit_decides_anew_what_it_had_cut_off() -> None:
    bench = bench_with("a >> by_failure; a >> b >> c", ALL_RULES)
    run_id = bench.trigger()
    bench.end("a", FALSY)
    bench.mark(run_id, "a", "failed")
    assert [key.task_id for key in bench.running] == ["by_failure"]
    bench.end("by_failure")
    states = bench.states(run_id)
    assert (states["b"], states["c"]) == ("upstream_failed", "upstream_failed")


def test_what_was_cut_off_names_another_short_circuit_when_the_first_one_is_marked_failed() -> None:
    rule = ALL_RULES["by_one"]
    bench = bench_with("a, x >> b", b=rule)
    run_id = bench.trigger()
    bench.end("a", FALSY)
    bench.end("x", FALSY)
    assert reason_of(bench, "b") == "short-circuited by a"
    bench.mark(run_id, "a", "failed")
    assert bench.states(run_id)["b"] == "skipped"
    assert reason_of(bench, "b") == "short-circuited by x"


def test_a_short_circuit_that_is_marked_a_success_hands_on_its_last_value_and_goes_by_that() -> None:
    bench = bench_with("a >> b")
    run_id = bench.trigger()
    bench.end("a", FALSY)
    bench.mark(run_id, "a", "failed")
    bench.mark(run_id, "a", "success")
    assert (bench.states(run_id)["b"], reason_of(bench, "b")) == ("skipped", "short-circuited by a")


def test_a_task_that_chose_to_skip_stands_as_long_as_it_might_have_started() -> None:
    bench = bench_with("a, x >> b", b=ALL_RULES["by_one"])
    run_id = bench.trigger()
    bench.end("a")
    bench.end("x")
    bench.end("b", SKIP)
    bench.mark(run_id, "x", "failed")
    assert reason_of(bench, "b") == "no new rows"
    bench.mark(run_id, "a", "failed")
    assert bench.states(run_id)["b"] == "upstream_failed"


# Cleanup


def test_what_cleans_up_starts_when_what_runs_in_a_cancelled_run_has_stopped() -> None:
    bench = bench_with("a >> b >> drop", drop=CLEANUP)
    run_id = bench.trigger()
    bench.cancel(run_id)
    assert [key.task_id for key in bench.running] == ["a"]
    bench.end("a", STOPPED)
    bench.end("drop")
    assert bench.states(run_id) == {"a": "cancelled", "b": "cancelled", "drop": "success"}
    assert end_of(bench) == ("cancelled", "cancelled by test")


def test_what_cleans_up_already_is_not_stopped_by_a_first_cancel_and_is_by_a_second() -> None:
    bench = bench_with("a >> drop; b", drop=CLEANUP)
    run_id = bench.trigger()
    bench.end("a")
    assert bench.said[-1] == "start drop:1"
    bench.cancel(run_id)
    assert [said for said in bench.said if said.startswith("stop")] == ["stop b:1"]
    bench.cancel(run_id)
    assert [said for said in bench.said if said.startswith("stop")] == ["stop drop:1", "stop b:1"]
    bench.end("b", STOPPED)
    bench.end("drop", STOPPED)
    assert end_of(bench) == ("cancelled", "cancelled by test")


def test_what_is_to_clean_up_and_has_no_worker_yet_keeps_its_place_when_its_run_is_cancelled() -> None:
    bench = bench_with("a >> drop; b", max_workers=1, drop=CLEANUP)
    run_id = bench.trigger()
    bench.end("a")
    bench.cancel(run_id)
    bench.end("b", STOPPED)
    bench.end("drop")
    assert end_of(bench) == ("cancelled", "cancelled by test")
    assert bench.engine.queue.busy == len(bench.engine.queue) == 0


def test_what_cleans_up_is_tried_again_also_in_a_cancelled_run() -> None:
    bench = bench_with("a >> drop", drop=replace(CLEANUP, retries=2, retry_delay=timedelta(seconds=5)))
    run_id = bench.trigger()
    bench.end("a")
    bench.end("drop", BAD)
    bench.cancel(run_id)
    bench.wait(5)
    bench.end("drop", BAD)
    bench.wait(5)
    bench.end("drop", GOOD)
    assert bench.states(run_id)["drop"] == "success"
    assert end_of(bench)[0] == "cancelled"


def test_what_cleans_up_is_not_tried_again_when_that_was_cancelled_too() -> None:
    bench = bench_with("a >> drop", drop=replace(CLEANUP, retries=1))
    run_id = bench.trigger()
    bench.end("a")
    bench.cancel(run_id)
    bench.cancel(run_id)
    bench.end("drop", BAD)
    assert end_of(bench) == ("failed", "cancelled by test, and then failed to clean up: drop")


def test_a_cancelled_run_that_could_not_clean_up_has_failed_and_says_so() -> None:
    bench = bench_with("a >> drop", drop=CLEANUP)
    bench.cancel(bench.trigger())
    bench.end("a", STOPPED)
    bench.end("drop", BAD)
    assert end_of(bench) == ("failed", "cancelled by test, and then failed to clean up: drop")


def test_a_run_that_has_not_begun_has_nothing_to_clean_up() -> None:
    bench = Bench()
    bench.register(dag_spec("d", "a", options=CLEANUP, max_active_runs=1), scheduled=False)
    bench.trigger()
    waiting = bench.trigger()
    bench.cancel(waiting)
    assert bench.states(waiting) == {"a": "cancelled"}


def test_a_scheduler_that_stops_still_starts_what_cleans_up_and_nothing_else() -> None:
    bench = bench_with("a >> b; x >> y >> drop", drop=CLEANUP)
    run_id = bench.trigger()
    bench.engine.drain()
    bench.end("a")
    assert bench.states(run_id).keys() == {"a", "x"}
    bench.cancel(run_id)
    bench.end("x", STOPPED)
    assert [key.task_id for key in bench.running] == ["drop"]


# Run timeouts


def test_a_run_that_takes_too_long_is_stopped_cleans_up_and_has_failed() -> None:
    bench = bench_with("a >> b >> drop", timeout=7200, drop=CLEANUP)
    run_id = bench.trigger()
    bench.wait(7199)
    assert "time out a:1" not in bench.said
    bench.wait(1)
    assert "time out a:1" in bench.said
    assert reason_of(bench, "b") == "its run ran longer than its timeout of 2h"
    bench.end("a", BAD)
    bench.wait(7200)  # what cleans up is not bound to it
    bench.end("drop")
    assert bench.states(run_id) == {"a": "failed", "b": "cancelled", "drop": "success"}
    assert end_of(bench) == ("failed", "ran longer than its timeout of 2h")
    assert bench.engine.next_wakeup is None


def test_the_time_of_a_run_begins_when_it_does_and_not_while_it_waits() -> None:
    bench = Bench()
    limit = timedelta(seconds=10)
    bench.register(dag_spec("d", "a", max_active_runs=1, timeout=limit), scheduled=False)
    bench.trigger()
    second = bench.trigger()
    bench.wait(9)
    bench.end("a")
    bench.wait(9)
    assert bench.run_states()[second] == "running"
    bench.wait(1)
    bench.end("a", BAD)
    assert end_of(bench) == ("failed", "ran longer than its timeout of 10s")


def test_the_log_says_until_when_a_run_may_take() -> None:
    bench = bench_with("a", timeout=60)
    bench.wait(5)
    run_id = bench.trigger()
    history = [e for e in bench.events if isinstance(e, RunEvent | TaskEvent)]
    machine = replay(bench.engine.runs[run_id].dag, history)
    assert machine.deadline == T0 + timedelta(seconds=65)


def test_a_cancelled_run_does_not_time_out() -> None:
    bench = bench_with("a >> drop", timeout=10, drop=CLEANUP)
    run_id = bench.trigger()
    bench.cancel(run_id)
    bench.end("a", STOPPED)
    bench.wait(20)
    bench.end("drop")
    assert end_of(bench) == ("cancelled", "cancelled by test")


def test_the_time_of_a_run_that_goes_on_after_its_end_counts_from_when_it_begins_again() -> None:
    bench = Bench()
    limit = timedelta(seconds=10)
    bench.register(dag_spec("d", "a", max_active_runs=1, timeout=limit), scheduled=False)
    run_id = bench.trigger()
    bench.wait(10)
    bench.end("a", BAD)
    assert end_of(bench) == ("failed", "ran longer than its timeout of 10s")
    bench.trigger()
    bench.restart(run_id)
    bench.wait(9)
    assert bench.run_states()[run_id] == "queued"
    bench.end("a")
    bench.wait(9)
    assert bench.run_states()[run_id] == "running"
    bench.end("a")
    assert end_of(bench) == ("success", "")
    assert bench.engine.next_wakeup is None


def test_a_run_that_has_timed_out_cannot_go_on_before_its_end() -> None:
    bench = bench_with("a >> b", timeout=10)
    run_id = bench.trigger()
    bench.wait(10)
    with pytest.raises(SchedulerError, match="has timed out and still ends: wait for its end"):
        bench.mark(run_id, "b", "success")


# Retries


def retry_waits(jitter: float, runs: int) -> list[float]:
    """The waits before the first retries of many runs, in seconds."""
    bench = bench_with("a", a=TaskOptions(retries=1, retry_delay=timedelta(seconds=10), retry_jitter=jitter))
    for _ in range(runs):
        bench.trigger()
    for key in list(bench.running):
        bench.end_key(key, BAD)
    dates = [e.retry_at for e in bench.events if isinstance(e, TaskEvent) and e.retry_at is not None]
    return [(date - bench.now).total_seconds() for date in dates]


def test_jitter_spreads_the_retries_of_tasks_that_failed_together_over_its_range() -> None:
    waits = retry_waits(0.5, runs=12)
    assert all(5 <= wait <= 15 for wait in waits)
    assert min(waits) < 8
    assert max(waits) > 12
    assert len(set(waits)) == 12


def test_jitter_is_the_same_whenever_it_is_asked_for() -> None:
    assert retry_waits(1.0, runs=5) == retry_waits(1.0, runs=5)


def test_without_jitter_a_wait_is_exact() -> None:
    assert retry_waits(0.0, runs=3) == [10, 10, 10]


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_skip_is_no_failure_for_any_rule(rule: TriggerRule) -> None:
    bench = bench_with("a >> b", b=TaskOptions(trigger_rule=rule))
    run_id = bench.trigger()
    if "b" in {key.task_id for key in bench.running}:  # "always" has started it
        bench.end("b")
    bench.end("a", SKIP)
    for key in list(bench.running):
        bench.end_key(key)
    assert bench.states(run_id)["b"] in (AttemptState.SKIPPED, AttemptState.SUCCESS)
    assert end_of(bench) == ("success", "")
