"""Events as rows of the log, and back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb.model.attempt import ErrorInfo, Files, Held, LogLine
from ppacer_nb.model.backfill import BackfillOrder, BackfillRequest
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import (
    BackfillEvent,
    CatchupEvent,
    DagEvent,
    Event,
    RunEvent,
    ScheduleEvent,
    TaskEvent,
)
from ppacer_nb.model.history import TaskShape
from ppacer_nb.model.ids import AttemptKey, dag_id_of
from ppacer_nb.model.notification import Notification
from ppacer_nb.model.values import Value
from ppacer_nb.status import (
    AttemptState,
    BackfillState,
    CatchupChoice,
    Rerun,
    RunState,
    RunType,
    ScheduleEventKind,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAG_STATES = {True: "paused", False: "unpaused"}

Row = tuple[Any, ...]


def to_timestamp(instant: datetime) -> datetime:
    """Return an aware instant as the log's naive UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def from_timestamp(stored: datetime | None) -> datetime | None:
    """Return the log's naive UTC as an aware instant."""
    return None if stored is None else stored.replace(tzinfo=UTC)


def event_row(seq: int, event: Event) -> Row:
    """Return `event` as a row of the table ``events``."""
    ts = to_timestamp(event.at)
    if isinstance(event, TaskEvent):
        data = event.value.data if event.value is not None else None
        dag_id = dag_id_of(event.run_id)
        return (
            *(seq, ts, "task", dag_id, event.run_id, event.task_id, event.attempt, event.state.value),
            *(_task_detail(event), data),
        )
    if isinstance(event, RunEvent):
        goes_on = event.restarts or event.interruptions
        restarts, detail = event.restarts if goes_on else None, _run_detail(event)
        ids = (event.dag_id, event.run_id, None)
        return (seq, ts, "run", *ids, restarts, event.state.value, detail, _exact(event.params, detail))
    if isinstance(event, DagEvent):
        state, detail = _DAG_STATES[event.paused], _json({"reason": event.reason})
        return (seq, ts, "dag", event.dag_id, None, None, None, state, detail, None)
    if isinstance(event, CatchupEvent):
        detail = _json({"by": event.by, "points": [_micros(point) for point in event.points]})
        return (seq, ts, "catchup", event.dag_id, None, None, None, event.choice.value, detail, None)
    if isinstance(event, BackfillEvent):
        detail = _backfill_detail(event)
        return (seq, ts, "backfill", event.dag_id, None, None, None, event.state.value, detail, None)
    detail = _schedule_detail(event)
    return (seq, ts, "schedule", event.dag_id, event.run_id, None, None, event.kind.value, detail, None)


def log_row(key: AttemptKey, line: int, entry: LogLine) -> Row:
    """Return a log line as a row of the table ``task_logs``."""
    attributes = _json(dict(entry.attributes)) if entry.attributes else None
    return (*key, line, to_timestamp(entry.at), _storable(entry.level), _storable(entry.message), attributes)


def version_row(dag: DagSpec, defined_at: datetime) -> Row:
    """Return a DAG's version as a row of the table ``dag_versions``."""
    tasks = [
        [
            *(t.id, t.kind, t.work.name, list(t.upstreams), sorted(t.data_upstreams), t.source_hash),
            [_storable(line) for line in t.settings],
        ]
        for t in dag.tasks.values()
    ]
    return (
        *(
            dag.id,
            dag.version,
            to_timestamp(defined_at),
            _storable(str(dag.schedule or "")),
            str(dag.timezone),
        ),
        *(_storable(dag.description), [_storable(tag) for tag in dag.tags], to_json(dag.params)),
        *(_storable(dag.source), _json(tasks)),
    )


def source_rows(dag: DagSpec) -> dict[str, Row]:
    """Return the sources of a DAG's tasks as rows of the table ``task_sources``, by their hashes."""
    tasks = {task.source_hash: task for task in dag.tasks.values()}
    return {hash: (hash, _storable(task.work.source)) for hash, task in tasks.items()}


