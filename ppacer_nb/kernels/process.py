"""A kernel process: started with sockets in a private directory, watched, and stopped for certain."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from ppacer_nb.errors import ForkServerDied, KernelDied
from ppacer_nb.kernels.descendants import ending, kill_group
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.provisioner import ForkProvisioner

READY_TIMEOUT = 60.0  # seconds; a kernel that imports much at its start may need long on a busy machine
_SHORT_FOLDER = "/tmp" if os.path.isdir("/tmp") else None
_ASK_AGAIN = 0.1  # seconds
_GRACEFUL = 2.0  # seconds that a kernel gets for its own exit handlers

_folders: set[Path] = set()  # of kernels that are not closed yet


class Kernel:
    """One started kernel. Its process leads a process group of its own, with all that its cells start."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient, folder: Path) -> None:
        self.manager = manager
        self.client = client
        self.info: dict[str, Any] = {}  #: what it says of itself, as soon as it is ready
        self.language = manager.kernel_spec.language if manager.kernel_spec is not None else ""
        self.folder = folder
        assert isinstance(manager.provisioner, ForkProvisioner)
        self.forked = manager.provisioner.forked
        process: Any = manager.provisioner.process
        self._process = process
        self.pid = int(self._process.pid)
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._watch(asyncio.get_running_loop())

    @property
    def description(self) -> str:
        """Which kernel this is, and how it came."""
        return f"{'forked kernel' if self.forked is not None else 'kernel'}, pid {self.pid}"

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
            text = ending(self._process.wait())
            if self.forked is not None and self.forked.lost:
                text = self.forked.lost
            loop.call_soon_threadsafe(note, text)

        threading.Thread(target=wait, name=f"wait-for-{self.pid}", daemon=True).start()


async def start_kernel(
    kernel_name: str, cwd: Path, server: ForkServer, started: Callable[[Kernel], None]
) -> Kernel:
    """Fork or start a kernel and wait until it answers; `started` gets it before that.

    Raises
    ------
    KernelDied
        If it ends before it answers, or does not answer within a minute.
    """
    try:
        return await _start(kernel_name, cwd, server, started)
    except ForkServerDied:
        try:
            return await _start(kernel_name, cwd, server, started)  # another one takes its place
        except ForkServerDied as error:
            raise KernelDied(f"the kernel did not start: {error}") from None


def remove_folders() -> None:
    """Remove what kernels keep on disk that were not closed, as this process ends without doing so."""
    for folder in list(_folders):
        _remove(folder)


async def _start(
    kernel_name: str, cwd: Path, server: ForkServer, started: Callable[[Kernel], None]
) -> Kernel:
    # Short, as a socket's path cannot be longer than 107 bytes; mkdtemp makes it 0700.
    folder = Path(tempfile.mkdtemp(prefix="pp-", dir=_SHORT_FOLDER))
    _folders.add(folder)
    manager = AsyncKernelManager(kernel_name=kernel_name, connection_file=str(folder / "kernel.json"))
    manager.transport, manager.ip = "ipc", str(folder / "s")
    manager.provisioner = ForkProvisioner(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
    manager.provisioner.server = server
    arguments: dict[str, Any] = {"cwd": str(cwd)}
    if kernel_name == "python3":
        arguments["extra_arguments"] = ["--HistoryManager.enabled=False"]
    try:
        await manager.start_kernel(**arguments)
        client = manager.client()
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


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _folders.discard(folder)


async def _ready(kernel: Kernel) -> None:
    answer = asyncio.ensure_future(_answered(kernel))
    try:
        watched: set[asyncio.Future[Any]] = {answer, kernel.died}
        await asyncio.wait(watched, timeout=READY_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            await answer
        elif kernel.forked is not None and kernel.forked.lost:
            raise ForkServerDied(kernel.forked.lost)
        elif kernel.died.done():
            raise KernelDied(f"the kernel died while it started: {kernel.died.result()}")
        else:
            raise KernelDied(f"the kernel did not start: no answer within {READY_TIMEOUT:.0f} seconds")
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


async def _answered(kernel: Kernel) -> None:
    """Wait until the kernel answers, and until what it publishes arrives.

    The second is known by any message of its IOPub: it sends two with each answer, but only to those whose
    subscription has reached it. jupyter_client waits for 0.2 seconds of silence there instead.
    """
    if kernel.forked is not None:
        await asyncio.wrap_future(
            kernel.forked.bound
        )  # so that no connection is tried too early, and again later
    client = kernel.client
    client.start_channels(hb=False)
    published = asyncio.ensure_future(client.get_iopub_msg(timeout=None))
    try:
        while True:
            asked = client.kernel_info()
            while (reply := await client.get_shell_msg(timeout=None))["parent_header"]["msg_id"] != asked:
                continue
            kernel.info = reply["content"]
            await asyncio.wait([published], timeout=_ASK_AGAIN)
            if published.done():
                return
    finally:
        published.cancel()
        await asyncio.gather(published, return_exceptions=True)
