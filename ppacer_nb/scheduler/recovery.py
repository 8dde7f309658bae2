"""What becomes of runs whose scheduler died."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from ppacer_nb.model.events import Event, RunEvent, TaskEvent
from ppacer_nb.status import AttemptState, RunState

REASON = "its scheduler ended before the run did"


def interrupted(events: Sequence[Event], now: datetime) -> Iterator[Event]:
    """Yield what ends an unfinished run, given all its events: attempts in flight become `interrupted`."""
    latest: dict[str, TaskEvent] = {}
    run: RunEvent | None = None
    for event in events:
        if isinstance(event, TaskEvent):
            latest[event.task_id] = event
        elif isinstance(event, RunEvent):
            run = event
    for event in latest.values():
        if event.state is AttemptState.RUNNING:
            yield replace(
                event, state=AttemptState.INTERRUPTED, at=now, queued_at=None, reason="its scheduler died"
            )
    if run is not None:
        yield replace(run, state=RunState.FAILED, at=now, reason=REASON)
