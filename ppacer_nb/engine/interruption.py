"""What becomes of a run when its scheduler ends before it does: it waits for the next one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ppacer_nb.model.attempt import ErrorInfo
from ppacer_nb.model.events import EventOfRun, RunEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.status import AttemptState, RunState

DIED = "its scheduler died"
STOPPED = "its scheduler was stopped"

#: A task that ran each time when this many schedulers in a row died may well be what kills them.
MOST_INTERRUPTIONS = 5


def interrupted(
    latest: RunEvent, in_flight: Iterable[AttemptKey], now: datetime, reason: str
) -> list[EventOfRun]:
    """Return what ends the attempts in flight of an unfinished run, and puts it back to wait for its turn.

    `latest` is the last event of the run itself. A run that has not begun waits already.
    """
    events: list[EventOfRun] = [
        TaskEvent(*key, AttemptState.INTERRUPTED, now, reason=reason) for key in in_flight
    ]
    if latest.state is RunState.RUNNING:
        times = latest.interruptions + 1
        events.append(
            replace(
                latest, state=RunState.QUEUED, at=now, reason=reason, timed_out=False, interruptions=times
            )
        )
    return events


def interrupted_by_history(events: Iterable[EventOfRun], now: datetime, reason: str) -> list[EventOfRun]:
    """As `interrupted`, of a run of which there is only its history, from its beginning."""
    in_flight: dict[str, AttemptKey] = {}
    run: RunEvent | None = None
    for event in events:
        if isinstance(event, RunEvent):
            run = event
        elif event.state is AttemptState.RUNNING:
            in_flight[event.task_id] = AttemptKey(event.run_id, event.task_id, event.attempt)
        elif event.attempt:
            in_flight.pop(event.task_id, None)
    assert run is not None
    return interrupted(run, in_flight.values(), now, reason)


def why_not_again(task: TaskSpec, interruptions: int, reason: str) -> ErrorInfo | None:
    """Return why a task that was interrupted that often in a row is not tried again; None: it is."""
    if task.options.on_interrupt == "fail":
        why = "it is not tried again, as its on_interrupt is 'fail'"
    elif interruptions >= MOST_INTERRUPTIONS:
        why = f"that is the {interruptions}th time in a row, so it may be what ends it: it is not tried again"
    else:
        return None
    return ErrorInfo("TaskInterrupted", f"task {task.id!r} ran when {reason}: {why}.")