def notification_row(notification: Notification, problems: str) -> Row:
    """Return a notification that was sent as a row of the table ``notifications``."""
    n = notification
    return (
        *(to_timestamp(n.at), n.kind, dag_id_of(n.run_id), *_about(n)),
        *(_storable(n.text), _storable(problems) or None),
    )


def _about(n: Notification) -> Row:
    return (n.run_id, n.task_id, n.attempt) if n.run_id else (None, None, None)


def task_shapes(stored: str) -> tuple[TaskShape, ...]:
    """Return the tasks of a stored version."""
    return tuple(TaskShape(*fields) for fields in json.loads(stored))


def to_json(params: Mapping[str, Any]) -> str:
    """Return `params` as JSON; what JSON does not know is kept as text."""
    try:
        return _json(dict(params))
    except Exception:  # see `_plain`
        return _json(_plain(params))


def event_of(row: Row) -> Event:
    """Return the event that `event_row` made this row of, without its place in the order."""
    _, ts, kind, dag_id, run_id, task_id, attempt, state, text, data = row
    at, detail = ts.replace(tzinfo=UTC), json.loads(text) if text else {}
    if kind == "task":
        return _task_event(run_id, task_id, attempt, AttemptState(state), at, detail, data)
    if kind == "dag":
        return DagEvent(dag_id, state == _DAG_STATES[True], at, detail["reason"])
    if kind == "schedule":
        first, last = _instant(detail["first"]), _instant(detail["last"])
        kind, missed = ScheduleEventKind(state), detail.get("missed", False)
        backfill_id = detail.get("backfill", "")
        return ScheduleEvent(dag_id, kind, first, last, detail["count"], at, run_id, missed, backfill_id)
    if kind == "backfill":
        order = _order(detail["order"]) if "order" in detail else None
        return BackfillEvent(detail["id"], dag_id, BackfillState(state), at, detail["reason"], order)
    if kind == "catchup":
        points = tuple(_instant(point) for point in detail["points"])
        return CatchupEvent(dag_id, CatchupChoice(state), points, at, detail["by"])
    params = detail["params"] if data is None else _unpickled(data, detail["params"])
    return RunEvent(
        run_id=run_id,
        dag_id=dag_id,
        run_type=RunType(detail["run_type"]),
        logical_date=_instant(detail["logical_date"]),
        version=detail["version"],
        params=params,
        tasks=detail["tasks"],
        state=RunState(state),
        at=at,
        reason=detail.get("reason", ""),
        restarts=attempt or 0,
        timed_out=detail.get("timed_out", False),
        interruptions=detail.get("interruptions", 0),
    )


def _task_event(
    run_id: str,
    task_id: str,
    attempt: int,
    state: AttemptState,
    at: datetime,
    detail: Mapping[str, Any],
    data: bytes | None,
) -> TaskEvent:
    error, value, held = detail.get("error"), detail.get("value"), detail.get("held")
    return TaskEvent(
        *(run_id, task_id, attempt, state, at),
        queued_at=_instant_or_none(detail.get("queued_at")),
        retry_at=_instant_or_none(detail.get("retry_at")),
        value=value and _value(data, value),
        error=error and ErrorInfo(**error),
        reason=detail.get("reason", ""),
        worker=detail.get("worker", ""),
        files=Files(_path(detail.get("notebook")), _path(detail.get("report"))),
        held=held and Held(Path(held["connection_file"]), _instant(held["until"])),
        cut_by=detail.get("cut_by", ""),
    )


def _value(data: bytes | None, detail: Mapping[str, Any]) -> Value:
    path, is_falsy = _path(detail["path"]), detail.get("is_falsy", False)
    return Value(data, path, detail["size"], detail["type"], detail["preview"], is_falsy)


