"""Output and log records of a task that runs in a thread, kept apart from everything else in the process.

``sys.stdout``, ``sys.stderr`` and the root logger belong to the whole process. While a `Capture` is
installed, what a captured thread writes goes to that thread's own listener, and what others write goes where
it went before.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.log_records import log_line_of

Emit = Callable[[LogLine], None]

_emit: ContextVar[Emit | None] = ContextVar("ppacer_emit", default=None)


class Capture:
    """Installs and removes the capture; `redirect` applies to the calling thread."""

    def __init__(self) -> None:
        self._stdout = _Stream("STDOUT", sys.stdout)
        self._stderr = _Stream("STDERR", sys.stderr)
        self._handler = _Handler()

    def install(self) -> None:
        """Take the place of ``sys.stdout`` and ``sys.stderr``, and listen to the root logger."""
        self._stdout.behind, self._stderr.behind = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._stdout, self._stderr
        logging.getLogger().addHandler(self._handler)

    def remove(self) -> None:
        """Put back what was there before, unless somebody has replaced it since."""
        if sys.stdout is self._stdout:
            sys.stdout = self._stdout.behind
        if sys.stderr is self._stderr:
            sys.stderr = self._stderr.behind
        logging.getLogger().removeHandler(self._handler)

    @contextmanager
    def redirect(self, emit: Emit) -> Iterator[None]:
        """Give what this thread writes and logs to `emit`, line by line."""
        token = _emit.set(emit)
        try:
            yield
        finally:
            self._stdout.end_line()
            self._stderr.end_line()
            _emit.reset(token)


def task_logger(name: str) -> logging.Logger:
    """Return a logger whose records, from INFO on, go to the log of the attempt that this thread runs."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # other handlers of the process are not the task's
    if not any(isinstance(handler, _Handler) for handler in logger.handlers):
        logger.addHandler(_Handler())
    return logger


class _Stream(io.TextIOBase):
    """A text stream that stands before another one."""

    def __init__(self, level: str, behind: TextIO) -> None:
        self.behind = behind
        self._level = level
        self._open_line = threading.local()

    def write(self, text: str) -> int:
        emit = _emit.get()
        if emit is None:
            return self.behind.write(text)
        *lines, rest = (getattr(self._open_line, "text", "") + text).split("\n")
        for line in lines:
            emit(LogLine(datetime.now(UTC), self._level, line))
        self._open_line.text = rest
        return len(text)

    def flush(self) -> None:
        if _emit.get() is None:
            self.behind.flush()

    def end_line(self) -> None:
        """Emit the last line, though no newline came."""
        emit = _emit.get()
        if emit is not None and (rest := getattr(self._open_line, "text", "")):
            emit(LogLine(datetime.now(UTC), self._level, rest))
        self._open_line.text = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


class _Handler(logging.Handler):
    """Hands records of a captured thread to that thread's listener."""

    def emit(self, record: logging.LogRecord) -> None:
        emit = _emit.get()
        if emit is not None:
            emit(log_line_of(record))
        elif logging.getLogger().handlers == [self] and (usual := logging.lastResort) is not None:
            # What a root logger without other handlers would have done.
            _handle(usual, record)


def _handle(handler: logging.Handler, record: logging.LogRecord) -> None:
    if record.levelno >= handler.level:
        handler.handle(record)
