"""A message about a run, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

NotificationKind = Literal[
    "failure", "retry", "success", "message", "history_unwritable", "history_written_again"
]


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent when a task ends in a way its ``notify`` option names, or asks for it itself.

    Those about the run history itself are of no run: ``run_id`` and ``task_id`` are "", and ``attempt`` is 0.
    """

    at: datetime
    kind: NotificationKind
    run_id: str
    task_id: str
    attempt: int
    text: str  #: one line, complete in itself
