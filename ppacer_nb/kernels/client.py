"""Executing the cells of one notebook, and reporting what happens as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from ppacer_nb.kernels.attempt_log import AttemptLog
from ppacer_nb.kernels.backpressure import IS_PATIENT
from ppacer_nb.kernels.inside import MESSAGE_TYPE, decode_report
from ppacer_nb.kernels.outputs import KINDS, NotebookOutputs, Outputs, end_of_cell
from ppacer_nb.kernels.process import Kernel
from ppacer_nb.kernels.widgets import CapturingWidget, StateRoom
from ppacer_nb.model.attempt import CellProgress, LogLine, Report, Skipped
from ppacer_nb.model.values import Value

#: What stands for the state of widgets where it is too much.
WIDGETS_LEFT_OUT = "the state of the notebook's widgets is left out, as it takes more room than there is"

_LAST_WORDS = 0.2  # seconds for what a dead kernel had said before

# In a namespace of its own, as the notebook's is to be empty.
_SET_UP = """
import sys
sys.path += [path for path in {paths!r} if path not in sys.path]
try:
    import ppacer_nb.kernels.inside
    ppacer_nb.kernels.inside.set_up(reused={reused})
except ImportError:  # a Python without ppacer_nb: its notebooks run all the same
    import IPython, zmq
    publisher = getattr(getattr(IPython.get_ipython(), "kernel", None), "iopub_thread", None)
    if publisher is not None:  # so that at least no message is dropped: see `backpressure`
        publisher.schedule(lambda: publisher.socket.setsockopt(zmq.XPUB_NODROP, 1))
"""


class Client(NotebookClient):
    """Runs a notebook's cells in a kernel that is ready.

    `report` is called from the event loop with log lines, messages and progress. What a function's call
    returned is in `value` afterwards. The outputs go into the notebook by `outputs`; `after_cell` is awaited
    between two cells, when nothing changes the notebook. `once_asked` is given for a function, whose only
    cell is no progress to report: it is called when the kernel has been asked to run that, and nothing was
    heard of it yet.
    """

    def __init__(
        self,
        notebook: NotebookNode,
        kernel: Kernel,
        report: Callable[[Report], None],
        outputs: NotebookOutputs,
        after_cell: Callable[[], Awaitable[None]],
        once_asked: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(
            notebook,
            km=kernel.manager,
            timeout=None,
            record_timing=True,
            on_cell_complete=None if once_asked is None else lambda **_: once_asked(),  # not what it says
            on_cell_executed=self._look_for_exit,
        )
        self.kc = kernel.client
        self.kc.allow_stdin = False  # so that input() is refused, where nobody could answer
        self.value: Value | None = None
        self._kernel = kernel
        self._report = report
        self._log = AttemptLog(report)
        self.notebook_outputs = outputs  #: of all cells so far
        self._outputs: Outputs | None = None  # of the cell that runs, as soon as there are some
        self._state_room = StateRoom(outputs)
        self._after_cell = after_cell
        self._is_of_function = once_asked is not None
        self.widget_registry = {
            "@jupyter-widgets/output": {"OutputModel": partial(CapturingWidget, notebook=outputs)}
        }
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
        # A worker kernel, or one that was held, may be set up so already.
        if kernel.language == "python" and kernel.sys_path != sys_path:
            code = _SET_UP.format(paths=list(sys_path), reused=reused)
            reply = await kernel.run_silently(f"exec({code!r}, {{}})", {"is_patient": IS_PATIENT})
            is_patient = reply.get("user_expressions", {}).get("is_patient", {})
            if is_patient.get("data") == {"text/plain": "True"}:
                kernel.client.iopub_channel.leave_the_rest_to_the_kernel()
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
                if index not in self._numbers or index in self.kept:
                    continue
                self.place = index
                self.cell_number = self._numbers[index]
                if not self._is_of_function:
                    self._report(CellProgress(self.cell_number, self.cells))
                await self._run_cell(cell, index)
                await self._after_cell()
        finally:
            if self.store_widget_state:
                self.set_widgets_metadata()

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Take out reports and outputs, and leave the rest to nbclient."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == MESSAGE_TYPE:
            self._take_report(decode_report(content), cell)
            return None
        if kind not in KINDS:
            shown: NotebookNode | None = super().process_message(msg, cell, cell_index)
            return shown
        capturing: Any = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        if capturing:  # by the registry, they are of our kind
            capturing[-1].take(kind, content, msg["parent_header"])
            return None
        if kind == "stream":
            self._log.text(content["name"], content["text"], msg["header"]["date"])
        elif kind == "error":
            self.traceback = "\n".join(content["traceback"])
        elif kind == "execute_result":
            cell["execution_count"] = content["execution_count"]
        self._outputs_in(cell.outputs).take(kind, content)
        return None

    def handle_comm_msg(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        """Leave it to nbclient, and the state of widgets out of the notebook once it is too much."""
        if self.store_widget_state and not self._state_room.takes(msg):
            self.store_widget_state = False
            self._state_room.give_back()
            self._outputs_in(outs).take(
                "display_data", {"data": {"text/plain": f"[ppacer: {WIDGETS_LEFT_OUT}]"}}
            )
        super().handle_comm_msg(outs, msg, cell_index)

    async def _run_cell(self, cell: NotebookNode, index: int) -> None:
        self._outputs = None
        self.notebook_outputs.begin_cell(self.cell_number)
        try:
            await self._unless_dead(self.async_execute_cell(cell, index))
        finally:
            self._end_cell(cell)

    def _end_cell(self, cell: NotebookNode) -> None:
        for widget in self.comm_objects.values():
            widget.end_of_cell()
        if problem := end_of_cell(self.notebook_outputs.cell, self._outputs_in(cell.outputs)):
            self._report(LogLine(datetime.now(UTC), "WARNING", problem))
        self._log.end_of_cell()

    def _outputs_in(self, outputs: list[NotebookNode]) -> Outputs:
        if self._outputs is None:
            self._outputs = Outputs(outputs, self.notebook_outputs)
        return self._outputs

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
            self._outputs_in(cell.outputs).write("stderr", f"{report.level} {report.message}\n")
        else:
            self._report(report)
