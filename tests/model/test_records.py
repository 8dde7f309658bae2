from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta

from ppacer_nb.model.attempt import ErrorInfo, Files
from ppacer_nb.model.history import AttemptRecord, RunRecord
from ppacer_nb.model.log_records import log_line_of
from ppacer_nb.status import AttemptState, RunState, RunType

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
LATER = T0 + timedelta(seconds=7)


def _run(started: datetime | None, ended: datetime | None) -> RunRecord:
    return RunRecord(
        *("d/1", "d", RunType.MANUAL, T0, "v", {}, RunState.RUNNING, T0, started, ended, "", 1, 0, 0)
    )


def _attempt(started: datetime | None, ended: datetime | None) -> AttemptRecord:
    return AttemptRecord(
        *("d/1", "a", 1, AttemptState.RUNNING, T0, started, ended, None, "", "", None, Files()),
        *(None, None, None),
    )


def test_how_long_a_run_or_an_attempt_took() -> None:
    for record in (_run, _attempt):
        assert record(None, None).duration(LATER) is None
        assert record(T0, None).duration(LATER) == timedelta(seconds=7)
        assert record(T0, T0).duration(LATER) == timedelta(0)


def test_how_long_something_took_is_not_known_if_the_clock_was_put_back_meanwhile() -> None:
    for record in (_run, _attempt):
        assert record(LATER, T0).duration(LATER) is None
        assert record(LATER, None).duration(T0) is None


def _record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("x").makeRecord(
        "x", logging.WARNING, "f.py", 1, message, args, None, extra=extra or None
    )


def test_a_log_record_becomes_a_line_with_its_extra_attributes_as_text() -> None:
    line = log_line_of(_record("loaded %d rows", 5, day=T0.date(), rows=[1, 2]))
    assert (line.level, line.message) == ("WARNING", "loaded 5 rows")
    assert line.attributes == {"day": "2026-11-23", "rows": "[1, 2]"}
    assert abs(line.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_traceback_follows_the_message() -> None:
    record = _record("it broke")
    try:
        raise ValueError("no")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = log_line_of(record)
    assert line.message.startswith("it broke\nTraceback (most recent call last)")
    assert line.message.endswith("ValueError: no")
    assert line.attributes == {}


def test_an_error_keeps_its_text_only() -> None:
    assert ErrorInfo("TaskFailed", "x").traceback == ""
