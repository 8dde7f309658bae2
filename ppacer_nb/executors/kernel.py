"""Functions and notebooks in Jupyter kernels, driven from runner processes."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Any

from ppacer_nb.executors.protocol import Listener
from ppacer_nb.kernels.order import HEADER, Answer, KernelStarted, StopOrder, order_of
from ppacer_nb.kernels.process import ending, kill_group
from ppacer_nb.model.attempt import Cancelled, Ended, ErrorInfo, Failed, Job
from ppacer_nb.model.ids import AttemptKey

# The environment is left as it is, as it becomes that of the kernels: import paths go as an argument.
_COMMAND = """
import json, sys
sys.path += [path for path in json.loads(sys.argv[1]) if path not in sys.path]
from ppacer_nb.executors.runner_main import main
main()
"""
_STDERR_KEPT = 2_000  # characters of a runner's last words


class KernelExecutor:
    """Gives each attempt to a runner; runners start on demand and are used again.

    All of it belongs to one event loop: `submit` and `stop` are called there, and so is the listener.

    Parameters
    ----------
    loop
        The event loop.
    slots
        How many attempts run at once; further ones wait here.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, slots: int) -> None:
        self._loop = loop
        self._slots = slots
        self._idle: list[_Runner] = []
        self._busy: dict[AttemptKey, _Runner] = {}
        self._waiting: deque[tuple[Job, Listener]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, job: Job, listener: Listener) -> None:
        """Give `job` to a runner."""
        if len(self._busy) >= self._slots:
            self._waiting.append((job, listener))
            return
        runner = self._idle.pop() if self._idle else _Runner()
        self._busy[job.key] = runner
        task = self._loop.create_task(self._run(runner, job, listener))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, key: AttemptKey, *, timed_out: bool, reason: str) -> None:
        """Have the cell interrupted, and after a grace period the kernel killed."""
        if key in self._busy:
            self._busy[key].send(StopOrder(timed_out, reason))
            return
        for job, listener in list(self._waiting):
            if job.key == key:
                self._waiting.remove((job, listener))
                outcome = Failed(ErrorInfo("TaskTimeout", reason)) if timed_out else Cancelled(reason)
                listener(key, Ended(_now(), outcome))

    async def close(self) -> None:
        """Kill what runs, and return when no process is left."""
        for job, listener in self._waiting:
            listener(job.key, Ended(_now(), Cancelled("the scheduler was stopped")))
        self._waiting.clear()
        await asyncio.gather(*(runner.kill() for runner in [*self._idle, *self._busy.values()]))
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, runner: _Runner, job: Job, listener: Listener) -> None:
        ended: Ended | None = None
        try:
            await runner.start()
            runner.send(order_of(job))
            async for answer in runner.answers():
                if isinstance(answer, KernelStarted):
                    continue
                if isinstance(answer, Ended):
                    ended = answer
                    break
                listener(job.key, answer)
        except (
            Exception
        ) as error:  # the machine gives no process or pipe: the attempt fails, the rest goes on
            ended = _failed(f"could not be run: {type(error).__name__}: {error}")
        del self._busy[job.key]
        if ended is None:
            ended = _failed(await runner.last_words())
        elif runner.is_alive:
            self._idle.append(runner)
        listener(job.key, ended)
        if self._waiting:
            self.submit(*self._waiting.popleft())


class _Runner:
    """A runner process, as the executor sees it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._kernel_pid: int | None = None
        self._said = ""
        self._listening: asyncio.Task[None] | None = None
        self._orders: deque[object] = deque()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process, unless it runs; a session of its own keeps a terminal's Ctrl-C from it."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _COMMAND, json.dumps([path for path in sys.path if path])),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            self._listening = asyncio.create_task(self._listen())
        for order in self._orders:
            self._write(order)
        self._orders.clear()

    def send(self, order: object) -> None:
        """Send an order, now or when the process has started."""
        if self._process is None:
            self._orders.append(order)
        else:
            self._write(order)

    async def answers(self) -> Any:
        """Yield what the process says, until it ends."""
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout
        try:
            while True:
                (length,) = HEADER.unpack(await pipe.readexactly(HEADER.size))
                answer: Answer = pickle.loads(await pipe.readexactly(length))
                if isinstance(answer, KernelStarted):
                    self._kernel_pid = answer.pid
                yield answer
        except asyncio.IncompleteReadError:
            return

    async def last_words(self) -> str:
        """Say how the process died; its kernel dies with it."""
        assert self._process is not None
        code = await self._process.wait()
        self._kill_kernel()
        if self._listening is not None:
            await self._listening
        said = f" Its last words: {self._said.strip()}" if self._said.strip() else ""
        return f"the runner of this attempt died: {ending(code)}.{said}"

    async def kill(self) -> None:
        """End the process and its kernel."""
        self._kill_kernel()
        if self._process is not None:
            kill_group(self._process.pid)
            await self._process.wait()
            if self._listening is not None:
                await self._listening

    def _write(self, order: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        data = pickle.dumps(order)
        self._process.stdin.write(HEADER.pack(len(data)) + data)

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(4096):
            self._said = (self._said + chunk.decode(errors="replace"))[-_STDERR_KEPT:]

    def _kill_kernel(self) -> None:
        if self._kernel_pid is not None:
            kill_group(self._kernel_pid)
            self._kernel_pid = None


def _failed(text: str) -> Ended:
    return Ended(_now(), Failed(ErrorInfo("KernelDied", text)))


def _now() -> datetime:
    return datetime.now(UTC)
