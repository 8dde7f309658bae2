"""Executing the cells of one notebook, and reporting what happens as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from ppacer_nb.kernels.inside import MESSAGE_TYPE, decode_report
from ppacer_nb.kernels.process import Kernel
from ppacer_nb.model.attempt import CellProgress, LogLine, Report, Skipped
from ppacer_nb.model.values import Value

#: What the log of an attempt holds at the most; the rest is in the executed notebook.
LOG_LINES, LOG_BYTES = 10_000, 4 * 1024 * 1024
#: Text that one cell may leave in the executed notebook.
CELL_BYTES = 10 * 1024 * 1024

_LAST_WORDS = 0.2  # seconds for what a dead kernel had said before
_OPEN_LINE = 64 * 1024  # characters without a newline that wait for one

# In a namespace of its own, as the notebook's is to be empty.
_SET_UP = """
import sys
sys.path += [path for path in {paths!r} if path not in sys.path]
try:
    import ppacer_nb.kernels.inside
    ppacer_nb.kernels.inside.set_up(reused={reused})
except ImportError:  # a Python without ppacer_nb: its notebooks run all the same
    pass
"""


class Client(NotebookClient):
    """Runs a notebook's cells in a kernel that is ready.

    `report` is called from the event loop with log lines, messages and progress. What a function's call
    returned is in `value` afterwards.
    """

    def __init__(self, notebook: NotebookNode, kernel: Kernel, report: Callable[[Report], None]) -> None:
        super().__init__(
            notebook,
            km=kernel.manager,
            timeout=None,
            record_timing=True,
            on_cell_executed=self._look_for_exit,
        )
        self.kc = kernel.client
        self.kc.allow_stdin = False  # so that input() is refused, where nobody could answer
        self.value: Value | None = None
        self._kernel = kernel
        self._report = report
        self._log = _Log(report)
        self._stream: _Stream | None = None
        self._room = CELL_BYTES
        self._numbers = {
            index: number
            for number, index in enumerate(
                (i for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip()), 1
            )
        }
        self.kept: frozenset[int] = frozenset()  #: places of cells, from 0, that are not to run
        self.place = 0  #: of the cell that was begun last, from 0
        self.go_on = True  #: set it to False to leave out the cells that have not begun
        self.skipped: Skipped | None = None  #: as soon as a cell has raised `Skip`
        self.asked_to_exit = False  #: by IPython's ``exit``, in the cell that was begun last
        self.traceback = ""  #: of the last error
        self.cell_number = 0  #: of the code cell that was begun last, from 1

    @property
    def cells(self) -> int:
        """How many code cells there are to run."""
        return len(self._numbers)

    async def prepare(self, sys_path: tuple[str, ...], *, reused: bool) -> None:
        """Let a Python kernel import what the scheduler can, and report what it logs."""
        self.reset_execution_trackers()
        kernel = self._kernel
        if (
            kernel.language == "python" and kernel.sys_path != sys_path
        ):  # a worker kernel may be set up so already
            code = _SET_UP.format(paths=list(sys_path), reused=reused)
            await kernel.run_silently(f"exec({code!r}, {{}})")
            kernel.sys_path = sys_path
        self.nb.metadata["language_info"] = self._kernel.info["language_info"]

    async def run(self) -> None:
        """Execute all cells, the kernel being ready.

        Raises
        ------
        CellExecutionError
            If a cell raises.
        DeadKernelError
            The moment the kernel's process ends; the message says how.
        """
        try:
            for index, cell in enumerate(self.nb.cells):
                if not self.go_on or self.asked_to_exit or self.skipped is not None:
                    break
                if index in self.kept:
                    continue
                self.place = index
                if index in self._numbers:
                    self.cell_number = self._numbers[index]
                    self._report(CellProgress(self.cell_number, self.cells))
                await self._run_cell(cell, index)
        finally:
            self.set_widgets_metadata()

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Take out reports, follow streams, and leave the rest to nbclient."""
        kind = msg["msg_type"]
        if kind == MESSAGE_TYPE:
            self._take_report(decode_report(msg["content"]), cell)
            return None
        if kind == "stream" and not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            name, text = msg["content"]["name"], msg["content"]["text"]
            self._log.text(name, text, msg["header"]["date"])
            self._write(name, text, cell)
            return None
        if kind in ("display_data", "execute_result", "error", "clear_output"):
            self._end_stream()
        if kind == "error":
            self.traceback = "\n".join(msg["content"]["traceback"])
        shown: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return shown

    async def _run_cell(self, cell: NotebookNode, index: int) -> None:
        self._room = CELL_BYTES
        try:
            await self._unless_dead(self.async_execute_cell(cell, index))
        finally:
            self._end_stream()
            self._log.end_of_cell()

    async def _unless_dead(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await `work`; raise DeadKernelError the moment the kernel ends before it does."""
        running = asyncio.ensure_future(work)
        try:
            await asyncio.wait([running, self._kernel.died], return_when=asyncio.FIRST_COMPLETED)
            if self._kernel.died.done():
                await asyncio.wait([running], timeout=_LAST_WORDS)
            if not running.done():
                raise DeadKernelError(self._kernel.died.result())
            return await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _look_for_exit(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        payload = execute_reply["content"].get("payload", [])
        self.asked_to_exit = any(item.get("source") == "ask_exit" for item in payload)

    def _take_report(self, report: Any, cell: NotebookNode) -> None:
        if isinstance(report, Value):
            self.value = report
        elif isinstance(report, Skipped):
            self.skipped = report
        elif isinstance(report, LogLine):
            self._log.line(report)
            self._write("stderr", f"{report.level} {report.message}\n", cell)
        else:
            self._report(report)

    def _write(self, name: str, text: str, cell: NotebookNode) -> None:
        if self.clear_before_next_output:
            cell.outputs.clear()
            self.clear_before_next_output = False
            self._stream = None
        if self._stream is None or self._stream.name != name:
            self._end_stream()
            output = nbformat.v4.new_output("stream", name=name, text="")
            cell.outputs.append(output)
            self._stream = _Stream(name, output)
        if self._room > 0:
            self._stream.parts.append(text[: self._room])
            self._room -= len(text)
            if self._room <= 0:
                note = f"\n[ppacer: output over {CELL_BYTES // 1024 // 1024} MiB is left out]\n"
                self._stream.parts.append(note)

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._stream.end()
            self._stream = None


class _Stream:
    """Text of one stream in a row. It is joined at its end, as adding to a text each time is quadratic."""

    def __init__(self, name: str, output: NotebookNode) -> None:
        self.name = name
        self.parts: list[str] = []
        self._output = output

    def end(self) -> None:
        self._output["text"] = "\n".join(map(_last_state, "".join(self.parts).split("\n")))


class _Log:
    """Turns what a kernel says into lines, as long as there is room for them."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._open = {"stdout": "", "stderr": ""}
        self._lines_left = LOG_LINES
        self._bytes_left = LOG_BYTES

    def text(self, name: str, text: str, at: datetime) -> None:
        """Take in text of a stream; a line is passed on when it is complete."""
        *lines, rest = (self._open[name] + text).split("\n")
        for line in lines:
            self._pass_on(name, line, at)
        rest = _last_state(rest)
        if len(rest) > _OPEN_LINE:
            self._pass_on(name, rest, at)
            rest = ""
        self._open[name] = rest

    def line(self, line: LogLine) -> None:
        """Pass on a line."""
        if self._lines_left <= 0 or self._bytes_left <= 0:
            return
        self._lines_left -= 1
        self._bytes_left -= len(line.message)
        self._report(line)
        if self._lines_left <= 0 or self._bytes_left <= 0:
            text = "the log is full: everything that the task writes is in its executed notebook"
            self._report(LogLine(line.at, "WARNING", text))

    def end_of_cell(self) -> None:
        """Pass on what lacks its newline."""
        for name, rest in self._open.items():
            if rest:
                self._pass_on(name, rest, datetime.now(UTC))
            self._open[name] = ""

    def _pass_on(self, name: str, line: str, at: datetime) -> None:
        self.line(LogLine(at, name.upper(), _last_state(line).rstrip("\r")[:LOG_BYTES]))


def _last_state(line: str) -> str:
    """Return what stands there in the end, if the line writes over itself, as progress bars do."""
    if "\r" not in line:
        return line
    text = line.rstrip("\r")
    return text.rpartition("\r")[2] + line[len(text) :]
