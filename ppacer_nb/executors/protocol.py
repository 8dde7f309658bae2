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
    reports, and last exactly one `Ended`, from any thread.
    """

    def submit(self, job: Job, listener: Listener) -> None:
        """Begin `job` and return at once."""
        ...

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """Ask that the attempt end soon: as a `TaskTimeout` failure if `timed_out`, else as cancelled.

        An attempt that is unknown, or has ended already, is left alone.
        """
        ...

    async def close(self) -> None:
        """Stop what still runs, release everything, and return when nothing is left."""
        ...
