"""The history of a DAG as a grid: its runs, and how each task stands in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ppacer_nb.status import AttemptState, RunState, RunType


@dataclass(frozen=True, slots=True)
class GridCell:
    """A task in a run, by its latest attempt."""

    task_id: str
    state: AttemptState
    attempt: int  #: its number; 0 where the task ended without one
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def duration(self) -> timedelta | None:
        """How long the attempt took; None while it runs, and where nobody knows."""
        return _between(self.started_at, self.ended_at)


@dataclass(frozen=True, slots=True)
class GridRun:
    """A run and its tasks, those that have not begun left out."""

    run_id: str
    place: int  #: in the order of the runs of the store
    run_type: RunType
    logical_date: datetime  #: UTC, as every time here
    state: RunState
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cells: Sequence[GridCell]

    @property
    def duration(self) -> timedelta | None:
        """How long it took; None while it runs, and where nobody knows."""
        return _between(self.started_at, self.ended_at)


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None or end < start else end - start
