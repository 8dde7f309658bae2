"""What is looked for is found, as by a look at every run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ppacer_nb.model.events import RunEvent
from ppacer_nb.model.history import RunRecord
from ppacer_nb.model.ids import run_id_of
from ppacer_nb.model.run_filter import ORDERS, RunFilter
from ppacer_nb.status import RunState, RunType
from ppacer_nb.store import run_index
from ppacer_nb.store.store import Store
from tests.store.events import T0

SECOND = timedelta(seconds=1)
STATES = [RunState.QUEUED, RunState.RUNNING, RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED]


def _event(run_id: str, run_type: RunType, state: RunState, second: int, restarts: int = 0) -> RunEvent:
    at = T0 + second * SECOND
    return RunEvent(run_id, run_id.split("/")[0], run_type, T0, "v", {}, 1, state, at, restarts=restarts)


@st.composite
def pasts(draw: st.DrawFn) -> list[list[RunEvent]]:
    """Draw runs of three DAGs: made each a second after the other, some restarted after their end."""
    past: list[list[RunEvent]] = []
    for number in range(draw(st.integers(0, 9))):
        run_type = draw(st.sampled_from(RunType))
        run_id = run_id_of(
            draw(st.sampled_from(["load", "load_all", "Mail"])), run_type, T0 + number * SECOND
        )
        events = [_event(run_id, run_type, RunState.QUEUED, number)]
        for restarts in range(draw(st.integers(1, 2))):
            end = draw(st.sampled_from(STATES))
            if restarts:
                events.append(_event(run_id, run_type, RunState.QUEUED, 40, restarts))
            if end is not RunState.QUEUED:
                events.append(_event(run_id, run_type, RunState.RUNNING, 20 + number, restarts))
            if end.is_terminal:
                events.append(_event(run_id, run_type, end, 20 + number + draw(st.integers(0, 9)), restarts))
            else:
                break
        past.append(events)
    return past


filters = st.builds(
    RunFilter,
    dag_ids=st.lists(st.sampled_from(["load", "load_all", "Mail", "none"]), max_size=2, unique=True),
    states=st.lists(st.sampled_from(STATES), max_size=2, unique=True),
    run_types=st.lists(st.sampled_from(RunType), max_size=2, unique=True),
    since=st.none() | st.integers(0, 9).map(lambda n: T0 + n * SECOND),
    until=st.none() | st.integers(0, 9).map(lambda n: T0 + n * SECOND),
    text=st.sampled_from(["", "MAN", "load_", "/b", "%", "'"]),
    order=st.sampled_from(ORDERS),
    ascending=st.booleans(),
)


def _matches(run: RunRecord, wanted: RunFilter) -> bool:
    return (
        (not wanted.dag_ids or run.dag_id in wanted.dag_ids)
        and (not wanted.states or run.state in wanted.states)
        and (not wanted.run_types or run.run_type in wanted.run_types)
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
        and wanted.text.lower() in run.run_id.lower()
    )


def _in_order(runs: list[RunRecord], wanted: RunFilter) -> list[RunRecord]:
    """Return `runs`, which come the newest first, in the order wanted."""

    def key(run: RunRecord) -> Any:
        return {"dag": run.dag_id, "state": run.state.value, "created": 0}[wanted.order]

    if wanted.ascending:
        runs = runs[::-1]
    return sorted(runs, key=key, reverse=not wanted.ascending)


@given(pasts(), filters)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_search_finds_what_a_look_at_every_run_would(
    monkeypatch: pytest.MonkeyPatch, past: list[list[RunEvent]], wanted: RunFilter
) -> None:
    monkeypatch.setattr(run_index, "PORTION", 5)
    with Store(None) as store:
        made = [events[0] for events in past]
        store.log.events([*made, *(event for events in past for event in events[1:])])
        store.log.flush()
        matching = [run for run in store.history.runs() if _matches(run, wanted)]
        page = store.history.search(wanted)
        if wanted.order == "duration":
            assert sorted(run.run_id for run in page.runs) == sorted(run.run_id for run in matching)
        else:
            assert list(page.runs) == _in_order(matching, wanted)
        pages = [store.history.search(wanted, offset=offset, limit=2) for offset in range(0, 10, 2)]
        assert [run for part in pages for run in part.runs] == list(page.runs)
        assert [part.more for part in pages] == [len(page.runs) > end for end in range(2, 11, 2)]


def test_the_longest_come_first_and_those_that_have_not_ended_last() -> None:
    with Store(None) as store:
        for number, seconds in enumerate([3, 30, None, 0.5]):
            run_id = run_id_of("d", RunType.MANUAL, T0 + number * SECOND)
            states = [RunState.QUEUED, RunState.RUNNING, *([] if seconds is None else [RunState.SUCCESS])]
            for state, at in zip(states, (0, 1, 1 + (seconds or 0)), strict=False):
                event = _event(run_id, RunType.MANUAL, state, 0)
                store.log.events([_at(event, at)])
        store.log.flush()

        def seconds_of(*, ascending: bool) -> list[float | None]:
            found = store.history.search(RunFilter(order="duration", ascending=ascending)).runs
            return [run.ended_at and (run.ended_at - T0).total_seconds() - 1 for run in found]  # type: ignore[misc]

        assert seconds_of(ascending=False) == [30, 3, 0.5, None]
        assert seconds_of(ascending=True) == [0.5, 3, 30, None]


def _at(event: RunEvent, seconds: float) -> RunEvent:
    return replace(event, at=T0 + timedelta(seconds=seconds))
