"""Only the history of a scheduler that is not running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, Self

from ppacer_nb.errors import NotRunning
from ppacer_nb.model.backfill import BackfillPlan, BackfillRecord
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo, StopReport
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.model.points import UpcomingPoint
from ppacer_nb.scheduler.summaries import summary_of
from ppacer_nb.store.store import Store


class OfflineScheduler:
    """A store opened for reading its history; whatever needs a scheduler raises `NotRunning`.

    Raises
    ------
    StoreLocked
        If a scheduler holds the store.
    NotRunning
        If there is no store at `path`.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotRunning(f"there is no run history at {path}: start a scheduler with %ppacer start.")
        self._store = Store(path)
        self.history = self._store.history

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def info(self) -> SchedulerInfo:
        """Say that no scheduler is running."""
        return SchedulerInfo(running=False, store=str(self._store.path))

    def dags(self) -> list[DagSummary]:
        """Return the DAGs that were scheduled here, by id."""
        paused, missed = self.history.paused(), self.history.missed()
        return [summary_of(version, paused, missed) for version in self.history.dag_versions()]

    def upcoming(self, dag_id: str | None = None, *, limit: int = 10) -> list[UpcomingPoint]:
        """Nothing comes."""
        return []

    def params(self, dag_id: str) -> list[ParamInfo]:
        """Raise NotRunning."""
        _not_running("ask for the parameters of a DAG")

    def progress(self, run_id: str) -> list[Progress]:
        """Nothing runs."""
        return []

    def trigger(
        self,
        dag_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
        by: str = "",
    ) -> str:
        """Raise NotRunning."""
        _not_running("trigger a DAG")

    def cancel(self, run_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("cancel a run")

    def cancel_task(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("cancel a task")

    def restart(self, run_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("restart a run")

    def clear(self, run_id: str, task_ids: Sequence[str], *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("run tasks again")

    def mark(self, run_id: str, task_id: str, state: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("mark a task")

    def pause(self, dag_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("pause a DAG")

    def unpause(self, dag_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("unpause a DAG")

    def catchup(self, dag_id: str, choice: str, *, by: str = "") -> list[datetime]:
        """Raise NotRunning."""
        _not_running("catch up a DAG")

    def backfills(self) -> list[BackfillRecord]:
        """Return the latest backfills, the newest first, with how far they have come."""
        return self.history.backfills()

    def backfill(
        self,
        dag_id: str,
        first: date | str,
        last: date | str,
        *,
        rerun: str = "none",
        concurrency: int = 1,
        params: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        by: str = "",
    ) -> BackfillPlan:
        """Raise NotRunning."""
        _not_running("run a backfill")

    def pause_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("pause a backfill")

    def resume_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("resume a backfill")

    def cancel_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("cancel a backfill")

    def resume(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """Raise NotRunning."""
        _not_running("resume a task")

    def stop(self, *, wait: timedelta) -> StopReport:
        """Raise NotRunning."""
        _not_running("stop")

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Nothing changes any more."""
        return lambda: None


def _not_running(wish: str) -> NoReturn:
    raise NotRunning(f"no scheduler is running here to {wish}: start one with %ppacer start.")
