"""A kernel process: started with sockets in a private directory, watched, and stopped for certain."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from ppacer_nb.errors import KernelDied
from ppacer_nb.kernels.descendants import kill_group

READY_TIMEOUT = 60.0  # seconds; a kernel that imports much at its start may need long on a busy machine
_SHORT_FOLDER = "/tmp" if os.path.isdir("/tmp") else None
_GRACEFUL = 2.0  # seconds that a kernel gets for its own exit handlers

_folders: set[Path] = set()  # of kernels that are not closed yet


class Kernel:
    """One started kernel. Its process leads a process group of its own, with all that its cells start."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient, folder: Path) -> None:
        self.manager = manager
        self.client = client
        self.language = manager.kernel_spec.language if manager.kernel_spec is not None else ""
        self.folder = folder
        self._process = manager.provisioner.process  # type: ignore[union-attr]
        self.pid: int = self._process.pid
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._watch(asyncio.get_running_loop())

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell."""
        await self.manager.interrupt_kernel()

    def kill(self) -> None:
        """End the kernel and everything it started, at once."""
        kill_group(self.pid)

    async def close(self) -> None:
        """Let the kernel end by itself, then make sure that nothing of it is left."""
        try:
            if not self.died.done():
                self.client.shutdown()
                await asyncio.wait([self.died], timeout=_GRACEFUL)
        finally:
            self.kill()
            self.client.stop_channels()
            await self.manager.cleanup_resources()
            _remove(self.folder)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Resolve `died` the moment the process ends: a thread waits for it, nothing polls."""

        def note(text: str) -> None:
            if not self.died.done():
                self.died.set_result(text)

        def wait() -> None:
            self._process.wait()
            loop.call_soon_threadsafe(note, ending(self._process.returncode))

        threading.Thread(target=wait, name=f"wait-for-{self.pid}", daemon=True).start()


async def start_kernel(kernel_name: str, cwd: Path, started: Callable[[Kernel], None]) -> Kernel:
    """Start a kernel and wait until it answers; `started` gets it before that.

    Raises
    ------
    KernelDied
        If it ends before it answers, or does not answer within a minute.
    """
    # Short, as a socket's path cannot be longer than 107 bytes; mkdtemp makes it 0700.
    folder = Path(tempfile.mkdtemp(prefix="pp-", dir=_SHORT_FOLDER))
    _folders.add(folder)
    manager = AsyncKernelManager(kernel_name=kernel_name, connection_file=str(folder / "kernel.json"))
    manager.transport, manager.ip = "ipc", str(folder / "s")
    arguments: dict[str, Any] = {"cwd": str(cwd)}
    if kernel_name == "python3":
        arguments["extra_arguments"] = ["--HistoryManager.enabled=False"]
    try:
        await manager.start_kernel(**arguments)
        client = manager.client()
        client.start_channels()
        kernel = Kernel(manager, client, folder)
    except BaseException:  # also cancelled: the runner kills what had been started
        _remove(folder)
        raise
    started(kernel)
    try:
        await _ready(kernel)
    except BaseException:
        kernel.kill()
        await kernel.close()
        raise
    return kernel


def remove_folders() -> None:
    """Remove what kernels keep on disk that were not closed, as this process ends without doing so."""
    for folder in list(_folders):
        _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _folders.discard(folder)


async def _ready(kernel: Kernel) -> None:
    answer = asyncio.ensure_future(kernel.client.wait_for_ready(timeout=READY_TIMEOUT))
    try:
        watched: set[asyncio.Future[Any]] = {answer, kernel.died}
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise KernelDied(f"the kernel died while it started: {kernel.died.result()}")
        await answer
    except RuntimeError as silence:
        raise KernelDied(f"the kernel did not start: {silence}") from None
    finally:
        answer.cancel()


def ending(returncode: int) -> str:
    """Say how a process ended."""
    if returncode >= 0:
        return f"its process ended with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:  # a real-time signal has no name
        name = str(-returncode)
    memory = ", perhaps because memory ran out" if -returncode == signal.SIGKILL else ""
    return f"its process was killed by {name}{memory}"
