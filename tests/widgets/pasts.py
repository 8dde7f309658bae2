"""Histories that a scheduler finds when it starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ppacer_nb.model.events import ScheduleEvent
from ppacer_nb.status import ScheduleEventKind
from ppacer_nb.store.store import Store


def missed_points(path: Path, dag_id: str, *, count: int) -> None:
    """Make a store in which an hourly DAG ran for the last time over `count` hours ago."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=count)
    store = Store(path)
    store.log.events([ScheduleEvent(dag_id, ScheduleEventKind.REGULAR, hour, hour, 1, hour)])
    store.close()
