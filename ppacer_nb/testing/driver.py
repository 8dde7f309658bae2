"""The real engine, driven through time in the calling thread.

What the scheduler's loop does, without threads, a disk or waiting: it takes in what happened, lets the engine
decide, carries out the commands, and goes on at the next due time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ppacer_nb.engine.commands import Command, Notify, Record, Start, Stop
from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.engine.queue import Limits
from ppacer_nb.engine.timers import Timers
from ppacer_nb.model.attempt import BodyStarted, Ended, LogLine, Message, Report
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import Event
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.notification import Notification
from ppacer_nb.testing.script import ScriptedExecutor, Timeline

Span = tuple[datetime, datetime]
_NEVER = datetime.max.replace(tzinfo=UTC)


class Driver:
    """An engine, the time, and all that came out of it.

    Parameters
    ----------
    start
        The time at first.
    executor
        Makes what runs the tasks, given the time and a script.
    asleep
        When the machine sleeps: what falls due in such a span comes at its end.
    """

    def __init__(
        self,
        start: datetime,
        limits: Limits,
        runs_folder: Path,
        executor: Callable[[Timeline, MutableMapping[str, Any]], ScriptedExecutor] = ScriptedExecutor,
        script: Mapping[str, Any] | None = None,
        asleep: Sequence[Span] = (),
    ) -> None:
        self.events: list[Event] = []  #: as the log would have them
        self.notifications: list[Notification] = []
        self.logs: dict[AttemptKey, list[LogLine]] = {}
        self.executor = executor(self, dict(script or {}))
        self._engine = Coordinator(limits, runs_folder)
        self._asleep = sorted(asleep)
        self._now = start.astimezone(UTC)
        self._timers: Timers[Callable[[], None]] = Timers()
        self._heard: deque[tuple[AttemptKey, Report]] = deque()

    def now(self) -> datetime:
        """Return the simulated time, in UTC."""
        return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> None:
        """Call `callback` when time comes to `when`."""
        self._timers.set(when, callback)

    def register(self, dag: DagSpec, accounted: datetime | None) -> None:
        """Schedule `dag` from now on, as if its points up to `accounted` were past."""
        self._carry_out(self._engine.register(dag, accounted, self._now))

    def run_until(self, end: datetime) -> None:
        """Let time pass until just before `end`."""
        self._settle()
        while (due := self._next_due()) < end:
            self._now = max(self._now, due)
            while (callback := self._timers.pop_due(self._now)) is not None:
                callback()
            self._settle()

    def _next_due(self) -> datetime:
        due = min(self._engine.next_wakeup or _NEVER, self._timers.next or _NEVER)
        for asleep, awake in self._asleep:
            if asleep <= due < awake:
                due = awake
        return due

    def _settle(self) -> None:
        """Do all that is to be done now."""
        self._take_in()
        self._carry_out(self._engine.advance(self._now))
        self._take_in()

    def _take_in(self) -> None:
        while self._heard:
            key, report = self._heard.popleft()
            match report:
                case Ended(outcome=outcome):
                    self._carry_out(self._engine.attempt_ended(key, outcome, self._now))
                case BodyStarted(worker=worker):
                    self._engine.body_started(key, worker, self._now)
                case LogLine():
                    self.logs.setdefault(key, []).append(report)
                case Message(text=text):
                    self.notifications.append(Notification(self._now, "message", *key, text))

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Record(event):
                    self.events.append(event)
                case Start(job):
                    self.executor.submit(job, self._hear)
                case Stop():
                    self.executor.stop(command.key, timed_out=command.timed_out, reason=command.reason)
                case Notify(notification):
                    self.notifications.append(notification)

    def _hear(self, key: AttemptKey, report: Report) -> None:
        self._heard.append((key, report))
