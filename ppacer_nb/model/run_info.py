"""What a task may know of the run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.status import RunType


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run and the attempt that a task body works for."""

    dag_id: str
    run_id: str
    run_type: RunType
    logical_date: datetime  #: aware, in the DAG's timezone
    task_id: str
    attempt: int  #: from 1
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> AttemptKey:
        """Which attempt this is."""
        return AttemptKey(self.run_id, self.task_id, self.attempt)