def _task_detail(event: TaskEvent) -> str | None:
    if event.queued_at is not None:
        return f'{{"queued_at":{_micros(event.queued_at)}}}'  # each attempt has one: no time for json.dumps
    detail: dict[str, Any] = {}
    if event.value is not None:
        value = event.value
        path = None if value.path is None else str(value.path)
        shown = {"type": value.type_name, "size": value.size, "preview": value.preview}
        detail["value"] = {**shown, "path": path, **({"is_falsy": True} if value.is_falsy else {})}
    if event.error is not None:
        error = event.error
        detail["error"] = {"kind": error.kind, "message": error.message, "traceback": error.traceback}
    if event.retry_at is not None:
        detail["retry_at"] = _micros(event.retry_at)
    if event.held is not None:
        held = event.held
        detail["held"] = {"connection_file": str(held.connection_file), "until": _micros(held.until)}
    for name in ("reason", "worker", "cut_by"):
        if text := getattr(event, name):
            detail[name] = text
    for name in ("notebook", "report"):
        if (path := getattr(event.files, name)) is not None:
            detail[name] = str(path)
    return _json(detail) if detail else None


def _run_detail(event: RunEvent) -> str:
    detail = {
        "run_type": event.run_type,
        "logical_date": _micros(event.logical_date),
        "version": event.version,
        "params": dict(event.params),
        "tasks": event.tasks,
    }
    if event.reason:
        detail["reason"] = event.reason
    if event.timed_out:
        detail["timed_out"] = True
    if event.interruptions:
        detail["interruptions"] = event.interruptions
    try:
        return _json(detail)
    except Exception:  # see `_plain`
        return _json({**detail, "params": _plain(event.params)})


def _exact(params: Mapping[str, Any], detail: str) -> bytes | None:
    """Return `params` pickled where JSON would not bring them back as they are, such as dates and tuples."""
    if not params:
        return None
    try:
        comes_back = bool(json.loads(detail)["params"] == dict(params))
        return None if comes_back else pickle.dumps(dict(params))
    except Exception:  # what compares and pickles is code of the user's own: as text, as people see it
        return None


def _unpickled(data: bytes, otherwise: dict[str, Any]) -> dict[str, Any]:
    try:
        params: dict[str, Any] = pickle.loads(data)
    except Exception:  # of a class that this process does not have
        return otherwise
    return params


def _schedule_detail(event: ScheduleEvent) -> str:
    detail: dict[str, Any] = {
        "first": _micros(event.first),
        "last": _micros(event.last),
        "count": event.count,
    }
    if event.missed:
        detail["missed"] = True
    if event.backfill_id:
        detail["backfill"] = event.backfill_id
    return _json(detail)


def _backfill_detail(event: BackfillEvent) -> str:
    detail: dict[str, Any] = {"id": event.backfill_id, "reason": event.reason}
    if event.order is None:
        return _json(detail)
    request = event.order.request
    order = {
        "first": _micros(request.first),
        "last": _micros(request.last),
        "rerun": request.rerun,
        "concurrency": request.concurrency,
        "params": json.loads(to_json(request.params)),
        "points": [_micros(point) for point in event.order.points],
        "again": sorted(_micros(point) for point in event.order.again),
    }
    return _json({**detail, "order": order})


def _order(detail: Mapping[str, Any]) -> BackfillOrder:
    bounds = _instant(detail["first"]), _instant(detail["last"])
    request = BackfillRequest(*bounds, Rerun(detail["rerun"]), detail["concurrency"], detail["params"])
    points = tuple(map(_instant, detail["points"]))
    return BackfillOrder(request, points, frozenset(map(_instant, detail["again"])))


def _json(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _storable(text: str) -> str:
    """Return `text` as DuckDB takes it. A lone surrogate, as in a file name that is no UTF-8, it does not."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` with text in place of what JSON cannot hold: odd keys, circles, broken texts."""
    return {_text(name): _json_or_text(value) for name, value in params.items()}


def _json_or_text(value: Any) -> Any:
    try:
        return json.loads(_json(value))
    except Exception:  # what makes the text is code of the user's own
        return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # as above
        return f"<{type(value).__qualname__} whose text cannot be had>"


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _instant_or_none(micros: int | None) -> datetime | None:
    return None if micros is None else _instant(micros)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
