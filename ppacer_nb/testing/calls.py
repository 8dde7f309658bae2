"""Functions that really run, as plain calls in the thread that simulates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ppacer_nb.executors.capture import Capture
from ppacer_nb.executors.protocol import Listener
from ppacer_nb.executors.thread import outcome_of
from ppacer_nb.model.attempt import BodyStarted, Ended, Job, LogLine, Report
from ppacer_nb.testing.script import ScriptedExecutor


@dataclass
class CallingExecutor(ScriptedExecutor):
    """Calls the functions of tasks that are not in the script. No simulated time passes in them.

    Notebooks and shell commands return None at once.
    """

    _capture: Capture = field(default_factory=Capture)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Keep what functions print and log for their attempts' logs."""
        self._capture.install()
        try:
            yield
        finally:
            self._capture.remove()

    def submit(self, job: Job, listener: Listener) -> None:
        """Call the task's function, or begin what the script says."""
        if job.task.id in self.script or job.task.kind != "function":
            super().submit(job, listener)
            return
        self.started.append(job)
        now = self.clock.now()

        def tell(report: Report) -> None:
            listener(job.key, replace(report, at=now) if isinstance(report, LogLine) else report)

        tell(BodyStarted(now, "plain call"))
        with self._capture.redirect(tell):
            outcome = outcome_of(job, tell, let_through=(KeyboardInterrupt,))
        tell(Ended(now, outcome))
