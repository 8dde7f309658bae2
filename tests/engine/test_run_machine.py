from __future__ import annotations

from pathlib import Path

from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.model.events import RunEvent
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import AttemptState, RunState, RunType
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, GOOD, STOPPED, T0

CREATED = RunEvent("d/1", "d", RunType.MANUAL, T0, "v", {}, 2, RunState.QUEUED, T0, reason="test")


def machine(chains: str = "a >> b", options: TaskOptions = TaskOptions()) -> RunMachine:  # noqa: B008
    return RunMachine(dag_spec("d", chains, options=options), CREATED)


def test_a_run_begins_with_the_tasks_that_wait_for_nothing() -> None:
    run = machine("a >> b; c")
    (event,) = run.begin(T0)
    assert (event, run.state) == (
        RunEvent("d/1", "d", RunType.MANUAL, T0, "v", {}, 2, RunState.RUNNING, T0),
        RunState.RUNNING,
    )
    assert list(run.ready) == ["a", "c"]
    assert [run.tasks[id].state for id in "abc"] == [AttemptState.QUEUED, None, AttemptState.QUEUED]


def test_a_retry_of_a_task_that_does_not_wait_for_one_changes_nothing() -> None:
    run = machine()
    run.begin(T0)
    run.start_attempt("a", T0)
    run.ready.clear()
    run.retry("a", T0)
    assert (list(run.ready), run.tasks["a"].state) == ([], AttemptState.RUNNING)


def test_an_attempt_that_was_stopped_ends_cancelled_with_the_reason() -> None:
    run = machine()
    run.begin(T0)
    run.start_attempt("a", T0)
    events = run.end_attempt("a", STOPPED, T0)
    assert [event.state.value for event in events] == ["cancelled", "upstream_failed", "failed"]


def test_a_job_says_where_its_files_go() -> None:
    run = machine()
    run.begin(T0)
    job = run.job("a", Path("/runs"), 1)
    assert job.file(".ipynb") == Path("/runs/d/1/a.1.ipynb")
    assert job.key == ("d/1", "a", 1)


def test_a_run_read_back_knows_that_it_is_being_cancelled() -> None:
    run = machine("a >> b; c", TaskOptions(retries=3))
    events = [CREATED, *run.begin(T0), run.start_attempt("a", T0), run.start_attempt("c", T0)]
    events += run.cancel("cancelled by Ola", T0)
    again = replay(run.dag, events)
    events = [*again.end_attempt("a", BAD, T0), *again.end_attempt("c", GOOD, T0)]
    assert [(event.state.value, event.reason) for event in events] == [
        ("failed", ""),
        ("success", ""),
        ("cancelled", "cancelled by Ola"),
    ]


def test_a_run_read_back_in_the_middle_of_a_decision_takes_it_again() -> None:
    run = machine("a >> b >> c")
    events = [CREATED, *run.begin(T0), run.start_attempt("a", T0)]
    failed, b, c, ended = run.end_attempt("a", BAD, T0)
    assert replay(run.dag, [*events, failed]).resume(T0) == [b, c, ended]
    assert replay(run.dag, [*events, failed, b]).resume(T0) == [c, ended]
    assert replay(run.dag, [*events, failed, b, c]).resume(T0) == [ended]


def test_a_run_read_back_in_the_middle_of_a_cancelling_goes_on_with_it() -> None:
    run = machine("a >> b >> c")
    events = [CREATED, *run.begin(T0), run.start_attempt("a", T0)]
    asked, b, c = run.cancel("enough", T0)
    again = replay(run.dag, [*events, asked, b])
    assert again.resume(T0) == [c]
    assert again.state is RunState.RUNNING
