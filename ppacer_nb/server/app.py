"""The server: tornado on loopback, in a thread of its own, for whoever holds the token."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from ppacer_nb.errors import NotFound, PpacerError
from ppacer_nb.model.run_filter import RunFilter
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.service import Scheduler
from ppacer_nb.server.address import Address, publish, withdraw
from ppacer_nb.server.wire import decode, encode, untagged

_RUN = r"/api/runs/([^/]+/[^/]+)"


class Server:
    """Serves a scheduler on a free port of the loopback interface, until the scheduler stops.

    Its address is published beside `store`.
    """

    def __init__(self, scheduler: Scheduler, store: Path) -> None:
        self._api = scheduler
        self._store = store
        self._token = secrets.token_urlsafe(32)
        self._ready: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._open_answers = 0
        self._all_answered = asyncio.Event()
        self._all_answered.set()
        self._thread = threading.Thread(target=self._main, name="ppacer-server", daemon=True)
        self._thread.start()
        info = scheduler.info()
        self.address = Address(
            url=f"http://127.0.0.1:{self._ready.result()}",
            token=self._token,
            pid=os.getpid(),
            notebook=info.notebook,
            started_at=info.started_at,
        )
        publish(self.address, store)
        scheduler.at_stop(self._close)

    def _close(self) -> None:
        """Take back the address and let the thread end, once it has answered who is waiting."""
        withdraw(self._store)
        self._loop.call_soon_threadsafe(self._stop.set)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._ready.set_exception(error)
        finally:
            self._loop.close()

    def _answering(self, change: int) -> None:
        self._open_answers += change
        if self._open_answers:
            self._all_answered.clear()
        else:
            self._all_answered.set()

    async def _serve(self) -> None:
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server = tornado.httpserver.HTTPServer(self._application())
        server.add_sockets(sockets)
        self._ready.set_result(sockets[0].getsockname()[1])
        await self._stop.wait()
        server.stop()
        await self._all_answered.wait()  # the request to stop is one of them
        await server.close_all_connections()

    def _application(self) -> tornado.web.Application:
        routes = [(pattern, _handler(method, answer)) for method, pattern, answer in _ROUTES]
        with_ = {"api": self._api, "token": self._token, "answering": self._answering}
        return tornado.web.Application(
            [(pattern, handler, with_) for pattern, handler in [*routes, (r"/api/changes", _Changes)]],
            log_function=lambda _: None,  # the notebook is no place for an access log
        )


class _Handler(tornado.web.RequestHandler):
    """Checks the token, and answers in JSON, errors included."""

    def initialize(self, api: SchedulerApi, token: str, answering: Callable[[int], None]) -> None:
        self.api = api
        self._token = token
        self._answering = answering

    def prepare(self) -> None:
        given = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            self.set_status(401)
            self.finish(encode({"error": "SchedulerError", "message": "the token is missing or wrong."}))

    def answer(self, value: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(encode(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        if isinstance(error, PpacerError):
            self.set_status(404 if isinstance(error, NotFound) else 400)
        name = type(error).__name__ if isinstance(error, PpacerError) else "SchedulerError"
        self.answer({"error": name, "message": str(error or f"HTTP status {status_code}")})

    def log_exception(self, *exc_info: Any) -> None:
        """The client is told; the notebook's output is not the place."""

    def text(self, name: str) -> str | None:
        """Return an argument of the query, None if it is not given."""
        return self.get_query_argument(name, None)

    def number(self, name: str, default: int) -> int:
        """Return an argument of the query as a whole number."""
        text = self.text(name)
        return default if text is None else int(text)

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the request."""
        return decode(self.request.body or b"{}", dict[str, Any])  # type: ignore[no-any-return]


class _Changes(_Handler):
    """Sends the ids of what changed, a line of JSON each time, until either side has had enough."""

    async def get(self) -> None:
        loop, changes = asyncio.get_running_loop(), asyncio.Queue[frozenset[str]]()

        def changed(ids: frozenset[str]) -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended, and its streams with it
                loop.call_soon_threadsafe(changes.put_nowait, ids)

        unsubscribe = self.api.subscribe(changed)
        try:
            await self.flush()
            while ids := await changes.get():
                self.write(encode(sorted(ids)) + b"\n")
                await self.flush()
        except tornado.iostream.StreamClosedError:
            return
        finally:
            unsubscribe()


Answer = Callable[..., Any]


def _handler(method: str, answer: Answer) -> type[_Handler]:
    """Return a handler that calls `answer` in a thread, as reading the history may take a while."""

    async def handle(self: _Handler, *parts: str) -> None:
        self._answering(+1)
        try:
            self.answer(await asyncio.to_thread(answer, self, *parts))
        finally:
            self._answering(-1)

    return type("_Route", (_Handler,), {method: handle})


def _trigger(request: _Handler, dag_id: str) -> Any:
    body = request.body()
    date = body.get("logical_date")
    return request.api.trigger(
        dag_id,
        params=untagged(body.get("params")),
        logical_date=datetime.fromisoformat(date) if date else None,
        by=_by(request),
    )


def _clear(request: _Handler, run_id: str) -> Any:
    tasks = [str(task) for task in request.body().get("tasks") or ()]
    return request.api.clear(run_id, tasks, by=_by(request))


def _durations(request: _Handler, dag_id: str) -> Any:
    tasks = [str(task) for task in request.body().get("tasks") or ()]
    return request.api.history.durations(dag_id, tasks)


def _mark(request: _Handler, run_id: str, task_id: str) -> Any:
    return request.api.mark(run_id, task_id, str(request.body().get("state", "")), by=_by(request))


def _catchup(request: _Handler, dag_id: str) -> Any:
    return request.api.catchup(dag_id, str(request.body().get("choice", "")), by=_by(request))


def _backfill(request: _Handler, dag_id: str) -> Any:
    body = request.body()
    return request.api.backfill(
        dag_id,
        body.get("first", ""),
        body.get("last", ""),
        rerun=str(body.get("rerun") or "none"),
        concurrency=body.get("concurrency", 1),
        params=untagged(body.get("params")),
        dry_run=bool(body.get("dry_run")),
        by=_by(request),
    )


def _by(request: _Handler) -> str:
    return str(request.body().get("by") or "API")


def _logs(request: _Handler, run_id: str) -> Any:
    attempt, before = request.text("attempt"), request.text("before")
    return request.api.history.logs(
        run_id,
        task_id=request.text("task_id"),
        attempt=int(attempt) if attempt else None,
        least=request.text("least") or "debug",
        before=int(before) if before else None,
        limit=request.number("limit", 1000),
    )


def _runs(request: _Handler) -> Any:
    return request.api.history.runs(
        dag_id=request.text("dag_id"), run_id=request.text("run_id"), limit=request.number("limit", 50)
    )


def _search(request: _Handler) -> Any:
    body = request.body()
    wanted = decode(encode(body.get("wanted") or {}), RunFilter)
    return request.api.history.search(
        wanted, offset=int(body.get("offset", 0)), limit=int(body.get("limit", 50))
    )


def _grid(request: _Handler, dag_id: str) -> Any:
    limit, since = request.number("limit", 60), request.number("since", 0)
    return request.api.history.grid(dag_id, limit=limit, since=since)


def _sql(request: _Handler) -> Any:
    return request.api.history.sql(str(request.body().get("query", "")), limit=request.number("limit", 1000))


_ROUTES: list[tuple[str, str, Answer]] = [
    ("get", r"/api/info", lambda r: r.api.info()),
    ("get", r"/api/dags", lambda r: r.api.dags()),
    ("get", r"/api/upcoming", lambda r: r.api.upcoming(r.text("dag_id"), limit=r.number("limit", 10))),
    ("get", r"/api/dags/([^/]+)/versions", lambda r, dag_id: r.api.history.versions(dag_id)),
    ("get", r"/api/dags/([^/]+)/sources", lambda r, d: r.api.history.sources(d, r.text("version") or "")),
    ("get", r"/api/dags/([^/]+)/version", lambda r, d: r.api.history.dag_version(d, r.text("version"))),
    ("get", r"/api/dags/([^/]+)/grid", _grid),
    ("get", r"/api/dags/([^/]+)/params", lambda r, dag_id: r.api.params(dag_id)),
    ("post", r"/api/dags/([^/]+)/durations", _durations),  # many tasks' ids are too long for an address
    ("post", r"/api/runs/search", _search),
    (
        "get",
        r"/api/outcomes",
        lambda r: r.api.history.outcomes(datetime.fromisoformat(r.text("since") or "")),
    ),
    ("post", r"/api/dags/([^/]+)/trigger", _trigger),
    ("post", r"/api/dags/([^/]+)/pause", lambda r, dag_id: r.api.pause(dag_id, by=_by(r))),
    ("post", r"/api/dags/([^/]+)/unpause", lambda r, dag_id: r.api.unpause(dag_id, by=_by(r))),
    ("post", r"/api/dags/([^/]+)/catchup", _catchup),
    ("get", r"/api/backfills", lambda r: r.api.backfills()),
    ("post", r"/api/dags/([^/]+)/backfill", _backfill),
    ("post", r"/api/dags/([^/]+)/backfill/pause", lambda r, dag_id: r.api.pause_backfill(dag_id, by=_by(r))),
    ("post", r"/api/dags/([^/]+)/backfill/resume", lambda r, d: r.api.resume_backfill(d, by=_by(r))),
    ("post", r"/api/dags/([^/]+)/backfill/cancel", lambda r, d: r.api.cancel_backfill(d, by=_by(r))),
    ("get", r"/api/runs", _runs),
    ("get", r"/api/run_ids", lambda r: r.api.history.run_ids(limit=r.number("limit", 200))),
    ("get", r"/api/counts", lambda r: r.api.history.counts()),
    ("get", _RUN + "/attempts", lambda r, run_id: r.api.history.attempts(run_id)),
    ("get", _RUN + "/progress", lambda r, run_id: r.api.progress(run_id)),
    ("get", _RUN + "/logs", _logs),
    ("post", _RUN + "/cancel", lambda r, run_id: r.api.cancel(run_id, by=_by(r))),
    ("post", _RUN + "/restart", lambda r, run_id: r.api.restart(run_id, by=_by(r))),
    ("post", _RUN + "/clear", _clear),
    ("post", _RUN + r"/tasks/([^/]+)/cancel", lambda r, run_id, t: r.api.cancel_task(run_id, t, by=_by(r))),
    ("post", _RUN + r"/tasks/([^/]+)/mark", _mark),
    ("post", _RUN + r"/tasks/([^/]+)/resume", lambda r, run_id, t: r.api.resume(run_id, t, by=_by(r))),
    ("post", r"/api/sql", _sql),
    ("post", r"/api/stop", lambda r: r.api.stop(wait=timedelta(seconds=r.body().get("wait_s") or 0))),
]
