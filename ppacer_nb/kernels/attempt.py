"""Running one attempt in a kernel: from the order to its outcome, and its notebook on disk."""

from __future__ import annotations

import asyncio
import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import assert_never

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from ppacer_nb import errors, values
from ppacer_nb.errors import KernelDied, PpacerError, TaskFailed
from ppacer_nb.kernels.client import Client
from ppacer_nb.kernels.documents import failure_banner, filled_notebook, function_notebook, held_banner
from ppacer_nb.kernels.holding import HeldKernel
from ppacer_nb.kernels.inside import Inputs
from ppacer_nb.kernels.order import FunctionOrder, NotebookOrder, Order, StopOrder
from ppacer_nb.kernels.outputs import NotebookOutputs
from ppacer_nb.kernels.overflow import Overflow
from ppacer_nb.kernels.process import Kernel, KernelKind
from ppacer_nb.kernels.resuming import Resumption, resumed_banner
from ppacer_nb.kernels.saving import ExecutedNotebook
from ppacer_nb.kernels.supply import KernelSupply
from ppacer_nb.model.attempt import (
    BodyStarted,
    Cancelled,
    ErrorInfo,
    Failed,
    Files,
    Held,
    LogLine,
    Outcome,
    Report,
    Skipped,
    Succeeded,
)
from ppacer_nb.model.durations import later
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.values import Value
from ppacer_nb.status import AttemptState

#: How long a cell may take to end after an interrupt, before its kernel is killed.
GRACE = 2.0
#: Why an attempt was stopped, where its scheduler is no more.
LOST = "its scheduler's process ended while it ran"
#: Makes a report of an executed notebook: (notebook, target).
Export = Callable[[Path, Path], None]

