"""What the scheduler expects of an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ppacer_nb.model.attempt import Job, Report
from ppacer_nb.model.ids import AttemptKey

Listener = Callable[[AttemptKey, Report], None]


class Executor(Protocol):
    """Runs attempts. Nothing here blocks, and no failure of a task ever raises.

    For each job submitted the listener hears one `BodyStarted` (unless it ends before), any number of other
    reports, and last exactly one `Ended`, from any thread. Only where that says that a kernel is held, it
    hears one `Released` when it is no more, unless another job `resumes` the attempt before.
    """

    def submit(self, job: Job, listener: Listener) -> None:
        """Begin `job` and return at once."""
        ...

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """Ask that the attempt end soon: as a `TaskTimeout` failure if `timed_out`, else as cancelled.

        An attempt that is unknown, or has ended already, is left alone.
        """
        ...

    def keep(self, key: AttemptKey) -> None:
        """Hold the kernel of that attempt until a job resumes it, and not only for the time that was said."""
        ...

    def release(self, key: AttemptKey) -> None:
        """End the kernel that is held for that attempt, if there is one."""
        ...

    async def close(self) -> None:
        """Stop what still runs, release everything, and return when nothing is left."""
        ...
