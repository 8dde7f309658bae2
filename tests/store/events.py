"""Events for tests of the store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ppacer_nb.model.events import RunEvent, TaskEvent
from ppacer_nb.status import AttemptState, RunState, RunType

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)


def run_event(run_id: str = "d/1", state: RunState = RunState.QUEUED) -> RunEvent:
    return RunEvent(run_id, run_id.split("/")[0], RunType.MANUAL, T0, "v", {}, 1, state, T0)


def task_event(state: AttemptState, task_id: str = "a", attempt: int = 1, **fields: Any) -> TaskEvent:
    return TaskEvent("d/1", task_id, attempt, state, fields.pop("at", T0), **fields)
