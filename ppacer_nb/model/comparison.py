"""Two runs of a DAG side by side. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ppacer_nb.model.history import AttemptRecord, RunRecord, begun
from ppacer_nb.model.version_diff import VersionDiff
from ppacer_nb.status import AttemptState


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How a task fared in a run, by its latest attempt."""

    state: AttemptState
    attempts: int
    duration: timedelta | None
    error: str  #: one line, "" without one


@dataclass(frozen=True, slots=True)
class TaskPair:
    """A task in both runs; None where a run has not come to it, or its version does not have it."""

    task_id: str
    old: TaskOutcome | None
    new: TaskOutcome | None

    @property
    def differs(self) -> bool:
        """Whether it ended otherwise, or for another reason."""
        old, new = self.old, self.new
        return (old and (old.state, old.error)) != (new and (new.state, new.error))


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs, and what is not the same."""

    old: RunRecord
    new: RunRecord
    params: Mapping[str, tuple[str, str]]  #: those that differ, as they are written; "" where a run has none
    tasks: Sequence[TaskPair]  #: in the order in which they began
    versions: VersionDiff | None  #: None where both used the same version


def compare_runs(
    old: RunRecord,
    new: RunRecord,
    old_attempts: Sequence[AttemptRecord],
    new_attempts: Sequence[AttemptRecord],
    versions: VersionDiff | None,
    now: datetime,
) -> RunComparison:
    """Compare two runs; what runs now is measured up to `now`."""
    before, after = _outcomes(old_attempts, now), _outcomes(new_attempts, now)
    ids = dict.fromkeys([*after, *before])
    names = dict.fromkeys([*new.params, *old.params])
    written = {
        name: tuple(repr(run.params[name]) if name in run.params else "" for run in (old, new))
        for name in names
    }
    return RunComparison(
        old,
        new,
        {name: (a, b) for name, (a, b) in written.items() if a != b},
        [TaskPair(id, before.get(id), after.get(id)) for id in ids],
        versions,
    )


def _outcomes(attempts: Sequence[AttemptRecord], now: datetime) -> dict[str, TaskOutcome]:
    found: dict[str, TaskOutcome] = {}
    for attempt in begun(attempts):
        found[attempt.task_id] = TaskOutcome(
            attempt.state,
            attempt.attempt,
            attempt.duration(now),
            attempt.error.message.partition("\n")[0] if attempt.error else "",
        )
    return found
