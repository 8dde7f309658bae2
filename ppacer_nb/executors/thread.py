"""Functions in threads of this process: the fastest way, with its live objects, without isolation.

A thread cannot be stopped. When a task times out or is cancelled its attempt ends at once, but its function
goes on in the background, and what it returns later is dropped.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue

from ppacer_nb import values
from ppacer_nb.calling import bind, call, resolver, skipped
from ppacer_nb.errors import AttemptError, Skip
from ppacer_nb.executors.capture import Capture, task_logger
from ppacer_nb.executors.protocol import Listener
from ppacer_nb.model.attempt import (
    BodyStarted,
    Cancelled,
    Ended,
    ErrorInfo,
    Failed,
    Job,
    Message,
    Outcome,
    Report,
    Succeeded,
)
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.task import FunctionWork
from ppacer_nb.model.values import Value


@dataclass(slots=True)
class _Attempt:
    job: Job
    listener: Listener
    ended: bool = False

    def tell(self, report: Report) -> None:
        if not self.ended:
            self.listener(self.job.key, report)


class ThreadExecutor:
    """Runs functions in daemon threads, as many as there are attempts at once; idle ones are used again."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Attempt | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self._idle = 0
        self._threads = 0
        self._capture = Capture()
        self._capture.install()

    def submit(self, job: Job, listener: Listener) -> None:
        """Call the task's function in a thread."""
        if not isinstance(job.task.work, FunctionWork):
            text = f"task {job.task.id!r} is a notebook, and notebooks run in kernels: leave out its executor"
            listener(job.key, Ended(_now(), Failed(ErrorInfo("TaskFailed", text))))
            return
        attempt = _Attempt(job, listener)
        with self._lock:
            self._attempts[job.key] = attempt
            self._idle -= 1
            if self._idle < 0:
                self._idle += 1
                self._threads += 1
                threading.Thread(target=self._work, name=f"ppacer-task-{self._threads}", daemon=True).start()
        self._jobs.put(attempt)

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """End the attempt; its thread goes on by itself until its function returns."""
        text = f"{reason}; its thread cannot be stopped and goes on in the background"
        self._end(key, Failed(ErrorInfo("TaskTimeout", text)) if timed_out else Cancelled(text))

    def keep(self, key: AttemptKey) -> None:
        """A thread holds nothing."""

    def release(self, key: AttemptKey) -> None:
        """A thread holds nothing."""

    async def close(self) -> None:
        """Cancel what runs, and let the threads end."""
        for key in list(self._attempts):
            self._end(key, Cancelled("the scheduler was stopped"))
        for _ in range(self._threads):
            self._jobs.put(None)
        self._capture.remove()

    def _work(self) -> None:
        while (attempt := self._jobs.get()) is not None:
            self._run(attempt)
            with self._lock:
                self._idle += 1

    def _run(self, attempt: _Attempt) -> None:
        if attempt.ended:  # stopped before it began
            return
        attempt.tell(BodyStarted(_now(), "thread"))
        with self._capture.redirect(attempt.tell):
            outcome = outcome_of(attempt.job, attempt.tell)
        self._end(attempt.job.key, outcome)

    def _end(self, key: AttemptKey, outcome: Outcome) -> None:
        with self._lock:
            attempt = self._attempts.pop(key, None)
            if attempt is None:  # it was given up before
                return
            attempt.ended = True
        attempt.listener(key, Ended(_now(), outcome))


def outcome_of(
    job: Job, tell: Callable[[Report], None], *, let_through: tuple[type[BaseException], ...] = ()
) -> Outcome:
    """Call the task's function and return how that ended; `let_through` is no failure of the task's."""
    try:
        return Succeeded(_result(job, lambda text: tell(Message(text))))
    except Skip as skip:
        outcome, line = skipped(skip)
        tell(line)
        return outcome
    except AttemptError as error:  # ours, with a sentence of its own
        return Failed(ErrorInfo(type(error).__name__, str(error)))
    except SystemExit as error:
        return Failed(ErrorInfo("TaskFailed", f"called sys.exit({error.code!r}): return instead"))
    except let_through:
        raise
    except BaseException as error:  # whatever a task raises is its failure, KeyboardInterrupt included
        return Failed(_explained(error))


def _result(job: Job, send: Callable[[str], None]) -> Value:
    work = job.task.work
    assert isinstance(work, FunctionWork)
    logger = task_logger(f"ppacer_nb.task.{job.task.id}")
    args, kwargs = bind(
        work.args,
        work.kwargs,
        resolver(job.run, job.inputs),
        work.context_parameter,
        TaskContext(job.run, logger, send),
    )
    result = call(work.function, args, kwargs)
    return values.dump(result, job.file(".value.pkl"), test=job.task.options.short_circuit)


def _explained(error: BaseException) -> ErrorInfo:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("ppacer_nb."):
        trace = trace.tb_next  # the user's own code begins below ours
    text = "".join(traceback.format_exception(type(error), error, trace))
    return ErrorInfo("TaskFailed", "".join(traceback.format_exception_only(error)).strip(), text)


def _now() -> datetime:
    return datetime.now(UTC)
