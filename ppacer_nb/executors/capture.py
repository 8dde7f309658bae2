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

    All captures of the process share one set of places, which the first takes and the last gives back:
    a ``dag.run()`` beside a running scheduler would otherwise hear each log record twice.
    """

    def install(self) -> None:
        """Stand before ``sys.stdout`` and ``sys.stderr``, and listen to the root logger."""
        _places.take()

    def remove(self) -> None:
        """Put back what was there before, unless somebody has replaced it since."""
        _places.give_back()

    @contextmanager
    def redirect(self, emit: Emit) -> Iterator[None]:
        """Give what this thread writes and logs to `emit`, line by line."""
        _places.cover()
        token = _emit.set(emit)
        try:
            yield
        finally:
            _stdout.end(emit)
            _stderr.end(emit)
            _emit.reset(token)


def task_logger(name: str) -> logging.Logger:
    """Return a logger whose records, from INFO on, go to the log of the attempt that this thread runs."""
    # Not by getLogger: loggers got that way are kept for ever, and setting the level of one clears the caches
    # of all, a millisecond where there are thousands of tasks. Nor are the handlers of others the task's.
    logger = logging.Logger(name, logging.INFO)
    logger.addHandler(_task_handler)
    return logger


class _Lines:
    """Makes lines of what threads write, each thread its own."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._local = threading.local()

    def write(self, text: str, emit: Emit) -> None:
        first, *more = text.split("\n")
        self._open.append(first)
        for line in more:
            self._emit(emit)
            self._open.append(line)

    def end(self, emit: Emit) -> None:
        """Emit the last line, though no newline came."""
        if any(self._open):
            self._emit(emit)
        self._open.clear()

    @property
    def _open(self) -> list[str]:
        """The pieces of this thread's line so far: joined once, however many they are."""
        try:
            return cast("list[str]", self._local.pieces)
        except AttributeError:
            self._local.pieces = pieces = list[str]()
            return pieces

    def _emit(self, emit: Emit) -> None:
        text = "".join(self._open)
        self._open.clear()
        emit(LogLine(datetime.now(UTC), self._level, text))


class _Stream:
    """A text stream that stands before another one, and looks like it in all else."""

    def __init__(self, lines: _Lines, behind: TextIO) -> None:
        self.behind = behind
        self._lines = lines

    def write(self, text: str) -> int:
        emit = _emit.get()
        if emit is None:
            return self.behind.write(text)
        self._lines.write(text, emit)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _emit.get() is None:
            self.behind.flush()

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
        self._handler = _Handler()
        self._lock = threading.Lock()
        self._holders = 0

    def take(self) -> None:
        with self._lock:
            self._holders += 1
        self.cover()

    def cover(self) -> None:
        """Stand before whatever is there now: streams are replaced by ``%%capture``, pytest and others.

        Each cover is a stream of its own, so that who puts back an older one puts back what it wrote to.
        """
        with self._lock:
            if not isinstance(sys.stdout, _Stream):
                sys.stdout = cast(TextIO, _Stream(_stdout, sys.stdout))
            if not isinstance(sys.stderr, _Stream):
                sys.stderr = cast(TextIO, _Stream(_stderr, sys.stderr))
            logging.getLogger().addHandler(self._handler)  # does nothing where it is already

    def give_back(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
            if isinstance(sys.stdout, _Stream):
                sys.stdout = sys.stdout.behind
            if isinstance(sys.stderr, _Stream):
                sys.stderr = sys.stderr.behind
            logging.getLogger().removeHandler(self._handler)


def _handle(handler: logging.Handler, record: logging.LogRecord) -> None:
    if record.levelno >= handler.level:
        handler.handle(record)


_stdout, _stderr = _Lines("STDOUT"), _Lines("STDERR")
_places = _Places()
_task_handler = _Handler()
