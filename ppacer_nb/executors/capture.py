"""Output and log records of a task that runs in a thread, kept apart from everything else in the process.

``sys.stdout``, ``sys.stderr`` and the root logger belong to the whole process. While a `Capture` is
installed, what a captured thread writes goes to that thread's own listener, and what others write goes where
it went before.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.log_records import log_line_of

Emit = Callable[[LogLine], None]

_emit: ContextVar[Emit | None] = ContextVar("ppacer_emit", default=None)


class Capture:
    """Installs and removes the capture; `redirect` applies to the calling thread.

    All captures of the process share one set of streams, which the first one puts in place and the last one
    takes away: a ``dag.run()`` beside a running scheduler would otherwise hear each log record twice.
    """

    def install(self) -> None:
        """Take the place of ``sys.stdout`` and ``sys.stderr``, and listen to the root logger."""
        _places.take()

    def remove(self) -> None:
        """Put back what was there before, unless somebody has replaced it since."""
        _places.give_back()

    @contextmanager
    def redirect(self, emit: Emit) -> Iterator[None]:
        """Give what this thread writes and logs to `emit`, line by line."""
        token = _emit.set(emit)
        try:
            yield
        finally:
            _places.stdout.end_line()
            _places.stderr.end_line()
            _emit.reset(token)


def task_logger(name: str) -> logging.Logger:
    """Return a logger whose records, from INFO on, go to the log of the attempt that this thread runs."""
    # Not by getLogger: loggers got that way are kept for ever, and setting the level of one clears the caches
    # of all, a millisecond where there are thousands of tasks. Nor are the handlers of others the task's.
    logger = logging.Logger(name, logging.INFO)
    logger.addHandler(_task_handler)
    return logger


class _Stream:
    """A text stream that stands before another one, and looks like it in all else."""

    def __init__(self, level: str) -> None:
        self.behind: TextIO = sys.stdout
        self._level = level
        self._local = threading.local()

    def write(self, text: str) -> int:
        emit = _emit.get()
        if emit is None:
            return self.behind.write(text)
        first, *more = text.split("\n")
        self._open_line.append(first)
        for line in more:
            self._emit_line(emit)
            self._open_line.append(line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _emit.get() is None:
            self.behind.flush()

    def end_line(self) -> None:
        """Emit the last line, though no newline came."""
        emit = _emit.get()
        if emit is not None and any(self._open_line):
            self._emit_line(emit)
        self._open_line.clear()

    @property
    def _open_line(self) -> list[str]:
        """The pieces of this thread's line so far: joined once, however many they are."""
        try:
            return cast("list[str]", self._local.pieces)
        except AttributeError:
            self._local.pieces = pieces = list[str]()
            return pieces

    def _emit_line(self, emit: Emit) -> None:
        text = "".join(self._open_line)
        self._open_line.clear()
        emit(LogLine(datetime.now(UTC), self._level, text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


class _Handler(logging.Handler):
    """Hands records of a captured thread to that thread's listener."""

    def emit(self, record: logging.LogRecord) -> None:
        emit = _emit.get()
        if emit is not None:
            try:
                line = log_line_of(record)
            except Exception:  # a wrong log call must not fail the task, as with logging's own handlers
                self.handleError(record)
            else:
                emit(line)
        elif logging.getLogger().handlers == [self] and (usual := logging.lastResort) is not None:
            # What a root logger without other handlers would have done.
            _handle(usual, record)


class _Places:
    """The places in the process that captures take, and how many captures hold them."""

    def __init__(self) -> None:
        self.stdout = _Stream("STDOUT")
        self.stderr = _Stream("STDERR")
        self._handler = _Handler()
        self._lock = threading.Lock()
        self._holders = 0

    def take(self) -> None:
        with self._lock:
            self._holders += 1
            if self._holders > 1:
                return
            self.stdout.behind, self.stderr.behind = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = cast(TextIO, self.stdout), cast(TextIO, self.stderr)
            logging.getLogger().addHandler(self._handler)

    def give_back(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
            if sys.stdout is self.stdout:
                sys.stdout = self.stdout.behind
            if sys.stderr is self.stderr:
                sys.stderr = self.stderr.behind
            logging.getLogger().removeHandler(self._handler)


def _handle(handler: logging.Handler, record: logging.LogRecord) -> None:
    if record.levelno >= handler.level:
        handler.handle(record)


_places = _Places()
_task_handler = _Handler()
