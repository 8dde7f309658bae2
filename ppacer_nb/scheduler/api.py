"""The one interface that every face speaks to: a scheduler here, one elsewhere, or only its history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from ppacer_nb.model.backfill import BackfillPlan, BackfillRecord
from ppacer_nb.model.grid import GridRun
from ppacer_nb.model.history import (
    AttemptRecord,
    DagVersion,
    LogRecord,
    Outcomes,
    QueryResult,
    RunRecord,
    VersionSummary,
)
from ppacer_nb.model.overview import DagSummary, Progress, SchedulerInfo, StopReport
from ppacer_nb.model.params import ParamInfo
from ppacer_nb.model.points import UpcomingPoint
from ppacer_nb.model.run_filter import RunFilter, RunPage
from ppacer_nb.status import RunState


class HistoryApi(Protocol):
    """What can be read of a run history, wherever it is. Every method may be called from any thread."""

    def runs(
        self, *, dag_id: str | None = None, run_id: str | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """Return the latest runs, the newest first."""
        ...

    def search(self, wanted: RunFilter, *, offset: int = 0, limit: int = 50) -> RunPage:
        """Return the runs that `wanted` says, in its order, from the `offset`-th on, at most `limit`."""
        ...

    def run(self, run_id: str) -> RunRecord | None:
        """Return one run, None if there is none of that id."""
        ...

    def run_ids(self, *, limit: int = 200) -> list[str]:
        """Return the ids of the latest runs, the newest first."""
        ...

    def counts(self) -> dict[RunState, int]:
        """Return how many runs there are in each state."""
        ...

    def grid(self, dag_id: str, *, limit: int = 60, since: int = 0) -> list[GridRun]:
        """Return the latest `limit` runs of a DAG with the states of their tasks, the newest first.

        With `since` only those whose `place` is that one or a later one: what is new to somebody who knows
        the runs before.
        """
        ...

    def outcomes(self, since: datetime) -> list[Outcomes]:
        """Return how many runs have ended since, by hour and state, the oldest hour first."""
        ...

    def attempts(self, run_id: str) -> list[AttemptRecord]:
        """Return all attempts of a run, in the order in which they began."""
        ...

    def durations(self, dag_id: str, task_ids: Sequence[str]) -> dict[str, list[timedelta]]:
        """Return, by task, how long its last successful attempts took, the newest first.

        These are ten at the most of each task, from the last 30 runs of the DAG. A task without any is
        missing.
        """
        ...

    def logs(
        self,
        run_id: str,
        *,
        task_id: str | None = None,
        attempt: int | None = None,
        least: str = "debug",
        before: int | None = None,
        limit: int = 1000,
    ) -> list[LogRecord]:
        """Return the last `limit` lines of a run's logs, the oldest first.

        Parameters
        ----------
        task_id, attempt
            Only of that task or attempt. Default: of all.
        least
            Only those as grave as this: "debug" (default: all), "info", "warning" or "error". What was
            printed counts as "info", what went to stderr as "warning".
        before
            Only those before the line of that `LogRecord.number`.

        Raises
        ------
        InvalidOption
            If `least` is something else.
        """
        ...

    def dag_version(self, dag_id: str, version: str | None = None) -> DagVersion | None:
        """Return what a version of a DAG looked like, the newest unless one is named."""
        ...

    def versions(self, dag_id: str) -> list[VersionSummary]:
        """Return the versions that a DAG has had, the newest first."""
        ...

    def sources(self, dag_id: str, version: str) -> dict[str, str]:
        """Return the sources of the tasks of a version, by their hashes."""
        ...

    def sql(self, query: str, *, limit: int = 1000) -> QueryResult:
        """Run a reading query; raises StoreError with DuckDB's sentence if it is refused."""
        ...


