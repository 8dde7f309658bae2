"""The kernels of one runner: started ahead of need, handed out, taken back."""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ppacer_nb.errors import KernelDied
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.process import READY_TIMEOUT, Kernel, KernelKind, start_kernel

WORKER_TASKS, WORKER_BYTES = 1_000, 2 * 1024**3
CLEAN_UP_LIMIT = 10.0  # seconds for a worker kernel to forget a task

_CLEAN_UP = "__import__('ppacer_nb.kernels.inside', fromlist=['clean_up']).clean_up()"


@dataclass(frozen=True, slots=True)
class _Spare:
    """A kernel that nobody has used."""

    kind: KernelKind
    starting: asyncio.Task[Kernel]


@dataclass(frozen=True, slots=True)
class _Worker:
    """A kernel that has run functions, and has forgotten them."""

    kernel: Kernel
    files: Mapping[str, int] = field(repr=False)  #: of the user's modules in it: times of modification

    @property
    def is_current(self) -> bool:
        """Whether a fresh kernel would import the same modules."""
        return all(_modified_at(file) == modified for file, modified in self.files.items())


class KernelSupply:
    """Hands out kernels to the attempts of one runner, which come one after another.

    Whenever it gives one away it starts a spare one, so that the next attempt finds it ready. A kernel that
    has run a function, and could forget it, is kept as worker for further functions.

    Parameters
    ----------
    server
        Launches them.
    folder
        For their sockets.
    worker_tasks, worker_bytes
        When to replace a worker: after so many tasks, or when its process holds more memory than that.
    """

    def __init__(
        self,
        server: ForkServer,
        folder: Path,
        *,
        worker_tasks: int = WORKER_TASKS,
        worker_bytes: int = WORKER_BYTES,
    ) -> None:
        self._server = server
        self._worker_tasks = worker_tasks
        self._worker_bytes = worker_bytes
        self._folder = folder
        self._spares: dict[str, _Spare] = {}  # by the name of the kernelspec
        self._worker: _Worker | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def prepare(self, kind: KernelKind) -> None:
        """Start a spare kernel."""
        if kind.name in self._spares:
            self._discard(self._spares[kind.name])
        starting = asyncio.ensure_future(self._started_ahead(kind))
        starting.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen if it is taken
        self._spares[kind.name] = _Spare(kind, starting)

    async def take(self, kind: KernelKind, *, reused: bool) -> Kernel:
        """Return a kernel that is ready: if `reused` a worker kernel, a fresh one if there is none.

        Raises
        ------
        KernelDied, jupyter_client.kernelspec.NoSuchKernel
            As starting it does.
        """
        worker = self._worker
        if reused and worker is not None:
            self._worker = None
            if worker.kernel.kind == kind and not worker.kernel.has_ended and worker.is_current:
                worker.kernel.tasks += 1
                return worker.kernel
            self._close(worker.kernel)
        kernel = await self._spare(kind) or await start_kernel(kind, self._server, self._folder)
        kernel.tasks = 1
        self.prepare(kind)
        return kernel

    async def give_back(self, kernel: Kernel, *, reusable: bool) -> None:
        """Keep a kernel as worker, if it is `reusable` and can forget its task; else let it end."""
        files = await _cleaned_up(kernel) if reusable and kernel.tasks < self._worker_tasks else None
        if files is not None and kernel.memory() <= self._worker_bytes:
            self._worker = _Worker(kernel, files)
        else:
            self._close(kernel)

    async def close(self) -> None:
        """End all kernels that nobody uses."""
        for spare in self._spares.values():
            self._discard(spare)
        self._spares.clear()
        if self._worker is not None:
            self._close(self._worker.kernel)
            self._worker = None
        while self._closing:
            await asyncio.wait(self._closing)

    async def _started_ahead(self, kind: KernelKind) -> Kernel:
        """Start a kernel, and have what a first cell takes longer for than others behind it."""
        kernel = await start_kernel(kind, self._server, self._folder)
        try:
            if kernel.language == "python":
                await asyncio.wait_for(kernel.run_silently("pass"), READY_TIMEOUT)
        except BaseException:
            kernel.kill()
            await kernel.close()
            raise
        return kernel

    async def _spare(self, kind: KernelKind) -> Kernel | None:
        """Return the spare kernel when it is ready; None if there is none of that kind."""
        spare = self._spares.pop(kind.name, None)
        if spare is None:
            return None
        if spare.kind != kind:
            self._discard(spare)
            return None
        try:
            kernel = await asyncio.shield(spare.starting)
        except asyncio.CancelledError:
            self._spares[kind.name] = spare  # for the next attempt
            raise
        except Exception:  # whatever it was: another one is started, which may say it again
            return None
        if kernel.has_ended:
            self._close(kernel)
            return None
        return kernel

    def _discard(self, spare: _Spare) -> None:
        async def close() -> None:
            try:
                kernel = await spare.starting
            except Exception:  # then there is nothing to end
                return
            await kernel.close()

        self._keep(asyncio.ensure_future(close()))

    def _close(self, kernel: Kernel) -> None:
        """End a kernel, beside the next attempt."""
        self._keep(asyncio.ensure_future(kernel.close()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _cleaned_up(kernel: Kernel) -> Mapping[str, int] | None:
    """Have a kernel forget its task; return the files of the user's modules in it, None if that failed."""
    try:
        if kernel.launched is not None:
            await asyncio.to_thread(kernel.launched.kill_others)
        reply = await asyncio.wait_for(kernel.run_silently("", {"files": _CLEAN_UP}), CLEAN_UP_LIMIT)
        files: Mapping[str, int] = ast.literal_eval(reply["user_expressions"]["files"]["data"]["text/plain"])
        return files
    except (KernelDied, TimeoutError, KeyError):  # the last: it raised, and so there is no data
        return None


def _modified_at(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0
