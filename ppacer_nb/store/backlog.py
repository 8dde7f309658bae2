"""The log lines that are not on disk yet: so many, and no more, are kept in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.ids import AttemptKey

#: Bytes, about, that lines may take in memory while they wait for the disk.
LIMIT = 64 * 1024 * 1024
#: How long a task that prints faster than the disk takes it is held up for one line, before that is dropped.
PATIENCE = timedelta(seconds=5)

_PER_LINE = 200  # bytes of its objects, about


@dataclass(slots=True)
class _Gap:
    lines: int
    at: datetime  # of the last of them


class Backlog:
    """Counts what waits. A line that finds no room is dropped, and its attempt's log says so later on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._size = 0
        self._flows = True
        self._gaps: dict[AttemptKey, _Gap] = {}

    def take(self, key: AttemptKey, line: LogLine, *, may_wait: bool) -> list[LogLine]:
        """Return what to append to the attempt's log for `line`: nothing if there is no room.

        With `may_wait` the calling thread waits for room, up to `PATIENCE`, if the disk takes lines.
        """
        with self._changed:
            if self._size > LIMIT and may_wait:
                self._changed.wait_for(self._is_pointless_to_wait, PATIENCE.total_seconds())
            if self._size > LIMIT:
                gap = self._gaps.setdefault(key, _Gap(0, line.at))
                gap.lines, gap.at = gap.lines + 1, line.at
                return []
            gap_before = self._gaps.pop(key, None)
            lines = [line] if gap_before is None else [_note(gap_before), line]
            self._size += sum(map(size_of, lines))
        return lines

    def wrote(self, size: int) -> None:
        """Lines of that size are on disk."""
        with self._changed:
            self._size -= size
            if self._size <= LIMIT:
                self._changed.notify_all()

    def stand_still(self) -> None:
        """The disk takes nothing: let nobody wait."""
        with self._changed:
            self._flows = False
            self._changed.notify_all()

    def flow(self) -> None:
        """The disk takes lines again."""
        with self._changed:
            self._flows = True

    def notes(self) -> list[tuple[AttemptKey, LogLine]]:
        """Return a line for each attempt whose last lines were dropped, and forget that, if there is room."""
        if not self._gaps:  # looked at without the lock, as this is asked after every write
            return []
        with self._changed:
            if self._size > LIMIT:
                return []
            notes = [(key, _note(gap)) for key, gap in self._gaps.items()]
            self._gaps.clear()
            self._size += sum(size_of(note) for _, note in notes)
        return notes

    def _is_pointless_to_wait(self) -> bool:
        return self._size <= LIMIT or not self._flows


def size_of(line: LogLine) -> int:
    """Return how many bytes a line takes in memory, about."""
    more = sum(map(len, line.attributes.values())) if line.attributes else 0
    return _PER_LINE + len(line.message) + more


def _note(gap: _Gap) -> LogLine:
    lines = "1 line was" if gap.lines == 1 else f"{gap.lines:,} lines were"
    return LogLine(gap.at, "WARNING", f"{lines} not recorded: the disk is slower than what is printed")
