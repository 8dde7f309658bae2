from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.attempt import ErrorInfo, Files, LogLine
from ppacer_nb.model.backfill import BackfillOrder, BackfillRequest
from ppacer_nb.model.events import (
    BackfillEvent,
    CatchupEvent,
    DagEvent,
    Event,
    RunEvent,
    ScheduleEvent,
    TaskEvent,
)
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.notification import Notification
from ppacer_nb.model.values import Value
from ppacer_nb.status import (
    AttemptState,
    BackfillState,
    CatchupChoice,
    Rerun,
    RunState,
    RunType,
    ScheduleEventKind,
)
from ppacer_nb.store.codec import (
    event_of,
    event_row,
    log_row,
    notification_row,
    task_shapes,
    to_json,
    version_row,
)
from ppacer_nb.store.store import Store
from ppacer_nb.testing import dag_spec
from tests.store.events import T0, run_event

texts = st.text(st.characters(exclude_categories=["Cs"]))
instants = st.datetimes(datetime(1900, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
maybe_instants = st.none() | instants
paths = st.none() | texts.map(Path)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
states = st.sampled_from(AttemptState)
small = st.builds(Value, st.binary(), st.none(), st.integers(0, 2**62), texts, texts, st.booleans())
large = st.builds(Value, st.none(), texts.map(Path), st.integers(0, 2**62), texts, texts)
errors = st.none() | st.builds(ErrorInfo, texts, texts, texts)
task_events = st.builds(
    TaskEvent,
    st.just("d/1"),
    st.just("a"),
    st.integers(0, 2**31 - 1),
    states,
    instants,
    retry_at=maybe_instants,
    value=st.none() | small | large,
    error=errors,
    reason=texts,
    worker=texts,
    files=st.builds(Files, paths, paths),
    cut_by=texts,
)
started_events = st.builds(
    TaskEvent, st.just("d/1"), st.just("a"), st.integers(1, 9), states, instants, queued_at=instants
)
run_events = st.builds(
    RunEvent,
    st.just("d/1"),
    st.just("d"),
    st.sampled_from(RunType),
    instants,
    texts,
    st.dictionaries(texts, json_values, max_size=3),
    st.integers(0, 10_000),
    st.sampled_from(RunState),
    instants,
    texts,
    st.integers(0, 99),
    st.booleans(),
)
dag_events = st.builds(DagEvent, st.just("d"), st.booleans(), instants, texts)
schedule_events = st.builds(
    ScheduleEvent,
    st.just("d"),
    st.sampled_from(ScheduleEventKind),
    instants,
    instants,
    st.none() | st.integers(0, 10_000),
    instants,
    st.none() | st.just("d/1"),
    st.booleans(),
    st.just("") | st.just("d/1"),
)
requests = st.builds(
    BackfillRequest,
    instants,
    instants,
    st.sampled_from(Rerun),
    st.integers(1, 99),
    st.dictionaries(texts, json_values, max_size=3),
)
orders = st.builds(
    BackfillOrder, requests, st.lists(instants, max_size=3).map(tuple), st.frozensets(instants, max_size=3)
)
backfill_events = st.builds(
    BackfillEvent,
    st.just("d/1"),
    st.just("d"),
    st.sampled_from(BackfillState),
    instants,
    texts,
    st.none() | orders,
)
catchup_events = st.builds(
    CatchupEvent,
    st.just("d"),
    st.sampled_from(CatchupChoice),
    st.lists(instants, max_size=3).map(tuple),
    instants,
    texts,
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store(None) as store:
        yield store


@given(st.lists(task_events | started_events | run_events, min_size=1, max_size=5))
def test_an_event_comes_back_from_the_store_as_it_went_in(store: Store, events: list[Event]) -> None:
    before = len(store.history.events("d/1"))
    store.log.events(events)
    store.log.flush()
    assert store.history.events("d/1")[before:] == events


@given(schedule_events | catchup_events | backfill_events | dag_events)
def test_an_event_of_a_dag_comes_back_from_its_row(event: Event) -> None:
    assert event_of(event_row(1, event)) == event


HOSTILE = [
    "lone \udcff surrogate",
    "\x00 nul",
    "'; DROP TABLE events; --",
    '"}{"\\',
    "\U0001f680 and ż",
    "\r\n\t",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_task_ends_the_log(text: str) -> None:
    key = AttemptKey("d/1", "a", 1)
    failed = TaskEvent(
        "d/1",
        "a",
        1,
        AttemptState.FAILED,
        T0,
        error=ErrorInfo("TaskFailed", text, text),
        reason=text,
        worker=text,
        files=Files(Path(text.replace("\x00", ""))),
        value=Value(None, Path("x"), 1, text, text),
    )
    created = RunEvent("d/1", "d", RunType.MANUAL, T0, "v", {text: text}, 1, RunState.QUEUED, T0, text)
    dag = dag_spec("d", "a", description=text, tags=(text,), params={text: text})
    with Store(None) as store:
        store.log.row("dag_versions", version_row(dag, T0))
        store.log.row("notifications", notification_row(Notification(T0, "message", *key, text), text))
        store.log.events([created, failed])
        store.log.line(key, LogLine(T0, "INFO", text, {text: text}))
        store.log.flush()
        (line,) = store.history.logs("d/1")
        (attempt,) = store.history.attempts("d/1")
        version = store.history.dag_version("d")
        assert attempt.error is not None
        assert version is not None
        shown = [line.line.message, attempt.error.message, attempt.reason, version.description]
        if "\udcff" in text:
            assert all("lone" in each and "surrogate" in each for each in shown)
        else:
            assert shown == [text] * 4


class Hostile:
    def __str__(self) -> str:
        raise ValueError("no text for you")

    __repr__ = __str__


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("params", "stored"),
    [
        ({"day": T0}, {"day": "2026-11-23 05:15:00+00:00"}),
        ({"k": {(1, 2): 3}}, {"k": "{(1, 2): 3}"}),
        ({"x": _circle(), "y": 1}, {"x": "[[...]]", "y": 1}),
        ({"x": Hostile()}, {"x": "<Hostile whose text cannot be had>"}),
        ({5: 1}, {"5": 1}),
    ],
)
def test_params_that_json_does_not_know_are_kept_as_text(params: dict[Any, Any], stored: object) -> None:
    assert json.loads(to_json(params)) == stored


def test_numbers_that_json_does_not_know_are_read_back() -> None:
    event = RunEvent(
        "d/1", "d", RunType.MANUAL, T0, "v", {"x": float("inf"), "y": 10**400}, 1, RunState.QUEUED, T0
    )
    with Store(None) as store:
        store.log.events([event])
        store.log.flush()
        assert store.history.events("d/1") == [event]
        assert store.history.runs()[0].params == event.params


def test_a_log_line_without_attributes_stores_none() -> None:
    assert log_row(AttemptKey("d/1", "a", 1), 7, LogLine(T0, "INFO", "x"))[-1] is None


def test_the_tasks_of_a_version_come_back_as_shapes() -> None:
    row = version_row(dag_spec("d", "a >> b", tags=("x", "y")), T0)
    shapes = task_shapes(row[-1])
    assert [(shape.id, shape.kind, list(shape.upstreams)) for shape in shapes] == [
        ("a", "function", []),
        ("b", "function", ["a"]),
    ]


def test_params_that_cannot_be_pickled_come_back_as_people_see_them() -> None:
    class Local:
        def __str__(self) -> str:
            return "local"

    row = event_row(1, replace(run_event(), params={"x": Local(), "day": T0.date()}))
    event = event_of(row)
    assert isinstance(event, RunEvent)
    assert event.params == {"x": "local", "day": str(T0.date())}


def test_params_of_a_class_that_is_gone_come_back_as_people_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(tuple[int, ...]):
        __slots__ = ()

    Gone.__qualname__ = "Gone"
    monkeypatch.setattr(sys.modules[__name__], "Gone", Gone, raising=False)
    row = event_row(1, replace(run_event(), params={"x": Gone((1, 2))}))
    monkeypatch.undo()
    event = event_of(row)
    assert isinstance(event, RunEvent)
    assert event.params == {"x": [1, 2]}
