"""Functions and notebooks in Jupyter kernels, driven from runner processes."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ppacer_nb.errors import ValueNotPicklable
from ppacer_nb.executors.protocol import Listener
from ppacer_nb.kernels.descendants import ending, kill_group
from ppacer_nb.kernels.forkserver import AVAILABLE, ForkServer
from ppacer_nb.kernels.order import HEADER, START, StopOrder, order_of
from ppacer_nb.kernels.process import private_folder
from ppacer_nb.model.attempt import Cancelled, Ended, ErrorInfo, Failed, Job, Report
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.values import write_whole

# The environment is left as it is, as it becomes that of the kernels: import paths go as an argument.
_COMMAND = """
import json, sys
sys.path += [path for path in json.loads(sys.argv[1]) if path not in sys.path]
from ppacer_nb.executors.runner_main import main
main()
"""
_STOPPED = "the scheduler was stopped"
_CLOSING = 5.0  # seconds for a runner to save what there is and go
_STDERR_KEPT = 2_000  # characters of a runner's last words


class KernelExecutor:
    """Gives each attempt to a runner; runners start on demand and are used again. One is started early.

    All of it belongs to one event loop: `submit` and `stop` are called there, and so is the listener.

    Parameters
    ----------
    loop
        The event loop.
    slots
        How many attempts run at once; further ones wait here.
    preload
        Modules that every kernel shall have imported already.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, slots: int, preload: Sequence[str] = ()) -> None:
        self._loop = loop
        self._slots = slots
        self._preload = tuple(preload)
        self._server = ForkServer(preload)
        first = _Runner(self._server, self._preload)
        self._idle: list[_Runner] = [first]
        self._busy: dict[AttemptKey, _Runner] = {}
        self._waiting: deque[tuple[Job, Listener]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._do(_start_early(first))

    def submit(self, job: Job, listener: Listener) -> None:
        """Give `job` to a runner."""
        if len(self._busy) >= self._slots:
            self._waiting.append((job, listener))
            return
        try:
            order = order_of(job)
        except ValueNotPicklable as error:
            listener(job.key, Ended(_now(), Failed(ErrorInfo("ValueNotPicklable", str(error)))))
            return
        self._idle = [runner for runner in self._idle if not runner.has_ended]
        runner = self._idle.pop() if self._idle else _Runner(self._server, self._preload)
        runner.send(order)  # now, so that no stop overtakes it
        self._busy[job.key] = runner
        self._do(self._run(runner, job, listener))

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """Have the cell interrupted, and after a grace period the kernel killed."""
        if key in self._busy:
            self._busy[key].send(StopOrder(key, timed_out, reason))
            return
        for job, listener in list(self._waiting):
            if job.key == key:
                self._waiting.remove((job, listener))
                outcome = Failed(ErrorInfo("TaskTimeout", reason)) if timed_out else Cancelled(reason)
                listener(key, Ended(_now(), outcome))

    async def close(self) -> None:
        """Stop what runs without a grace period, and return when no process is left."""
        while self._waiting:
            job, listener = self._waiting.popleft()
            listener(job.key, Ended(_now(), Cancelled(_STOPPED)))
        for key, runner in self._busy.items():
            runner.send(StopOrder(key, timed_out=False, reason=_STOPPED, at_once=True))
        await asyncio.gather(*(runner.close() for runner in [*self._idle, *self._busy.values()]))
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.to_thread(self._server.close)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, runner: _Runner, job: Job, listener: Listener) -> None:
        try:
            ended = await self._answered(runner, job, listener)
        except Exception as error:  # no process or pipe to be had: the attempt fails, the rest goes on
            await runner.kill()
            ended = _failed(f"could not be run: {type(error).__name__}: {error}")
        del self._busy[job.key]
        if not runner.has_ended:
            self._idle.append(runner)
        listener(job.key, ended)
        while self._waiting and len(self._busy) < self._slots:
            self.submit(*self._waiting.popleft())

    async def _answered(self, runner: _Runner, job: Job, listener: Listener) -> Ended:
        """Have `job` run; return how it ended, be it that its runner did."""
        if not await runner.start():
            return Ended(_now(), Cancelled(_STOPPED))
        async for answer in runner.answers():
            if isinstance(answer, Ended):
                return answer
            listener(job.key, answer)
        text = await runner.last_words()
        await asyncio.to_thread(_mark_dead, job.file(".ipynb"), text)
        return _failed(text)


class _Runner:
    """A runner process, as the executor sees it."""

    def __init__(self, server: ForkServer, preload: Sequence[str]) -> None:
        self._server = server
        self._preload = preload
        self._folder: Path | None = None  # of its kernels' sockets
        self._starting = asyncio.Lock()
        self._is_closed = False
        self._process: asyncio.subprocess.Process | None = None
        self._said = ""
        self._has_begun = False
        self._listening: asyncio.Task[None] | None = None
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
                self._listening = asyncio.create_task(self._listen())
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
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout
        while True:
            try:
                if not self._has_begun:
                    await pipe.readuntil(START)
                    self._has_begun = True
                (length,) = HEADER.unpack(await pipe.readexactly(HEADER.size))
                answer: Report = pickle.loads(await pipe.readexactly(length))
            except asyncio.IncompleteReadError:
                return
            yield answer

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

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(4096):
            self._said = (self._said + chunk.decode(errors="replace"))[-_STDERR_KEPT:]


async def _start_early(runner: _Runner) -> None:
    with suppress(OSError):  # no process or pipe to be had: the first attempt will say so
        await runner.start()


def _mark_dead(notebook: Path, why: str) -> None:
    """Let the notebook of an attempt whose runner died say so: it was left as running."""
    try:
        document = json.loads(notebook.read_bytes())
        document["metadata"]["ppacer"] |= {"state": "failed", "error": why, "ended_at": _now().isoformat()}
        write_whole(notebook, json.dumps(document, indent=1).encode())
    except (OSError, ValueError, KeyError):  # there is none yet, or no room: the attempt's record says it too
        return


def _failed(text: str) -> Ended:
    return Ended(_now(), Failed(ErrorInfo("KernelDied", text)))


def _now() -> datetime:
    return datetime.now(UTC)
