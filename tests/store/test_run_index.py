"""One run is found by the index as it would be by a look at every event."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppacer_nb.model.events import EventOfRun, RunEvent, TaskEvent
from ppacer_nb.model.history import RunRecord
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.store import run_index
from ppacer_nb.store.schema import MIGRATIONS
from ppacer_nb.store.store import Store
from tests.store.events import T0, run_event, task_event

RUNS = [f"d/{number}" for number in range(4)]
NEXT = {
    None: [RunState.QUEUED],
    RunState.QUEUED: [RunState.RUNNING, RunState.CANCELLED],
    RunState.RUNNING: [RunState.SUCCESS, RunState.FAILED, RunState.QUEUED],
    RunState.SUCCESS: [RunState.QUEUED],
    RunState.FAILED: [RunState.QUEUED],
    RunState.CANCELLED: [RunState.QUEUED],
}


@st.composite
def histories(draw: st.DrawFn) -> list[list[EventOfRun]]:
    """Draw groups of events: runs that begin, go on, end, are put back and restarted, and their tasks."""
    states: dict[str, RunState | None] = dict.fromkeys(RUNS)
    restarts: Counter[str] = Counter()
    groups: list[list[EventOfRun]] = []
    for size in draw(st.lists(st.integers(1, 6), max_size=12)):
        group: list[EventOfRun] = []
        for _ in range(size):
            run_id = draw(st.sampled_from(RUNS))
            if states[run_id] is RunState.RUNNING and draw(st.booleans()):
                group.append(replace(task_event(AttemptState.RUNNING), run_id=run_id))
                continue
            state = draw(st.sampled_from(NEXT[states[run_id]]))
            if state is RunState.QUEUED and states[run_id] is not None:
                restarts[run_id] += 1
            states[run_id] = state
            at, reason = T0 + timedelta(seconds=len(groups)), draw(st.sampled_from(["", "why"]))
            event = replace(run_event(run_id, state), restarts=restarts[run_id], at=at, reason=reason)
            group.append(event)
        groups.append(group)
    return groups


@given(histories(), st.integers(0, 8), st.data())
@settings(deadline=None, max_examples=40)
def test_every_run_is_as_its_events_say_wherever_the_index_ends(
    groups: list[list[EventOfRun]], portion: int, data: st.DataObject
) -> None:
    logged: list[EventOfRun] = []
    with pytest.MonkeyPatch.context() as patch, Store(None) as store:
        patch.setattr(run_index, "PORTION", portion)
        for group in groups:
            store.log.events(group)
            store.log.flush()
            logged += group
            if data.draw(st.booleans(), "look now"):
                _check(store, logged)
        _check(store, logged)


def _check(store: Store, logged: list[EventOfRun]) -> None:
    history = store.history
    states = {event.run_id: event.state for event in logged if isinstance(event, RunEvent)}
    assert history.counts() == Counter(states.values())
    view = history.sql(
        "SELECT run_id, state, created_at, started_at, ended_at, reason, restarts FROM dag_runs"
    ).rows
    assert {tuple(row) for row in view} == {_as_in_view(run) for run in history.runs()}
    for run_id in RUNS:
        mine = [event for event in logged if event.run_id == run_id]
        assert history.events(run_id) == mine
        found = history.run(run_id)
        assert (found and found.state) == states.get(run_id)
        assert bool(history.attempts(run_id)) == any(isinstance(event, TaskEvent) for event in mine)


def _as_in_view(run: RunRecord) -> tuple[object, ...]:
    times = (at and at.replace(tzinfo=None) for at in (run.created_at, run.started_at, run.ended_at))
    return (run.run_id, run.state, *times, run.reason, run.restarts)


def test_the_index_is_added_to_in_portions_and_holds_each_run_once_in_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_index, "PORTION", 3)
    with Store(None) as store:
        for number in range(10):
            store.log.events([run_event(f"d/{number % 2}")])
            store.log.flush()
        spans = [tuple(row) for row in store.history.sql("SELECT first, last FROM run_index").rows]
        assert spans == [(1, 3), (2, 2), (4, 6), (5, 5), (7, 9), (8, 8)]


def test_the_index_of_an_older_store_is_made_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "p.duckdb"
    older = next(n for n, statements in enumerate(MIGRATIONS) if "CREATE TABLE run_index" in statements)
    with Store(tmp_path / "new.duckdb") as store:
        store.log.events([run_event("d/1"), run_event("d/2")])
    with duckdb.connect(str(path)) as connection:
        connection.execute(";".join(MIGRATIONS[:older]))
        connection.execute(f"ATTACH '{tmp_path / 'new.duckdb'}' AS new; INSERT INTO events FROM new.events")
        connection.execute("CREATE TABLE ppacer_schema AS SELECT ? AS number", [older])
    with Store(path) as store:
        assert store.history.sql("SELECT first, last FROM run_index").rows == [(1, 1), (2, 2)]
        assert store.history.run("d/2") is not None
