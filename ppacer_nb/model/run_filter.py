"""Which runs are looked for, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ppacer_nb.model.history import RunRecord
from ppacer_nb.status import RunState, RunType

RunOrder = Literal["created", "duration", "dag", "state"]
ORDERS: Sequence[RunOrder] = ("created", "duration", "dag", "state")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The runs that all of this is true of; what is empty or None says nothing."""

    dag_ids: Sequence[str] = ()  #: of one of these DAGs
    states: Sequence[RunState] = ()
    run_types: Sequence[RunType] = ()
    since: datetime | None = None  #: made at this time or later
    until: datetime | None = None  #: made before this time
    text: str = ""  #: in the run's id, whatever its case
    order: RunOrder = "created"
    ascending: bool = False  #: the oldest, the shortest, or the first of the alphabet come first


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs that were looked for."""

    runs: Sequence[RunRecord]
    more: bool  #: whether there are others behind them
