"""Where the time of one attempt goes: from the times in its reports and in its executed notebook."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from ppacer_nb.executors.protocol import Executor, Listener
from ppacer_nb.model.attempt import BodyStarted, Ended, Job, Report
from ppacer_nb.model.ids import AttemptKey

#: What lies between one time of `Times` and the next.
STAGES = (
    "trigger -> its running event is durable",
    "-> the runner has the order",
    "-> first write of the notebook, kernel there, set up",
    "-> cells executed",
    "-> last write of the notebook",
    "-> the scheduler has heard of it",
    "-> success is durable",
)


@dataclass
class Times:
    """When one attempt came how far."""

    triggered: datetime
    submitted: datetime  #: to the executor, which is when its running event is on disk
    received: datetime  #: by the runner
    began: datetime  #: the first cell
    executed: datetime  #: the last cell
    ended: datetime  #: in the runner, the notebook being on disk
    heard: datetime  #: by the scheduler
    finished: datetime  #: the run's success is on disk

    def spans(self) -> list[float]:
        """Return the seconds of each of `STAGES`."""
        return [(later - earlier).total_seconds() for earlier, later in pairwise(vars(self).values())]


class TimedExecutor:
    """An executor that notes when it is given a job, and when that says what."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.submitted = self.began = self.ended = self.heard = _now()

    def submit(self, job: Job, listener: Listener) -> None:
        """Pass on `job`."""
        self.submitted = _now()

        def listen(key: AttemptKey, report: Report) -> None:
            if isinstance(report, BodyStarted):
                self.began = report.at
            elif isinstance(report, Ended):
                self.ended, self.heard = report.at, _now()
            listener(key, report)

        self._executor.submit(job, listen)

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """Pass it on."""
        self._executor.stop(key, timed_out=timed_out, reason=reason)

    def keep(self, key: AttemptKey) -> None:
        """Pass it on."""
        self._executor.keep(key)

    def release(self, key: AttemptKey) -> None:
        """Pass it on."""
        self._executor.release(key)

    async def close(self) -> None:
        """Pass it on."""
        await self._executor.close()

    def times(self, triggered: datetime, finished: datetime, notebook: Path) -> Times:
        """Return the times of the attempt that ran last; `notebook` is what it left."""
        document = json.loads(notebook.read_bytes())
        cell = [cell for cell in document["cells"] if cell["cell_type"] == "code"][-1]
        return Times(
            triggered,
            self.submitted,
            datetime.fromisoformat(document["metadata"]["ppacer"]["started_at"]),
            self.began,
            _moment(cell["metadata"]["execution"]["shell.execute_reply"]),
            self.ended,
            self.heard,
            finished,
        )


def medians(times: Sequence[Times]) -> list[tuple[str, str]]:
    """Return a row for each stage."""
    columns = zip(*(t.spans() for t in times), strict=True)
    return [
        (stage, f"{statistics.median(column) * 1e3:.1f} ms")
        for stage, column in zip(STAGES, columns, strict=True)
    ]


def _moment(text: Any) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def _now() -> datetime:
    return datetime.now(UTC)
