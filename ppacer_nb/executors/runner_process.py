"""A runner process from outside: started on demand, spoken to over pipes, ended for certain."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ppacer_nb.kernels.descendants import ending, kill_group
from ppacer_nb.kernels.forkserver import AVAILABLE, ForkServer
from ppacer_nb.kernels.order import HEADER, START
from ppacer_nb.kernels.process import private_folder
from ppacer_nb.model.attempt import Report

# The environment is left as it is, as it becomes that of the kernels: import paths go as an argument.
_COMMAND = """
import json, sys
sys.path += [path for path in json.loads(sys.argv[1]) if path not in sys.path]
from ppacer_nb.executors.runner_main import main
main()
"""
_CLOSING = 5.0  # seconds for a runner to save what there is and go
_STDERR_KEPT = 2_000  # characters of a runner's last words


class RunnerProcess:
    """A runner, as the executor sees it: a process that is told what to do and answers."""

    def __init__(self, server: ForkServer, preload: Sequence[str]) -> None:
        self._server = server
        self._preload = preload
        self._folder: Path | None = None  # of its kernels' sockets
        self._starting = asyncio.Lock()
        self._is_closed = False
        self._process: asyncio.subprocess.Process | None = None
        self._said = ""
        self._answers: asyncio.Queue[Report | None] = asyncio.Queue()
        self._listening: asyncio.Future[Any] | None = None
        self._waiting: asyncio.Future[Any] | None = None  # for the release of what it holds
        self._orders: deque[object] = deque()

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    async def start(self) -> bool:
        """Start the process, unless it runs, or was closed before it could: then return False.

        A session of its own keeps a terminal's Ctrl-C from it.
        """
        async with self._starting:
            if self._process is None and not self._is_closed:
                self._process = await self._start()
                self._listening = asyncio.gather(self._read(), self._listen())
        if self._process is None:
            return False
        for order in self._orders:
            self._write(order)
        self._orders.clear()
        return True

    def send(self, order: object) -> None:
        """Send an order, now or when the process has started."""
        if self._process is None:
            self._orders.append(order)
        else:
            self._write(order)

    async def answers(self) -> AsyncIterator[Report]:
        """Yield what the process says, until it ends."""
        while (answer := await self._answers.get()) is not None:
            yield answer
        self._answers.put_nowait(None)  # for whoever asks again

    async def has_released(self) -> bool:
        """Return True when the kernel that it holds is held no more; False if somebody resumes it before."""
        self._waiting = asyncio.ensure_future(self._answers.get())
        await asyncio.wait([self._waiting])
        return not self._waiting.cancelled()

    def stop_waiting(self) -> None:
        """Let `has_released` return: what the process says next is about another attempt."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def last_words(self) -> str:
        """Say how the process died; its kernel dies with it."""
        await self.kill()
        assert self._process is not None
        assert self._process.returncode is not None
        said = f" Its last words: {self._said.strip()}" if self._said.strip() else ""
        return f"the runner of this attempt died: {ending(self._process.returncode)}.{said}"

    async def close(self) -> None:
        """Have the process end in order, when it has started; if it does not, end it."""
        async with self._starting:
            self._is_closed = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with suppress(TimeoutError):  # it is stuck, and is not asked again
                await asyncio.wait_for(self._process.wait(), _CLOSING)
        await self.kill()

    async def kill(self) -> None:
        """End the process, and with it its kernels, and wait for that."""
        if self._process is not None and self._process.returncode != 0:
            kill_group(self._process.pid)
            await self._process.wait()
        if self._listening is not None:
            await self._listening
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, order: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        data = pickle.dumps(order)
        self._process.stdin.write(HEADER.pack(len(data)) + data)

    async def _start(self) -> asyncio.subprocess.Process:
        self._folder = self._folder or private_folder()
        sockets = [await asyncio.to_thread(self._server.connect)] if AVAILABLE else []
        paths = json.dumps([path for path in sys.path if path])
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _COMMAND, paths, self._folder, json.dumps(self._preload)),
                *map(str, sockets),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                pass_fds=sockets,
            )
        finally:
            for descriptor in sockets:
                os.close(descriptor)

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout
        try:
            await pipe.readuntil(START)
            while True:
                (length,) = HEADER.unpack(await pipe.readexactly(HEADER.size))
                self._answers.put_nowait(pickle.loads(await pipe.readexactly(length)))
        except asyncio.IncompleteReadError:  # it has ended
            self._answers.put_nowait(None)

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(4096):
            self._said = (self._said + chunk.decode(errors="replace"))[-_STDERR_KEPT:]
