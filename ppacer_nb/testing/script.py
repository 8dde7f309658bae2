"""Tasks that do as a script says, without running their functions."""

from __future__ import annotations

import traceback
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ppacer_nb import values
from ppacer_nb.calling import skipped
from ppacer_nb.errors import Skip
from ppacer_nb.executors.protocol import Listener
from ppacer_nb.model.attempt import (
    BodyStarted,
    Cancelled,
    Ended,
    ErrorInfo,
    Failed,
    Job,
    LogLine,
    Outcome,
    Succeeded,
)
from ppacer_nb.model.durations import Duration, parse_duration
from ppacer_nb.model.ids import AttemptKey


class Timeline(Protocol):
    """What scripted tasks need of a simulated clock."""

    def now(self) -> datetime:
        """Return the simulated time, in UTC."""
        ...

    def call_at(self, when: datetime, callback: Callable[[], None]) -> None:
        """Call `callback` when time comes to `when`."""
        ...


@dataclass(frozen=True)
class Does:
    """What a scripted attempt does: return `result`, or raise it if it is an exception, `after` a while."""

    result: object = None
    after: Duration = 0  #: of simulated time, from its start
    prints: Sequence[str] = ()  #: lines that it writes at its start


@dataclass
class ScriptedExecutor:
    """An `Executor` whose tasks do what a script says, in simulated time, without running their functions.

    The script gives for a task id a value to return, an exception to raise, a `Does`, a list of these, one
    for each attempt, of which the last one repeats, or a function that is given the attempt's `RunInfo` and
    returns any of these. A task that is not in it returns None at once.
    """

    clock: Timeline
    script: MutableMapping[str, Any] = field(default_factory=dict)
    started: list[Job] = field(default_factory=list)  #: every attempt that was started, in order
    stopped: list[AttemptKey] = field(default_factory=list)  #: every attempt that was asked to stop
    _running: dict[AttemptKey, Listener] = field(default_factory=dict)

    def submit(self, job: Job, listener: Listener) -> None:
        """Begin what the script says; see `Executor.submit`."""
        self.started.append(job)
        does = self._lookup(job)
        self._running[job.key] = listener
        listener(job.key, BodyStarted(self.clock.now(), "script"))
        for text in does.prints:
            listener(job.key, LogLine(self.clock.now(), "STDOUT", text))
        wait = parse_duration(does.after)
        if wait:
            when = self.clock.now() + wait
            self.clock.call_at(when, lambda: self._end(job.key, _scripted_outcome(does, job)))
        else:
            self._end(job.key, _scripted_outcome(does, job))

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """End the attempt at once; see `Executor.stop`."""
        if key in self._running:
            self.stopped.append(key)
            self._end(key, Failed(ErrorInfo("TaskTimeout", reason)) if timed_out else Cancelled(reason))

    def keep(self, key: AttemptKey) -> None:
        """No scripted attempt holds a kernel."""

    def release(self, key: AttemptKey) -> None:
        """No scripted attempt holds a kernel."""

    async def close(self) -> None:
        """Cancel what runs."""
        for key in list(self._running):
            self._end(key, Cancelled("the scheduler was stopped"))

    def _lookup(self, job: Job) -> Does:
        said = self.script.get(job.task.id)
        if callable(said) and not isinstance(said, type):
            said = said(job.run)
        if isinstance(said, list):
            said = said[min(job.run.attempt, len(said)) - 1]
        return said if isinstance(said, Does) else Does(said)

    def _end(self, key: AttemptKey, outcome: Outcome) -> None:
        listener = self._running.pop(key, None)
        if listener is not None:
            listener(key, Ended(self.clock.now(), outcome))


def _scripted_outcome(does: Does, job: Job) -> Outcome:
    result = does.result
    if isinstance(result, type) and issubclass(result, BaseException):  # as in "raise ValueError"
        result = result()
    if isinstance(result, Skip):
        return skipped(result)[0]
    if isinstance(result, BaseException):
        text = "".join(traceback.format_exception_only(result)).strip()
        return Failed(ErrorInfo("TaskFailed", text))
    return Succeeded(values.dump(result, job.file(".value.pkl"), test=job.task.options.short_circuit))
