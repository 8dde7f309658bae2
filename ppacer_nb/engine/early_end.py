"""A run that is to end before its tasks are through: why, and what of it still runs."""

from __future__ import annotations

from dataclasses import dataclass

from ppacer_nb.model.task import TaskSpec


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """Somebody cancelled a run, or it took longer than its timeout."""

    reason: str
    timed_out: bool = False
    spares_cleanup: bool = True  #: whether tasks that clean up start, and run on, all the same

    def spares(self, task: TaskSpec) -> bool:
        """Whether `task` is left to run."""
        return self.spares_cleanup and task.options.cleanup

    @property
    def of_tasks(self) -> str:
        """The reason as each task that it ends is given it."""
        return f"its run {self.reason}" if self.timed_out else self.reason
