"""What the engine asks the scheduler to do. Commands are carried out in the order given."""

from __future__ import annotations

from dataclasses import dataclass

from ppacer_nb.model.attempt import Job
from ppacer_nb.model.events import Event
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.notification import Notification


@dataclass(frozen=True, slots=True)
class Record:
    """Append `event` to the log."""

    event: Event


@dataclass(frozen=True, slots=True)
class Start:
    """Run an attempt, but not before every record ahead of this command is on disk."""

    job: Job
    executor: str | None  #: None: the scheduler's default


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the attempt's executor to end it."""

    key: AttemptKey
    timed_out: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Hand `notification` to the receivers."""

    notification: Notification


@dataclass(frozen=True, slots=True)
class Keep:
    """Have the attempt's executor keep the kernel that it holds, however long: the task goes on in it."""

    key: AttemptKey


@dataclass(frozen=True, slots=True)
class Release:
    """Have the attempt's executor end the kernel that it holds."""

    key: AttemptKey


@dataclass(frozen=True, slots=True)
class Recall:
    """Hand the history of a run to `Coordinator.recalled`, once all records ahead of this are on disk."""

    run_id: str


Command = Record | Start | Stop | Notify | Keep | Release | Recall
