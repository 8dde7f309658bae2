"""What happens in runs, line by line, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ppacer_nb.model.history import AttemptRecord, RunRecord
from ppacer_nb.status import AttemptState
from ppacer_nb.views.format import format_elapsed
from ppacer_nb.views.palette import look


class Progress:
    """Writes a line for each change of a run or one of its attempts, once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._seen: set[tuple[object, ...]] = set()

    def __call__(self, run: RunRecord, attempts: Sequence[AttemptRecord]) -> None:
        """Write what is new in `run` and its `attempts`."""
        if self._is_new(run.run_id):
            self._write(f"  {run.run_id}  {run.tasks} tasks")
        for attempt in attempts:
            if self._is_new(run.run_id, attempt.task_id, attempt.attempt, attempt.state):
                self._write(f"    {_line(attempt)}")
        if run.state.is_terminal and self._is_new(run.run_id, run.state):
            duration = run.duration(datetime.now(UTC))
            took = f" in {format_elapsed(duration)}" if duration is not None else ""
            self._write(f"  {look(run.state).icon} {run.run_id} {run.state}{took}")

    def _is_new(self, *fact: object) -> bool:
        is_new = fact not in self._seen
        self._seen.add(fact)
        return is_new


def _line(attempt: AttemptRecord) -> str:
    parts = [f"{look(attempt.state).icon} {attempt.task_id}", look(attempt.state).word]
    if attempt.attempt > 1:
        parts.append(f"attempt {attempt.attempt}")
    if attempt.state is not AttemptState.RUNNING and attempt.ended_at is not None:
        duration = attempt.duration(attempt.ended_at)
        if duration is not None:
            parts.append(format_elapsed(duration))
    if attempt.error is not None:
        parts.append(attempt.error.message)
    return "  ".join(parts)
