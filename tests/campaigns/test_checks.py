"""Each check of the crash campaign finds what it is there for, in a log that is right but for that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ppacer_nb.model.attempt import ErrorInfo
from ppacer_nb.model.events import Event, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.status import AttemptState, RunState, RunType, ScheduleEventKind
from ppacer_nb.store.codec import event_row
from tests.campaigns import checks, load
from tests.campaigns.evidence import Evidence
from tests.campaigns.reading import Left, Row
from tests.store.events import T0

ID = "chain/scheduled-20261123T051500Z"
BEFORE = T0 - timedelta(seconds=1)

POINT = ScheduleEvent("chain", ScheduleEventKind.REGULAR, T0, T0, 1, T0, ID)
MADE = RunEvent(ID, "chain", RunType.SCHEDULED, T0, "v", {}, 3, RunState.QUEUED, T0)
BEGUN = replace(MADE, state=RunState.RUNNING)


def ran(task_id: str, attempt: int = 1) -> list[Event]:
    return [began(task_id, attempt), ended(task_id, AttemptState.SUCCESS, attempt)]


def began(task_id: str, attempt: int = 1, **fields: Any) -> TaskEvent:
    return TaskEvent(ID, task_id, attempt, AttemptState.RUNNING, fields.pop("at", T0), **fields)


def ended(task_id: str, state: AttemptState, attempt: int = 1, **fields: Any) -> TaskEvent:
    return TaskEvent(ID, task_id, attempt, state, T0, **fields)


def success() -> list[Event]:
    tasks = [event for id in ("extract", "load", "report") for event in ran(id)]
    return [POINT, MADE, BEGUN, *tasks, replace(MADE, state=RunState.SUCCESS)]


JOURNAL = [
    f"start {ID} extract 1",
    f"end {ID} extract 1",
    f"start {ID} load 1 extract=1",
    f"start {ID} report 1 load=1",
]


def evidence(events: Iterable[Event], journal: Iterable[str] = (), *, run: str = "success") -> Evidence:
    known = Evidence(load.dags("threads"))
    rows = [Row(*event_row(seq, event)) for seq, event in enumerate(events, 1)]
    attempts = {
        AttemptKey(ID, row.task_id, row.attempt): row.state
        for row in rows
        if row.kind == "task" and row.task_id and row.attempt
    }
    known.take_in(Left(rows, "", "", {ID: run}, attempts, 0), list(journal), was_up=True)
    return known


def interrupted(*following: Event, times: int = 1) -> list[Event]:
    tries: list[Event] = []
    for attempt in range(1, times + 1):
        tries += [began("extract", attempt), ended("extract", AttemptState.INTERRUPTED, attempt)]
    return [POINT, MADE, BEGUN, *tries, *following]


def given_up(attempt: int) -> Event:
    return ended("extract", AttemptState.FAILED, attempt, error=ErrorInfo("TaskInterrupted", "no"))


def test_nothing_is_found_in_a_log_that_is_right() -> None:
    known = evidence(success(), JOURNAL)
    known.promises.ended[ID] = "success"
    assert [text for check in (*checks.ALWAYS, *checks.IN_THE_END) for text in check(known)] == []


RETRIED: list[Event] = [
    *(POINT, MADE, began("extract"), ended("extract", AttemptState.UP_FOR_RETRY, retry_at=T0)),
    began("extract", 2),
]
SKIPPED = replace(POINT, kind=ScheduleEventKind.SKIPPED, first=BEFORE, last=T0, run_id=None)
BROKEN: list[tuple[checks.Check, list[Event], list[str]]] = [
    (checks.one_run_for_one_point, [*success(), MADE], []),
    (checks.one_run_for_one_point, [POINT, BEGUN], []),
    (checks.every_point_accounted_for, [replace(POINT, first=BEFORE - timedelta(1)), *success()], []),
    (checks.every_point_accounted_for, [*success(), POINT], []),
    (checks.every_point_accounted_for, [replace(SKIPPED, count=3)], []),
    (checks.every_point_accounted_for, [POINT], []),
    (checks.every_point_accounted_for, success()[1:], []),
    (checks.attempts_are_numbered, [POINT, MADE, BEGUN, *ran("extract"), *ran("extract")], []),
    (checks.attempts_are_numbered, [POINT, MADE, BEGUN, began("extract"), began("extract", 2)], []),
    (
        checks.attempts_are_numbered,
        [POINT, MADE, *ran("extract"), ended("extract", AttemptState.INTERRUPTED)],
        [],
    ),
    (checks.written_ahead, [POINT, MADE, BEGUN], [f"start {ID} extract 1"]),
    (checks.written_ahead, success(), [*JOURNAL, JOURNAL[0]]),
    (checks.after_upstreams, [POINT, MADE, BEGUN, began("load")], []),
    (checks.after_upstreams, success(), [f"start {ID} load 1 extract=2"]),
    (checks.interrupted_are_tried_again, interrupted(given_up(1)), []),
    (checks.interrupted_are_tried_again, interrupted(replace(MADE, state=RunState.FAILED)), []),
    (
        checks.retries_not_used_up,
        [*RETRIED, ended("extract", AttemptState.FAILED, 2)],
        [],
    ),
    (
        checks.retries_wait_until_due,
        [*RETRIED[:-1], began("extract", 2, at=BEFORE)],
        [],
    ),
    (checks.ended_early_stays_so, [POINT, MADE, BEGUN, replace(BEGUN, reason="no"), began("extract")], []),
    (checks.replays, [POINT, MADE, BEGUN], []),
    (checks.all_ended, [POINT, MADE, BEGUN], []),
    (checks.ended_as_if_never_killed, success()[:-2] + success()[-1:], []),
    (checks.ended_as_if_never_killed, [*success()[:-1], replace(MADE, state=RunState.FAILED)], []),
]


@pytest.mark.parametrize(("check", "events", "journal"), BROKEN)
def test_a_check_finds_what_is_wrong(check: checks.Check, events: list[Event], journal: list[str]) -> None:
    assert list(check(evidence(events, journal)))


def test_a_task_may_be_given_up_that_was_interrupted_again_and_again() -> None:
    events = interrupted(given_up(checks.GIVEN_UP_AFTER), times=checks.GIVEN_UP_AFTER)
    assert list(checks.interrupted_are_tried_again(evidence(events))) == []


def test_a_gap_in_the_numbers_and_another_past_are_found() -> None:
    known = evidence(success())
    del known.rows[3]
    known.fingerprint = "9 of another log"
    assert list(checks.numbers_without_gaps(known)) == ["event 5 stands in place 4"]
    assert len(list(checks.nothing_rewritten(known))) == 1


def test_what_was_promised_and_is_not_there_is_found() -> None:
    known = evidence(success())
    known.promises.triggered = {ID: "Ola"}
    known.promises.carried_out = {"Jan": "cancel"}
    known.promises.ended = {ID: "failed"}
    assert len(list(checks.promises_kept(known))) == 3


def test_what_is_still_said_to_run_under_the_next_scheduler_is_found() -> None:
    known = evidence([POINT, MADE, BEGUN, began("extract")])
    known.take_in(Left([], "", "", {}, {}, 0), [], was_up=True)
    (sentence,) = checks.interrupted_in_time(known)
    assert "still said to run" in sentence