class SchedulerApi(Protocol):
    """What can be asked of a scheduler, wherever it runs. Every method may be called from any thread."""

    @property
    def history(self) -> HistoryApi:
        """The run history."""
        ...

    def info(self) -> SchedulerInfo:
        """Return how the scheduler is."""
        ...

    def dags(self) -> list[DagSummary]:
        """Return all DAGs, also those known from the history only, by id."""
        ...

    def upcoming(self, dag_id: str | None = None, *, limit: int = 10) -> list[UpcomingPoint]:
        """Return the next `limit` schedule points, of one DAG or of all together, the earliest first.

        A DAG that is paused, not defined or only triggered by hand has none.
        """
        ...

    def params(self, dag_id: str) -> list[ParamInfo]:
        """Return how a form asks for each parameter of a DAG, by what its tasks and notebooks say of it.

        Raises
        ------
        NotFound
            If no DAG of that id is defined.
        """
        ...

    def progress(self, run_id: str) -> list[Progress]:
        """Return how far the notebooks of a run have come that run now."""
        ...

    def trigger(
        self,
        dag_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
        by: str = "",
    ) -> str:
        """Start a manual run now and return its id; `by` says who asked.

        Raises
        ------
        NotFound
            If there is no such DAG.
        InvalidParameters
            If the DAG does not know one of `params`.
        SchedulerError
            If there is such a run already, or no scheduler to run it.
        """
        ...

    def cancel(self, run_id: str, *, by: str = "") -> None:
        """End an unfinished run early; raises NotFound if there is none of that id."""
        ...

    def cancel_task(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """End a task early that runs or waits; what follows is for the trigger rules downstream to say.

        Raises
        ------
        NotFound
            If there is no unfinished run of that id, or no such task in it.
        SchedulerError
            If the task has ended, or its run is being cancelled.
        """
        ...

    def restart(self, run_id: str, *, by: str = "") -> None:
        """Let a run go on that failed or was cancelled, also under an earlier scheduler.

        It goes on with the newest version of its DAG, and takes its turn among the DAG's runs. Its tasks that
        ended badly or never started run again, their retries counted anew. Successes stay, except those
        downstream of a task that runs again: they have seen an outcome that counts no more.

        Raises
        ------
        NotFound
            If there is no such run, or its DAG is not defined.
        SchedulerError
            If the run has not ended, or it succeeded.
        """
        ...

    def clear(self, run_id: str, task_ids: Sequence[str], *, by: str = "") -> None:
        """Let tasks and all downstream of them run again, however they ended; a run that has ended goes on.

        Raises
        ------
        InvalidOption
            If no task is named.
        NotFound
            If there is no such run or task, or its DAG is not defined.
        SchedulerError
            If one of these tasks runs now, or the run is being cancelled.
        """
        ...

    def mark(self, run_id: str, task_id: str, state: str, *, by: str = "") -> None:
        """Take a task that has ended or waits for one that ended as "success" or "failed".

        What is downstream is decided anew, and so is how the run ends: what could not start for this task
        starts if it may now, and a success that may not have started is one no more. A run that has ended
        goes on, with what never started in it too. A task marked success hands on the value of its last
        success, None without one.

        Raises
        ------
        InvalidOption
            If it is another state.
        NotFound
            If there is no such run or task, or its DAG is not defined.
        SchedulerError
            If the task, or one downstream of it that would be decided anew, runs now; if the task is in that
            state already; if the run is being cancelled.
        """
        ...

    def pause(self, dag_id: str, *, by: str = "") -> None:
        """Make no scheduled runs of a DAG until `unpause`, also after this scheduler has ended.

        Its runs go on, and it can be triggered.

        Raises
        ------
        NotFound
            If no DAG of that id is defined.
        SchedulerError
            If it is paused already.
        """
        ...

    def unpause(self, dag_id: str, *, by: str = "") -> None:
        """End the pause of a DAG: its schedule points in it are skipped, with ``catchup`` caught up.

        Raises
        ------
        NotFound
            If no DAG of that id is defined.
        SchedulerError
            If it is not paused.
        """
        ...

    def catchup(self, dag_id: str, choice: str, *, by: str = "") -> list[datetime]:
        """Decide on the points that a DAG without catch-up missed while no scheduler ran.

        Parameters
        ----------
        choice
            "last" runs the newest of them, "all" runs each in order, as far as ``max_active_runs`` leaves
            room. "none" runs none, and gives up what an earlier choice has not run yet. The points not run
            stay skipped, and are not offered again.

        Returns
        -------
        list of datetime
            The points that are run. Those that have a scheduled or caught-up run already are not among them.

        Raises
        ------
        InvalidOption
            If it is another choice.
        NotFound
            If no DAG of that id is defined.
        SchedulerError
            If it missed none, or more than can be caught up.
        """
        ...

    def backfills(self) -> list[BackfillRecord]:
        """Return the latest backfills, the newest first, with how far they have come."""
        ...

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
        """Run a DAG for all points of its schedule in a range of dates, in order.

        Returns at once; `backfills` says how far it has come. It goes on after a restart of the scheduler.
        Its runs do not count in the DAG's ``max_active_runs``, and are made also while the DAG is paused.
        Points that the schedule has yet to come to are left to it.

        Parameters
        ----------
        first, last
            Logical dates, both included: datetimes, dates or ISO text. Without a timezone they are read in
            the DAG's; a date without a time stands for its whole day there.
        rerun
            What becomes of points that have been run, by runs of whatever type. "none" (default, as in
            Airflow) leaves them out, failed ones too. "failed" runs again those of which no run succeeded,
            "all" the others too. Points with an unfinished run are always left out. A backfill run that is
            there already goes on, all its tasks cleared.
        concurrency
            How many of its runs may be under way at once. Default 1.
        params
            In place of the defaults of the DAG's own params, in all runs.
        dry_run
            Only return what would be run.

        Raises
        ------
        InvalidOption
            If the range is reversed, has no point, over 10,000 or only ones to come; if the DAG has no
            schedule; if an option means nothing.
        NotFound
            If no DAG of that id is defined.
        InvalidParameters
            If the DAG does not know one of `params`.
        SchedulerError
            If a backfill of the DAG is under way.
        """
        ...

    def pause_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Begin no more runs of a DAG's backfill; those under way go on.

        Raises
        ------
        NotFound
            If no backfill of the DAG is under way.
        SchedulerError
            If it is paused already.
        """
        ...

    def resume_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Let a paused backfill go on.

        Raises
        ------
        NotFound
            If no backfill of the DAG is under way.
        SchedulerError
            If it is not paused.
        """
        ...

    def cancel_backfill(self, dag_id: str, *, by: str = "") -> None:
        """End a backfill for good, with its runs under way; raises NotFound if none of the DAG is."""
        ...

    def resume(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """Let a failed notebook go on from its failed cell, in the kernel that is held for it.

        What is downstream of it runs again after it; a run that has ended goes on.

        Raises
        ------
        NotFound
            If there is no such run or task, or its DAG is not defined.
        SchedulerError
            If no kernel is held for it, or a task downstream of it runs now.
        """
        ...

    def stop(self, *, wait: timedelta) -> StopReport:
        """Stop the scheduler: start nothing more, wait for what runs, then stop it.

        Runs that have not ended go on when a scheduler is started again and their DAGs are defined; what was
        stopped is tried again then, or fails if its ``on_interrupt`` says so.
        """
        ...

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call `listener`, from another thread, with the ids of runs and DAGs that changed.

        It must return at once. When the scheduler stops it is called once more, with nothing. The function
        returned here ends it.
        """
        ...
