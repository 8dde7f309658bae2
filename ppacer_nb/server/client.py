"""A scheduler in another process, behind the same interface as one in this process."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ppacer_nb.errors import NotRunning
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
from ppacer_nb.server.address import Address
from ppacer_nb.server.wire import decode, encode, error_of, tagged
from ppacer_nb.status import RunState

_TIMEOUT = 60.0  # seconds; a stop may take longer and has its own

# A proxy of the environment is not for loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RemoteHistory:
    """Reads the history that another process holds."""

    def __init__(self, address: Address) -> None:
        self._http = _Http(address)

    def runs(
        self, *, dag_id: str | None = None, run_id: str | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """Return the latest runs, the newest first."""
        found: list[RunRecord] = self._http.get(
            "runs", list[RunRecord], dag_id=dag_id, run_id=run_id, limit=limit
        )
        return found

    def search(self, wanted: RunFilter, *, offset: int = 0, limit: int = 50) -> RunPage:
        """Return the runs that `wanted` says. See `HistoryApi.search`."""
        body = {"wanted": wanted, "offset": offset, "limit": limit}
        found: RunPage = self._http.post("runs/search", RunPage, body)
        return found

    def run(self, run_id: str) -> RunRecord | None:
        """Return one run, None if there is none of that id."""
        return next(iter(self.runs(run_id=run_id, limit=1)), None)

    def run_ids(self, *, limit: int = 200) -> list[str]:
        """Return the ids of the latest runs, the newest first."""
        found: list[str] = self._http.get("run_ids", list[str], limit=limit)
        return found

    def counts(self) -> dict[RunState, int]:
        """Return how many runs there are in each state."""
        found: dict[RunState, int] = self._http.get("counts", dict[RunState, int])
        return found

    def grid(self, dag_id: str, *, limit: int = 60, since: int = 0) -> list[GridRun]:
        """Return the latest runs of a DAG with the states of their tasks. See `HistoryApi.grid`."""
        found: list[GridRun] = self._http.get(
            f"dags/{quote(dag_id)}/grid", list[GridRun], limit=limit, since=since
        )
        return found

    def outcomes(self, since: datetime) -> list[Outcomes]:
        """Return how many runs have ended since. See `HistoryApi.outcomes`."""
        found: list[Outcomes] = self._http.get("outcomes", list[Outcomes], since=since.isoformat())
        return found

    def attempts(self, run_id: str) -> list[AttemptRecord]:
        """Return all attempts of a run, in the order in which they began."""
        found: list[AttemptRecord] = self._http.get(f"runs/{quote(run_id)}/attempts", list[AttemptRecord])
        return found

    def durations(self, dag_id: str, task_ids: Sequence[str]) -> dict[str, list[timedelta]]:
        """Return how long the last successes of a DAG's tasks took. See `HistoryApi.durations`."""
        found: dict[str, list[timedelta]] = self._http.post(
            f"dags/{quote(dag_id)}/durations", dict[str, list[timedelta]], {"tasks": list(task_ids)}
        )
        return found

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
        """Return the last `limit` lines of a run's logs, the oldest first. See `HistoryApi.logs`."""
        wish = {"task_id": task_id, "attempt": attempt, "least": least, "before": before, "limit": limit}
        found: list[LogRecord] = self._http.get(f"runs/{quote(run_id)}/logs", list[LogRecord], **wish)
        return found

    def dag_version(self, dag_id: str, version: str | None = None) -> DagVersion | None:
        """Return what a version of a DAG looked like, the newest unless one is named."""
        found: DagVersion | None = self._http.get(
            f"dags/{quote(dag_id)}/version", DagVersion | None, version=version
        )
        return found

    def versions(self, dag_id: str) -> list[VersionSummary]:
        """Return the versions that a DAG has had, the newest first."""
        found: list[VersionSummary] = self._http.get(f"dags/{quote(dag_id)}/versions", list[VersionSummary])
        return found

    def sources(self, dag_id: str, version: str) -> dict[str, str]:
        """Return the sources of the tasks of a version, by their hashes."""
        found: dict[str, str] = self._http.get(
            f"dags/{quote(dag_id)}/sources", dict[str, str], version=version
        )
        return found

    def sql(self, query: str, *, limit: int = 1000) -> QueryResult:
        """Run a reading query; times and other values that JSON does not know come back as text."""
        found: QueryResult = self._http.post(f"sql?limit={limit}", QueryResult, {"query": query})
        return found


