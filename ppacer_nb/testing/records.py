"""What a run's events add up to: as the store's views, without a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ppacer_nb.model.events import EventOfRun, RunEvent, TaskEvent
from ppacer_nb.model.history import AttemptRecord, RunRecord, latest_states
from ppacer_nb.status import AttemptState, RunState


def run_record(events: Sequence[EventOfRun], attempts: Sequence[AttemptRecord]) -> RunRecord:
    """Return the run that these events, the first of them its creation, are the history of."""
    own = [event for event in events if isinstance(event, RunEvent)]
    first, last = own[0], own[-1]
    began = [event.at for event in own if event.state is RunState.RUNNING and not event.reason]
    states = latest_states(attempts).values()
    return RunRecord(
        run_id=first.run_id,
        dag_id=first.dag_id,
        run_type=first.run_type,
        logical_date=first.logical_date,
        version=last.version,
        params=first.params,
        state=last.state,
        created_at=first.at,
        started_at=began[-1] if began and last.state is not RunState.QUEUED else None,
        ended_at=last.at if last.state.is_terminal else None,
        reason=last.reason,
        tasks=last.tasks,
        tasks_done=sum(state.ends_task for state in states),
        tasks_failed=sum(state.is_failure for state in states),
        restarts=last.restarts,
    )


def attempt_records(events: Iterable[EventOfRun]) -> list[AttemptRecord]:
    """Return the attempts of a run, in the order in which they began."""
    grouped: dict[tuple[str, int], list[TaskEvent]] = {}
    for event in events:
        if isinstance(event, TaskEvent):
            grouped.setdefault((event.task_id, event.attempt), []).append(event)
    return [_attempt(group) for group in grouped.values()]


def _attempt(events: Sequence[TaskEvent]) -> AttemptRecord:
    first, last = events[0], events[-1]
    started = first.at if first.state is AttemptState.RUNNING else None
    value = last.value
    return AttemptRecord(
        run_id=first.run_id,
        task_id=first.task_id,
        attempt=first.attempt,
        state=last.state,
        queued_at=first.queued_at,
        started_at=started,
        ended_at=None if last.state is AttemptState.RUNNING else last.at,
        retry_at=last.retry_at,
        reason=last.reason,
        worker=last.worker,
        error=last.error,
        files=last.files,
        value_type=None if value is None else value.type_name,
        value_size=None if value is None else value.size,
        value_preview=None if value is None else value.preview,
    )
