"""The log of an attempt: what its kernel says, as lines for the run history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from ppacer_nb.kernels.streams import last_state
from ppacer_nb.model.attempt import LogLine, Report

#: What the log of an attempt holds at the most; the rest is in the executed notebook, or beside it.
LOG_LINES, LOG_BYTES = 10_000, 4 * 1024 * 1024
#: Characters of a line: what the scheduler gets at once is to be small.
LINE_LENGTH = 64 * 1024


class AttemptLog:
    """Turns what a kernel says into lines, as long as there is room for them."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._open = {"stdout": "", "stderr": ""}
        self._lines_left = LOG_LINES
        self._bytes_left = LOG_BYTES

    @property
    def _is_full(self) -> bool:
        return self._lines_left <= 0 or self._bytes_left <= 0

    def text(self, name: str, text: str, at: datetime) -> None:
        """Take in text of a stream; a line is passed on when it is complete."""
        if self._is_full:
            return
        *lines, rest = (self._open[name] + text).split("\n")
        for line in lines:
            self._pass_on(name, line, at)
        rest = last_state(rest)
        if len(rest) > LINE_LENGTH:
            self._pass_on(name, rest, at)
            rest = ""
        self._open[name] = rest

    def line(self, line: LogLine) -> None:
        """Pass on a line."""
        if self._is_full:
            return
        if len(line.message) > LINE_LENGTH:
            line = replace(line, message=line.message[:LINE_LENGTH] + " [... cut in the log ...]")
        self._lines_left -= 1
        self._bytes_left -= len(line.message)
        self._report(line)
        if self._is_full:
            text = "the log is full: what the task writes is in its executed notebook, or in a file beside it"
            self._report(LogLine(line.at, "WARNING", text))

    def end_of_cell(self) -> None:
        """Pass on what lacks its newline."""
        for name, rest in self._open.items():
            if rest:
                self._pass_on(name, rest, datetime.now(UTC))
            self._open[name] = ""

    def _pass_on(self, name: str, line: str, at: datetime) -> None:
        self.line(LogLine(at, name.upper(), last_state(line).rstrip("\r")))