_MESSAGE_LENGTH, _TRACEBACK_LENGTH = 2_000, 100_000  # characters: these are kept in the run history
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Attempt:
    """One attempt; `run` it once. `stop` may be called meanwhile, from the same event loop.

    `resumed` is what was held of the attempt that it is to resume, None if that is held no more.
    """

    def __init__(
        self,
        order: Order,
        kernels: KernelSupply,
        tell: Callable[[Report], None],
        export: Export,
        resumed: HeldKernel | None = None,
    ) -> None:
        self.order = order
        self.held: HeldKernel | None = None  #: what stays when it has ended, if its outcome says so
        self._resumed = resumed
        self._resumption: Resumption | None = None
        self._kernels = kernels
        self._tell = tell
        self._export = export
        self._stopped: StopOrder | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._execution: asyncio.Task[ErrorInfo | None] | None = None
        self._kernel = resumed.kernel if resumed is not None else None
        self._client: Client | None = None  # as soon as cells run
        self._value: Value | None = None
        self._inputs_on_disk: asyncio.Future[None] | None = None  # of a function

    @property
    def key(self) -> AttemptKey:
        """Which attempt this is."""
        return self.order.run.key

    @property
    def _is_function(self) -> bool:
        return isinstance(self.order.what, FunctionOrder)

    @property
    def _reuses(self) -> bool:
        """Whether its kernel may have run other tasks, and may run further ones."""
        what = self.order.what
        return isinstance(what, FunctionOrder) and not what.fresh

    def stop(self, order: StopOrder) -> None:
        """Interrupt the cell that runs, and kill its kernel if that does not end it."""
        if self._stopped is None:
            self._stopped = order
        if self._client is None:  # nothing of the task has run: there is nothing to be gentle with
            if self._execution is not None:
                self._execution.cancel()
        elif order.at_once:
            assert self._kernel is not None
            self._kernel.kill()
        elif self._stopping is None:
            self._client.go_on = False
            self._stopping = asyncio.ensure_future(self._interrupt_or_kill())

    async def run(self) -> Outcome:
        """Run to the end; whatever the task does, this returns how it ended."""
        path = self.order.file(".ipynb")
        try:
            document, is_ours = self._document(), self._is_function
            executed = ExecutedNotebook(document, path, self.order.run, is_ours=is_ours)
            if not is_ours:
                await executed.begin()
            error = await self._executed(executed)
            if self._inputs_on_disk is not None:
                await self._inputs_on_disk  # has been so while cells ran, most often
            outcome = self._with_hold(self._outcome(error, Files(notebook=path)))
            await executed.end(_state_name(outcome), _why(outcome), self._banners(outcome))
            return self._with_report(outcome, path)
        except PpacerError as ours:
            error = ErrorInfo(type(ours).__name__, str(ours))
        except Exception as unexpected:  # such as a full disk, or a kernel that does not start
            error = ErrorInfo("TaskFailed", f"could not be run: {type(unexpected).__name__}: {unexpected}")
        return self._with_hold(self._outcome(error, Files()))

    async def close(self) -> None:
        """Let go of the kernel, unless it is held."""
        if self._stopping is not None:
            self._stopping.cancel()
        if self._kernel is not None and self.held is None:
            await self._kernels.give_back(self._kernel, reusable=self._reuses and self._stopped is None)

    def _document(self) -> NotebookNode:
        """Return the notebook to execute; the inputs of a function lie beside it then."""
        order, what = self.order, self.order.what
        if isinstance(what, NotebookOrder):
            return self._mended(order.resumes, what) if order.resumes else filled_notebook(order, what)
        inputs = Inputs(
            run=order.run,
            name=what.name,
            payload=what.payload,
            arguments=what.arguments,
            context_parameter=what.context_parameter,
            results=order.inputs,
            value_file=order.file(".value.pkl"),
            short_circuit=what.short_circuit,
        )
        path = order.file(".inputs.pkl")
        values.write_whole(path, pickle.dumps(inputs), durable=False)
        self._inputs_on_disk = asyncio.ensure_future(asyncio.to_thread(values.make_durable, path))
        return function_notebook(order, what)

    def _mended(self, resumes: AttemptKey, what: NotebookOrder) -> NotebookNode:
        if self._resumed is None:
            raise TaskFailed(f"the kernel of attempt {resumes.attempt} is held no more: trigger a new run.")
        notebook, self._resumption = self._resumed.resume(self.order, what)
        return notebook

    async def _executed(self, executed: ExecutedNotebook) -> ErrorInfo | None:
        if self._stopped is not None:
            return None
        self._execution = asyncio.ensure_future(self._execute(executed))
        try:
            return await self._execution
        except asyncio.CancelledError:
            return None  # `stop` did that, and `_outcome` says why
        except KernelDied as death:
            return ErrorInfo("KernelDied", str(death))

    async def _execute(self, executed: ExecutedNotebook) -> ErrorInfo | None:
        """Execute the notebook in a kernel of its own; return why that failed, None if it did not."""
        notebook = executed.notebook
        self._kernel = await self._ready_kernel(notebook)
        overflow = Overflow(self.order.file)
        outputs = NotebookOutputs(overflow) if self._resumed is None else self._resumed.outputs(overflow)
        begin = partial(self._begin_function, self._kernel, executed) if self._is_function else None
        client = Client(notebook, self._kernel, self._tell, outputs, executed.keep_up, begin)
        try:
            await client.prepare(self.order.sys_path, reused=self._reuses)
            if self._resumed is not None and self._resumption is not None:
                self._resumed.hand_over(client, self._resumption)
            if begin is None:
                self._tell(BodyStarted(datetime.now(UTC), self._worker(self._kernel)))
            self._client = client
            await client.run()
        except CellExecutionError as raised:
            return self._cell_error(raised, client)
        except DeadKernelError:
            how = await self._kernel.died
            return ErrorInfo("KernelDied", f"the kernel died{self._where(client)}: {how}")
        if self._stopped is not None:
            return None
        if client.asked_to_exit:
            self._say_early_exit(client)
        self._value = client.value if self._is_function else self._path_as_value()
        return None

    def _begin_function(self, kernel: Kernel, executed: ExecutedNotebook) -> None:
        """Save the notebook and tell of the start while the kernel begins, before anything is heard of it."""
        started = BodyStarted(datetime.now(UTC), self._worker(kernel))
        try:
            executed.begin_at_once()
        except TaskFailed:
            kernel.kill()
            raise
        self._tell(started)

    async def _ready_kernel(self, notebook: NotebookNode) -> Kernel:
        if self._resumed is not None:
            await self._resumed.kernel.reconnect()
            return self._resumed.kernel
        name = notebook.metadata.kernelspec.name if "kernelspec" in notebook.metadata else "python3"
        if isinstance(self.order.what, NotebookOrder) and self.order.what.kernel_name is not None:
            name = self.order.what.kernel_name
        kind = KernelKind(name, str(self.order.cwd), self.order.env)
        return await self._kernels.take(kind, reused=self._reuses)

    def _worker(self, kernel: Kernel) -> str:
        """Say who runs the attempt."""
        if self.order.resumes is None or self._resumption is None:
            return kernel.description
        return f"kernel of attempt {self.order.resumes.attempt}, {self._resumption.summary}, pid {kernel.pid}"

    def _cell_error(self, raised: CellExecutionError, client: Client) -> ErrorInfo | None:
        if client.skipped is not None:
            return None
        if raised.ename == "SystemExit":
            return self._early_exit(raised, client)
        known = getattr(errors, raised.ename, None)
        if isinstance(known, type) and issubclass(known, errors.AttemptError):
            return ErrorInfo(raised.ename, raised.evalue)  # ours, with a sentence of its own
        traceback = _ANSI.sub("", client.traceback)
        # Kernels of some languages name no error: those of shells say the exit code.
        message = ": ".join(filter(None, (raised.ename or "error", raised.evalue)))
        message = _shortened(message, _MESSAGE_LENGTH)
        return ErrorInfo(
            "TaskFailed", f"{message}{self._where(client)}", _shortened(traceback, _TRACEBACK_LENGTH)
        )

    def _early_exit(self, raised: CellExecutionError, client: Client) -> ErrorInfo | None:
        code = raised.evalue
        if self._is_function:
            return ErrorInfo("TaskFailed", f"called sys.exit({code}): return instead")
        if code not in ("0", "None", ""):
            return ErrorInfo("TaskFailed", f"called sys.exit({code}){self._where(client)}")
        self._value = self._path_as_value()
        self._say_early_exit(client)
        return None

    def _say_early_exit(self, client: Client) -> None:
        text = f"the notebook ended early and well: it asked to exit{self._where(client)}"
        self._tell(LogLine(datetime.now(UTC), "INFO", text))

    def _path_as_value(self) -> Value:
        return values.dump(str(self.order.file(".ipynb")), self.order.file(".value.pkl"))

    def _where(self, client: Client) -> str:
        if self._is_function or not client.cell_number:
            return ""
        return f" in cell {client.cell_number} of {client.cells}"

    def _outcome(self, error: ErrorInfo | None, files: Files) -> Outcome:
        if self._stopped is not None:
            if self._stopped.timed_out:
                return Failed(ErrorInfo("TaskTimeout", self._stopped.reason), files)
            return Cancelled(self._stopped.reason, files)
        if error is not None:
            return Failed(error, files)
        if self._client is not None and self._client.skipped is not None:
            return replace(self._client.skipped, files=files)
        if self._value is None:
            return Failed(ErrorInfo("TaskFailed", "the function's call was left out of its notebook"), files)
        return Succeeded(self._value, files)

    def _with_hold(self, outcome: Outcome) -> Outcome:
        """Note that the kernel stays, if it is to and can."""
        kernel = self._kernel
        if not isinstance(outcome, Failed) or self.order.hold is None or kernel is None:
            return outcome
        if self._stopping is not None and not self._stopping.cancel():
            return outcome  # it was killed
        if kernel.died.done():
            return outcome
        if self._client is not None:
            filled_for = self.order.run if self._resumed is None else self._resumed.filled_for
            self.held = HeldKernel(filled_for, kernel, self._client)
        else:
            self.held = self._resumed
        if self.held is None:
            return outcome
        kernel.disconnect()
        held = Held(self.held.connection_file, later(datetime.now(UTC), self.order.hold))
        return replace(outcome, held=held)

    def _with_report(self, outcome: Outcome, notebook: Path) -> Outcome:
        what = self.order.what
        if not isinstance(outcome, Succeeded) or not isinstance(what, NotebookOrder) or not what.export:
            return outcome
        target = self.order.file(".html")
        try:
            self._export(notebook, target)
        except Exception as error:  # nbconvert and its templates raise many kinds
            text = f"the report could not be made: {type(error).__name__}: {error}"
            return Failed(ErrorInfo("TaskFailed", text), outcome.files)
        return replace(outcome, files=replace(outcome.files, report=target))

    async def _interrupt_or_kill(self) -> None:
        assert self._kernel is not None
        if not self._kernel.died.done():
            await self._kernel.interrupt()
            await asyncio.wait([self._kernel.died], timeout=GRACE)
        self._kernel.kill()

    def _banners(self, outcome: Outcome) -> Iterator[str]:
        """Yield what is to be said at the top of the executed notebook."""
        if (why := _why(outcome)) is not None:
            yield failure_banner(_state_name(outcome), why)
        if isinstance(outcome, Failed) and outcome.held is not None:
            yield held_banner(outcome.held, self.order.run)
        if self._resumption is not None and self.order.resumes is not None:
            yield resumed_banner(self.order.resumes.attempt, self._resumption)


def _state_name(outcome: Outcome) -> str:
    match outcome:
        case Succeeded():
            return AttemptState.SUCCESS
        case Failed():
            return AttemptState.FAILED
        case Cancelled(reason):
            return AttemptState.INTERRUPTED if reason == LOST else AttemptState.CANCELLED
        case Skipped():
            return AttemptState.SKIPPED
    assert_never(outcome)


def _why(outcome: Outcome) -> str | None:
    """Return why an attempt did not succeed."""
    match outcome:
        case Succeeded():
            return None
        case Failed(error):
            return error.message
        case Cancelled(reason) | Skipped(reason):
            return reason
    assert_never(outcome)


def _shortened(text: str, length: int) -> str:
    """Return `text` without its middle, if it is longer than `length`."""
    if len(text) <= length:
        return text
    left_out = f" [... {len(text) - length:,} characters left out ...] "
    return text[: length // 2] + left_out + text[-(length // 2) :]
