"""A kernel process: started with sockets in a private directory, watched, and stopped for certain."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from ppacer_nb.errors import ForkServerDied, KernelDied
from ppacer_nb.kernels.channel import Client
from ppacer_nb.kernels.descendants import ending, kill_group
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.provisioner import ForkProvisioner

READY_TIMEOUT = 60.0  # seconds; a kernel that imports much at its start may need long on a busy machine
_SHORT_FOLDER = "/tmp" if os.path.isdir("/tmp") else None
_ASK_AGAIN = 0.1  # seconds
_GRACEFUL = 2.0  # seconds that a kernel gets for its own exit handlers


@dataclass(frozen=True, slots=True)
class KernelKind:
    """What sort of kernel is needed. Two of the same kind can stand in for each other."""

    name: str  #: of its kernelspec
    cwd: str
    env: Mapping[str, str] = field(repr=False)  #: all of its environment
    #: Of its program, besides those of its kernelspec. Unless given, IPython is told to keep no history:
    #: kernels that start together would get in each other's way at its file.
    arguments: tuple[str, ...] | None = None


class Kernel:
    """One started kernel. Its process leads a process group of its own, with all that its cells start."""

    def __init__(
        self, kind: KernelKind, manager: AsyncKernelManager, client: AsyncKernelClient, folder: Path
    ) -> None:
        self.kind = kind
        self.manager = manager
        self.client = client
        self.info: dict[str, Any] = {}  #: what it says of itself, as soon as it is ready
        self.language = manager.kernel_spec.language if manager.kernel_spec is not None else ""
        self.folder = folder
        self.tasks = 0  #: how many have run in it, with the one that runs
        self.sys_path: tuple[str, ...] | None = (
            None  #: what it imports from besides its own, once it is set up
        )
        assert isinstance(manager.provisioner, ForkProvisioner)
        self.launched = manager.provisioner.launched
        process: Any = manager.provisioner.process
        self._process = process
        self.pid = int(self._process.pid)
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._watch(asyncio.get_running_loop())

    @property
    def is_forked(self) -> bool:
        """Whether it is a fork of the fork server, and not a program started anew."""
        return self.launched is not None and self.launched.is_forked

    @property
    def description(self) -> str:
        """Which kernel this is, and how it came."""
        if self.tasks > 1:
            return f"worker kernel, its task no. {self.tasks}, pid {self.pid}"
        return f"{'forked kernel' if self.is_forked else 'kernel'}, pid {self.pid}"

    @property
    def has_ended(self) -> bool:
        """Whether its process has, be it that `died` does not say so yet."""
        try:
            return self.died.done() or bool(psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    async def run_silently(
        self, code: str, user_expressions: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Execute code that leaves no trace; return the reply.

        Raises
        ------
        KernelDied
            The moment it does.
        """
        replying = asyncio.ensure_future(self._reply_to(code, user_expressions))
        watched: list[asyncio.Future[Any]] = [replying, self.died]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if not replying.done():
                raise KernelDied(f"the kernel died: {self.died.result()}")
            return replying.result()
        finally:
            replying.cancel()

    def memory(self) -> int:
        """Return how many bytes of memory its process holds, 0 if it has ended."""
        try:
            held: int = psutil.Process(self.pid).memory_info().rss
        except psutil.NoSuchProcess:
            return 0
        return held

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell."""
        await self.manager.interrupt_kernel()

    def kill(self) -> None:
        """End the kernel and everything it started, at once."""
        if not self.died.done():
            kill_group(self.pid)  # its keeper ends what has left the group

    def disconnect(self) -> None:
        """Stop listening to it; others may speak with it meanwhile."""
        self.client.stop_channels()
        self.client = self.manager.client()

    async def reconnect(self) -> None:
        """Speak with it again, as soon as it answers.

        Raises
        ------
        KernelDied
            If it has ended.
        """
        await _ready(self, READY_TIMEOUT)

    async def close(self) -> None:
        """Let the kernel end by itself, then make sure that nothing of it is left."""
        try:
            if not self.died.done():
                if not self.client.channels_running:
                    self.client.start_channels(hb=False)
                self.client.shutdown()
                await asyncio.wait([self.died], timeout=_GRACEFUL)
        finally:
            self.kill()
            await asyncio.wait([self.died], timeout=_GRACEFUL)  # and with it all that it started
            self.client.stop_channels()
            await self.manager.cleanup_resources()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _reply_to(self, code: str, user_expressions: Mapping[str, str] | None) -> dict[str, Any]:
        asked = self.client.execute(
            code, silent=True, store_history=False, user_expressions=dict(user_expressions or {})
        )
        while True:
            reply = await self.client.get_shell_msg(timeout=None)
            if reply["parent_header"].get("msg_id") == asked:
                content: dict[str, Any] = reply["content"]
                return content

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Resolve `died` the moment the process ends: a thread waits for it, nothing polls."""

        def note(text: str) -> None:
            if not self.died.done():
                self.died.set_result(text)

        def wait() -> None:
            if self.launched is not None:
                text = self.launched.wait_for_end()
            else:
                text = ending(self._process.wait())
            loop.call_soon_threadsafe(note, text)

        threading.Thread(target=wait, name=f"wait-for-{self.pid}", daemon=True).start()


