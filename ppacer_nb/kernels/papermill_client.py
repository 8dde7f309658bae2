"""papermill's own engine and client, with kernels from the fork server and statuses that are true."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import run_hook
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager
from papermill.iorw import write_ipynb
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from ppacer_nb.errors import KernelDied
from ppacer_nb.kernels.process import Kernel, KernelKind, start_kernel
from ppacer_nb.kernels.provisioner import shared_server

_Result = TypeVar("_Result")
_LAST_WORDS = 0.2  # seconds for what a dead kernel had said before
_IPYTHON = ("python", "python3")  # kernelspecs that nbclient passes options of IPython to


class ForkingEngine(NBClientEngine):  # type: ignore[misc]  # papermill is not annotated
    """papermill's own engine, with another client. See `papermill_engine.PpacerEngine`."""

    @classmethod
    def execute_notebook(
        cls, nb: NotebookNode, kernel_name: str, output_path: str | None = None, **options: Any
    ) -> NotebookNode:
        """Execute a notebook; if that fails, leave those cells as pending that were not run."""
        try:
            done: NotebookNode = super().execute_notebook(nb, kernel_name, output_path=output_path, **options)
            return done
        except BaseException:
            _correct(nb)
            if output_path:
                write_ipynb(nb, output_path)
            raise

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **options: Any,
    ) -> NotebookNode:
        """Execute the cells of `nb_man`'s notebook, telling it of each."""
        for name in ("km", "kernel_manager_class"):
            if name in options:
                raise TypeError(f"the engine 'ppacer' starts its kernels itself: leave out {name!r}.")
        client = ForkingClient(
            nb_man,
            **merge_kwargs(
                remove_args(["input_path", "timeout", "startup_timeout"], **options),
                timeout=execution_timeout or options.get("timeout"),
                startup_timeout=start_timeout,
                kernel_name=kernel_name,
                log=logger,
                log_output=log_output,
                stdout_file=stdout_file,
                stderr_file=stderr_file,
            ),
        )
        done: NotebookNode = client.execute()
        return done


class ForkingClient(PapermillNotebookClient):  # type: ignore[misc]
    """Runs the cells of one notebook, once."""

    _kernel: Kernel | None = None
    _executing: asyncio.Task[Any] | None = None  # of the cell that the kernel is busy with

    @contextmanager
    def setup_kernel(self, **options: Any) -> Iterator[None]:
        """Have a kernel as long as this is entered; nothing of it is left afterwards.

        Raises
        ------
        RuntimeError
            If it does not start.
        """
        self._loop = _Loop()
        try:
            self._loop.run(self._start_kernel(**options))
            yield
        finally:
            self._loop.run(self._end_kernel())
            self._loop.close()

    def papermill_execute_cells(self) -> None:
        """Execute all cells, and tell papermill's manager what becomes of each."""
        for index, cell in enumerate(self.nb.cells):
            try:
                self.nb_man.cell_start(cell, index)
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                break
            except BaseException as error:  # it has not ended: its kernel has died, or its time was up
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                raise
            finally:
                self.nb_man.cell_complete(cell, cell_index=index)

    async def async_execute_cell(self, *args: Any, **kwargs: Any) -> NotebookNode:
        """Execute one cell, as nbclient does; say how the kernel ended if it does."""
        self._executing = asyncio.current_task()
        try:
            cell: NotebookNode = await super().async_execute_cell(*args, **kwargs)
        except CellExecutionError:
            self._executing = None
            raise
        except DeadKernelError:
            assert self._kernel is not None
            if self._kernel.died.done():
                raise DeadKernelError(f"Kernel died: {self._kernel.died.result()}") from None
            raise  # nbclient says that too where the wait for a cell is cancelled
        self._executing = None
        return cell

    async def async_wait_for_reply(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for a reply, as long as there is a kernel: nbclient asks for that every five seconds."""
        assert self._kernel is not None
        waiting = asyncio.ensure_future(super().async_wait_for_reply(*args, **kwargs))
        await asyncio.wait([waiting, self._kernel.died], return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        raise DeadKernelError(f"Kernel died: {self._kernel.died.result()}")

    def execute_cell(self, *args: Any, **kwargs: Any) -> NotebookNode:
        """Do as `async_execute_cell`, for papermill, which awaits nothing."""
        return self._loop.run(self.async_execute_cell(*args, **kwargs))

    def wait_for_reply(self, *args: Any, **kwargs: Any) -> Any:
        """Do as `async_wait_for_reply`."""
        return self._loop.run(self.async_wait_for_reply(*args, **kwargs))

    async def _async_poll_kernel_alive(self) -> None:
        """End the wait for a cell's reply the moment the kernel ends; nbclient asks once a second."""
        assert self._kernel is not None
        assert self.task_poll_for_reply is not None
        await asyncio.wait([self._kernel.died])
        await asyncio.wait([self.task_poll_for_reply], timeout=_LAST_WORDS)
        self.task_poll_for_reply.cancel()

    async def _start_kernel(self, **options: Any) -> None:
        arguments = list(self.extra_arguments)
        given = any(argument.startswith("--HistoryManager.hist_file") for argument in arguments)
        if self.kernel_name in _IPYTHON and self.ipython_hist_file and not given:
            arguments.append(f"--HistoryManager.hist_file={self.ipython_hist_file}")
        folder = options.get("cwd") or self.resources.get("metadata", {}).get("path") or os.getcwd()
        kind = KernelKind(self.kernel_name, str(folder), dict(os.environ), tuple(arguments))

        def take(kernel: Kernel) -> None:
            self._kernel = kernel

        try:
            kernel = await start_kernel(kind, shared_server(), started=take, limit=self.startup_timeout)
        except KernelDied as error:
            raise RuntimeError(str(error)) from None  # as jupyter_client does
        self.km, self.kc = kernel.manager, kernel.client
        self.kc.allow_stdin = False
        await run_hook(self.on_notebook_start, notebook=self.nb)

    async def _end_kernel(self) -> None:
        if self._kernel is None:
            return
        if self._executing is not None:
            self._executing.cancel()  # it waits on, where somebody has interrupted this process
            await asyncio.wait([self._executing])
            if not self._kernel.died.done():
                await self._kernel.interrupt()
        if self.shutdown_kernel == "immediate":
            self._kernel.kill()
        await self._kernel.close()


class _Loop:
    """An event loop of one notebook's own: in this thread, or beside it where one runs in this already.

    nbclient's way of running coroutines keeps a loop for each thread, which nobody closes.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        if _runs_in_a_loop():
            self._thread = threading.Thread(target=self._loop.run_forever, name="papermill", daemon=True)
            self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Return the result of a coroutine."""
        if self._thread is None:
            return self._loop.run_until_complete(work)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End it."""
        self.run(self._loop.shutdown_asyncgens())
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()


def _runs_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _correct(nb: NotebookNode) -> None:
    """Take back that papermill has called cells completed that never began, and the notebook unharmed."""
    for cell in nb.cells:
        if cell.metadata.papermill["start_time"] is None:
            cell.metadata.papermill["status"] = NotebookExecutionManager.PENDING
    nb.metadata.papermill["exception"] = True
