"""Two runs side by side."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ppacer_nb.model.attempt import ErrorInfo
from ppacer_nb.model.comparison import compare_runs
from ppacer_nb.status import AttemptState, RunState
from tests.widgets.records import T0, attempt, run

LATER = T0 + timedelta(hours=1)
NO = ErrorInfo("TaskFailed", "ValueError: no\nmore", "")


def test_a_task_is_told_by_its_latest_attempt_in_each_run() -> None:
    old = [attempt("a", AttemptState.UP_FOR_RETRY, error=NO), attempt("a", AttemptState.SUCCESS, 2)]
    new = [attempt("a", AttemptState.FAILED, error=NO), attempt("b", AttemptState.RUNNING)]
    found = compare_runs(run(RunState.SUCCESS), run(RunState.FAILED), old, new, None, LATER)
    first, second = found.tasks
    assert (first.task_id, first.differs) == ("a", True)
    assert first.old is not None
    assert first.new is not None
    assert (first.old.state, first.old.attempts, first.old.error) == (AttemptState.SUCCESS, 2, "")
    assert (first.new.state, first.new.error) == (AttemptState.FAILED, "ValueError: no")
    assert (second.task_id, second.old, second.differs) == ("b", None, True)
    assert second.new is not None
    assert second.new.duration == timedelta(hours=1)


def test_only_params_that_differ_are_told() -> None:
    old, new = (
        replace(run(), params=params)
        for params in ({"n": 1, "city": "Łódź"}, {"n": 2, "day": None, "city": "Łódź"})
    )
    assert compare_runs(old, new, [], [], None, LATER).params == {"n": ("1", "2"), "day": ("", "None")}


def test_the_same_outcome_does_not_differ_however_long_it_took() -> None:
    before = [attempt("a", AttemptState.SUCCESS)]
    after = [attempt("a", AttemptState.SUCCESS, ended_at=LATER)]
    (pair,) = compare_runs(run(), run(), before, after, None, LATER).tasks
    assert not pair.differs
