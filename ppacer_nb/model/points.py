"""Schedule points, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ppacer_nb.status import RunState, RunType


@dataclass(frozen=True, slots=True)
class PointRange:
    """All schedule points from `first` to `last`."""

    first: datetime
    last: datetime
    count: int | None  #: None: too many to count


@dataclass(frozen=True, slots=True)
class UpcomingPoint:
    """A schedule point that a DAG has yet to come to."""

    dag_id: str
    point: datetime


@dataclass(frozen=True, slots=True)
class PointRun:
    """A run that there is of a point, and where it stands."""

    point: datetime
    run_type: RunType
    state: RunState


def joined(ranges: Sequence[PointRange]) -> PointRange | None:
    """Return `ranges`, in order, as one; None for none."""
    if not ranges:
        return None
    counts = [r.count for r in ranges if r.count is not None]
    return PointRange(ranges[0].first, ranges[-1].last, sum(counts) if len(counts) == len(ranges) else None)
