"""Opening a store: the file, its lock, its schema, its writer and its read side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ppacer_nb.errors import StoreError, StoreLocked
from ppacer_nb.store.migrating import open_migrated
from ppacer_nb.store.queries import History
from ppacer_nb.store.writer import LogWriter

# DuckDB's lock keeps other processes out, but lets this one open a file twice, with two writers.
_open_here: set[Path] = set()
_open_here_lock = threading.Lock()


def _nobody_listens(_: object) -> None:
    """A store whose owner asks for nothing learns of a failed write when it flushes."""


def _nothing() -> None:
    """As above."""


class Store:
    """The run history, opened for writing; one process at a time can.

    Parameters
    ----------
    path
        The DuckDB file, made with its folder where there is none. None keeps the history in memory only.
    on_trouble
        Told, from the writer's thread, when the history cannot be written: the disk is full, or fails. What
        is handed over is kept, and tried again.
    on_recovered
        Told, likewise, when all of that has been written.
    on_lines
        Told, from the writer's thread, of which runs log lines have been written.

    Raises
    ------
    StoreLocked
        If another process, or this one, has the file open.
    StoreVersion
        If a newer ppacer_nb wrote it.
    StoreError
        If it cannot be opened or is no store of ppacer_nb.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        on_trouble: Callable[[StoreError], None] = _nobody_listens,
        on_recovered: Callable[[], None] = _nothing,
        on_lines: Callable[[frozenset[str]], None] = _nobody_listens,
    ) -> None:
        self.path = path and path.resolve()
        self.unrecorded = ""  #: once closed: what could not be written, in words
        self._closed = False
        self._claim()
        try:
            self._database = open_migrated(self.path)
            try:
                self.history = History(self._database)
                self.log = LogWriter(
                    self._database, on_trouble=on_trouble, on_recovered=on_recovered, on_lines=on_lines
                )
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Write what is left and let go of the file. Closing again changes nothing."""
        if self._closed:
            return
        self._closed = True
        self.unrecorded = self.log.close()
        self._database.close()
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path) if self.path else 'in memory'})"

    def _claim(self) -> None:
        if self.path is None:
            return
        with _open_here_lock:
            if self.path in _open_here:
                raise StoreLocked(
                    f"this process already has {self.path} open: stop the scheduler that uses it first, "
                    "or give another path."
                )
            _open_here.add(self.path)

    def _release(self) -> None:
        if self.path is not None:
            with _open_here_lock:
                _open_here.discard(self.path)