class RemoteScheduler:
    """A scheduler in another process of this machine.

    Raises
    ------
    NotRunning
        By every method, if it does not answer.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.history = RemoteHistory(address)
        self._http = _Http(address)

    def info(self) -> SchedulerInfo:
        """Return how the scheduler is."""
        info: SchedulerInfo = self._http.get("info", SchedulerInfo)
        return info

    def dags(self) -> list[DagSummary]:
        """Return all DAGs, also those known from the history only, by id."""
        found: list[DagSummary] = self._http.get("dags", list[DagSummary])
        return found

    def upcoming(self, dag_id: str | None = None, *, limit: int = 10) -> list[UpcomingPoint]:
        """Return the next schedule points. See `SchedulerApi.upcoming`."""
        found: list[UpcomingPoint] = self._http.get(
            "upcoming", list[UpcomingPoint], dag_id=dag_id, limit=limit
        )
        return found

    def params(self, dag_id: str) -> list[ParamInfo]:
        """Return how a form asks for each parameter of a DAG. See `SchedulerApi.params`."""
        found: list[ParamInfo] = self._http.get(f"dags/{quote(dag_id)}/params", list[ParamInfo])
        return found

    def progress(self, run_id: str) -> list[Progress]:
        """Return how far the notebooks of a run have come that run now."""
        found: list[Progress] = self._http.get(f"runs/{quote(run_id)}/progress", list[Progress])
        return found

    def trigger(
        self,
        dag_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
        by: str = "",
    ) -> str:
        """Start a manual run now and return its id; `params` keep their types where `tagged` knows them."""
        date = logical_date.isoformat() if logical_date is not None else None
        body = {"params": tagged(params), "logical_date": date, "by": by}
        run_id: str = self._http.post(f"dags/{quote(dag_id)}/trigger", str, body)
        return run_id

    def cancel(self, run_id: str, *, by: str = "") -> None:
        """End an unfinished run early; raises NotFound if there is none of that id."""
        self._http.post(f"runs/{quote(run_id)}/cancel", None, {"by": by})

    def cancel_task(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """End a task early; the rest of its run goes on. See `SchedulerApi.cancel_task`."""
        self._http.post(f"runs/{quote(run_id)}/tasks/{quote(task_id)}/cancel", None, {"by": by})

    def restart(self, run_id: str, *, by: str = "") -> None:
        """Let a failed or cancelled run go on. See `SchedulerApi.restart`."""
        self._http.post(f"runs/{quote(run_id)}/restart", None, {"by": by})

    def clear(self, run_id: str, task_ids: Sequence[str], *, by: str = "") -> None:
        """Let tasks and what is downstream of them run again. See `SchedulerApi.clear`."""
        self._http.post(f"runs/{quote(run_id)}/clear", None, {"tasks": list(task_ids), "by": by})

    def mark(self, run_id: str, task_id: str, state: str, *, by: str = "") -> None:
        """Take a task for a success or a failure. See `SchedulerApi.mark`."""
        body = {"state": state, "by": by}
        self._http.post(f"runs/{quote(run_id)}/tasks/{quote(task_id)}/mark", None, body)

    def pause(self, dag_id: str, *, by: str = "") -> None:
        """Make no scheduled runs of a DAG until `unpause`. See `SchedulerApi.pause`."""
        self._http.post(f"dags/{quote(dag_id)}/pause", None, {"by": by})

    def unpause(self, dag_id: str, *, by: str = "") -> None:
        """End the pause of a DAG. See `SchedulerApi.unpause`."""
        self._http.post(f"dags/{quote(dag_id)}/unpause", None, {"by": by})

    def catchup(self, dag_id: str, choice: str, *, by: str = "") -> list[datetime]:
        """Decide on the points that a DAG missed while no scheduler ran. See `SchedulerApi.catchup`."""
        body = {"choice": choice, "by": by}
        points: list[datetime] = self._http.post(f"dags/{quote(dag_id)}/catchup", list[datetime], body)
        return points

    def backfills(self) -> list[BackfillRecord]:
        """Return the latest backfills, the newest first, with how far they have come."""
        found: list[BackfillRecord] = self._http.get("backfills", list[BackfillRecord])
        return found

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
        """Run a DAG for all its points of a range of dates; `params` as JSON carries them."""
        body = {
            "first": first if isinstance(first, str) else first.isoformat(),
            "last": last if isinstance(last, str) else last.isoformat(),
            "rerun": rerun,
            "concurrency": concurrency,
            "params": tagged(params),
            "dry_run": dry_run,
            "by": by,
        }
        plan: BackfillPlan = self._http.post(f"dags/{quote(dag_id)}/backfill", BackfillPlan, body)
        return plan

    def pause_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Begin no more runs of a DAG's backfill. See `SchedulerApi.pause_backfill`."""
        self._http.post(f"dags/{quote(dag_id)}/backfill/pause", None, {"by": by})

    def resume_backfill(self, dag_id: str, *, by: str = "") -> None:
        """Let a paused backfill go on. See `SchedulerApi.resume_backfill`."""
        self._http.post(f"dags/{quote(dag_id)}/backfill/resume", None, {"by": by})

    def cancel_backfill(self, dag_id: str, *, by: str = "") -> None:
        """End a backfill for good. See `SchedulerApi.cancel_backfill`."""
        self._http.post(f"dags/{quote(dag_id)}/backfill/cancel", None, {"by": by})

    def resume(self, run_id: str, task_id: str, *, by: str = "") -> None:
        """Let a failed notebook go on in the kernel that is held for it. See `SchedulerApi.resume`."""
        self._http.post(f"runs/{quote(run_id)}/tasks/{quote(task_id)}/resume", None, {"by": by})

    def stop(self, *, wait: timedelta) -> StopReport:
        """Stop the scheduler; see `SchedulerApi.stop`."""
        seconds = wait.total_seconds()
        report: StopReport = self._http.post(
            "stop", StopReport, {"wait_s": seconds}, timeout=seconds + _TIMEOUT
        )
        return report

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call `listener` with the ids of runs and DAGs that changed. See `SchedulerApi.subscribe`."""
        stream = _Stream(self.address)

        def follow() -> None:
            for line in stream.lines():
                listener(frozenset(decode(line, list[str])))
            listener(frozenset())

        threading.Thread(target=follow, name="ppacer-changes", daemon=True).start()
        return stream.end


class _Stream:
    """Lines that the server sends as things happen, until either side ends it."""

    def __init__(self, address: Address) -> None:
        server = urlsplit(address.url)
        self._connection = http.client.HTTPConnection(server.hostname or "", server.port)
        try:
            self._connection.connect()
            self._socket: socket.socket = self._connection.sock
            self._connection.request("GET", "/api/changes", headers=_authorization(address))
            self._response = self._connection.getresponse()
        except OSError as error:
            raise _silent(address, error) from None

    def lines(self) -> Iterator[bytes]:
        """Yield the lines; return when the stream has ended."""
        with contextlib.closing(self._connection), self._response as response:
            try:
                yield from response
            except (OSError, http.client.HTTPException):  # the scheduler's process died
                return

    def end(self) -> None:
        """End the stream, from any thread: who waits for a line sees its end."""
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)


class _Http:
    def __init__(self, address: Address) -> None:
        self._address = address

    def get(self, path: str, type_: Any, **arguments: object) -> Any:
        query = urlencode({name: value for name, value in arguments.items() if value is not None})
        return self._call("GET", f"{path}?{query}" if query else path, None, type_, _TIMEOUT)

    def post(self, path: str, type_: Any, body: Mapping[str, Any], timeout: float = _TIMEOUT) -> Any:
        return self._call("POST", path, encode(body), type_, timeout)

    def open(self, method: str, path: str, body: bytes | None, timeout: float | None) -> Any:
        request = urllib.request.Request(
            f"{self._address.url}/api/{path}",
            data=body,
            method=method,
            headers=_authorization(self._address),
        )
        try:
            return _opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            answer = decode(error.read(), dict[str, str])
            raise error_of(answer["error"], answer["message"]) from None
        except OSError as error:
            raise _silent(self._address, error) from None

    def _call(self, method: str, path: str, body: bytes | None, type_: Any, timeout: float) -> Any:
        with self.open(method, path, body, timeout) as response:
            return decode(response.read(), type_)


def _authorization(address: Address) -> dict[str, str]:
    return {"Authorization": f"Bearer {address.token}"}


def _silent(address: Address, error: OSError) -> NotRunning:
    who = f"process {address.pid} ({address.notebook or 'no notebook'})"
    return NotRunning(f"the scheduler of {who} does not answer: {error}")
