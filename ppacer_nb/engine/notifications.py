"""Which endings of tasks people are told of, and in which words."""

from __future__ import annotations

from ppacer_nb.model.attempt import ErrorInfo
from ppacer_nb.model.durations import format_duration
from ppacer_nb.model.events import TaskEvent
from ppacer_nb.model.ids import dag_id_of
from ppacer_nb.model.notification import Notification, NotificationKind
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.status import AttemptState

_KINDS: dict[AttemptState, NotificationKind] = {
    AttemptState.FAILED: "failure",
    AttemptState.UP_FOR_RETRY: "retry",
    AttemptState.SUCCESS: "success",
}


def notification_of(event: TaskEvent, task: TaskSpec) -> Notification | None:
    """Return what `event` calls for under the task's ``notify`` option, None if nothing.

    What ended without an attempt was marked by somebody, who knows.
    """
    kind = _KINDS.get(event.state)
    if kind is None or not event.attempt or kind not in task.options.notify:
        return None
    return Notification(event.at, kind, event.run_id, event.task_id, event.attempt, _text(event))


def _text(event: TaskEvent) -> str:
    who = f"task {event.task_id} of {dag_id_of(event.run_id)} (run {event.run_id}, attempt {event.attempt})"
    if event.state is AttemptState.SUCCESS:
        return f"{who} succeeded"
    if event.retry_at is not None:
        wait = format_duration(event.retry_at - event.at)
        return f"{who} failed and is tried again in {wait}: {_why(event.error)}"
    return f"{who} failed: {_why(event.error)}"


def _why(error: ErrorInfo | None) -> str:
    return error.message if error is not None else "no reason given"
