"""`logging` records as lines of an attempt's log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from ppacer_nb.model.attempt import LogLine

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_formatter = logging.Formatter()


def log_line_of(record: logging.LogRecord) -> LogLine:
    """Return a log record with its level, time, exception text and ``extra`` attributes (each as text)."""
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + _formatter.formatException(record.exc_info)
    attributes = {name: str(value) for name, value in vars(record).items() if name not in _STANDARD}
    return LogLine(datetime.fromtimestamp(record.created, UTC), record.levelname, message, attributes)