async def start_kernel(
    kind: KernelKind,
    server: ForkServer,
    parent: Path | None = None,
    started: Callable[[Kernel], None] | None = None,
    limit: float = READY_TIMEOUT,
) -> Kernel:
    """Fork or start a kernel and wait until it answers.

    Parameters
    ----------
    kind
        Which.
    server
        Launches it.
    parent
        Where it gets a folder of its own for its sockets: a private folder with a short path.
    started
        Gets it before it answers.
    limit
        Seconds that it may take to answer.

    Raises
    ------
    KernelDied
        If it ends before it answers, or does not answer in time.
    """
    try:
        return await _start(kind, server, parent, started, limit)
    except ForkServerDied:
        try:
            return await _start(kind, server, parent, started, limit)  # another one takes its place
        except ForkServerDied as error:
            raise KernelDied(f"the kernel did not start: {error}") from None


def private_folder(parent: Path | None = None) -> Path:
    """Make a folder that only this user can enter, for sockets: their paths cannot exceed 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="pp-", dir=parent or _SHORT_FOLDER))


async def _start(
    kind: KernelKind,
    server: ForkServer,
    parent: Path | None,
    started: Callable[[Kernel], None] | None,
    limit: float,
) -> Kernel:
    folder = private_folder(parent)
    manager = AsyncKernelManager(kernel_name=kind.name, connection_file=str(folder / "kernel.json"))
    manager.client_factory = Client
    manager.transport, manager.ip = "ipc", str(folder / "s")
    arguments: dict[str, Any] = {"cwd": kind.cwd, "env": dict(kind.env)}
    if kind.arguments is not None:
        arguments["extra_arguments"] = list(kind.arguments)
    elif manager.kernel_spec is not None and any("ipykernel" in part for part in manager.kernel_spec.argv):
        arguments["extra_arguments"] = ["--HistoryManager.enabled=False"]
    try:
        manager.provisioner = ForkProvisioner(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
        manager.provisioner.server = server
        await manager.start_kernel(**arguments)
        client = manager.client()
        kernel = Kernel(kind, manager, client, folder)
    except BaseException:  # also cancelled: whoever closes the server ends what had been started
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if started is not None:
        started(kernel)
    try:
        await _ready(kernel, limit)
    except BaseException:
        kernel.kill()
        await kernel.close()
        raise
    return kernel


async def _ready(kernel: Kernel, limit: float) -> None:
    answer = asyncio.ensure_future(_answered(kernel))
    try:
        watched: set[asyncio.Future[Any]] = {answer, kernel.died}
        await asyncio.wait(watched, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            await answer
        elif kernel.launched is not None and kernel.launched.ended.done():
            if kernel.launched.lost:
                raise ForkServerDied(kernel.launched.lost)
            kernel.launched.bound.result()  # raises what is known of it
        if kernel.died.done():
            raise KernelDied(f"the kernel died while it started: {kernel.died.result()}")
        if not answer.done():
            raise KernelDied(f"the kernel did not start: no answer within {limit:g} seconds")
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


async def _answered(kernel: Kernel) -> None:
    """Wait until the kernel answers, and until what it publishes arrives.

    The second is known by any message of its IOPub: it sends two with each answer, but only to those whose
    subscription has reached it. jupyter_client waits for 0.2 seconds of silence there instead.
    """
    if kernel.launched is not None and kernel.is_forked:
        # So that no connection is tried too early, and again later.
        await asyncio.wrap_future(kernel.launched.bound)
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
