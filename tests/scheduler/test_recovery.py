from __future__ import annotations

from datetime import timedelta

from ppacer_nb.model.events import Event
from ppacer_nb.scheduler.recovery import REASON, interrupted
from ppacer_nb.status import AttemptState, RunState
from tests.store.events import T0, run_event, task_event

NOW = T0 + timedelta(hours=1)


def test_what_ran_is_interrupted_and_the_run_fails() -> None:
    events: list[Event] = [
        run_event(),
        run_event(state=RunState.RUNNING),
        task_event(AttemptState.RUNNING, "done", queued_at=T0),
        task_event(AttemptState.SUCCESS, "done"),
        task_event(AttemptState.RUNNING, "running", queued_at=T0),
    ]
    attempt, run = interrupted(events, NOW)
    assert attempt == task_event(AttemptState.INTERRUPTED, "running", at=NOW, reason="its scheduler died")
    assert (run.state, run.at, run.reason) == (RunState.FAILED, NOW, REASON)  # type: ignore[union-attr]


def test_a_run_that_never_began_fails_alone() -> None:
    (run,) = interrupted([run_event()], NOW)
    assert (run.state, run.reason) == (RunState.FAILED, REASON)  # type: ignore[union-attr]


def test_nothing_comes_of_nothing() -> None:
    assert list(interrupted([], NOW)) == []
