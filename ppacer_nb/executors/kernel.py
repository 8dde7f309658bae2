"""Functions and notebooks in Jupyter kernels, driven from runner processes."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ppacer_nb.errors import ValueNotPicklable
from ppacer_nb.executors.protocol import Listener
from ppacer_nb.executors.runner_process import RunnerProcess
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.order import KeepOrder, ReleaseOrder, StopOrder, order_of
from ppacer_nb.model.attempt import Cancelled, Ended, ErrorInfo, Failed, Job, Released
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.values import write_whole

_STOPPED = "the scheduler was stopped"


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
    on_refused
        Told, from another thread, which of them no kernel can have before it starts, each with the reason.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        slots: int,
        preload: Sequence[str] = (),
        on_refused: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        self._loop = loop
        self._slots = slots
        self._preload = tuple(preload)
        self._server = ForkServer(preload)
        self._server.refused.add_done_callback(lambda refused: on_refused(refused.result()))
        first = RunnerProcess(self._server, self._preload)
        self._idle: list[RunnerProcess] = [first]
        self._busy: dict[AttemptKey, RunnerProcess] = {}
        self._holding: dict[AttemptKey, RunnerProcess] = {}  # those that hold a failed attempt's kernel
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
        runner = self._runner_for(job)
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

    def keep(self, key: AttemptKey) -> None:
        """Have a kernel held until it is resumed."""
        if key in self._holding:
            self._holding[key].send(KeepOrder(key))

    def release(self, key: AttemptKey) -> None:
        """Have a held kernel ended."""
        if key in self._holding:
            self._holding[key].send(ReleaseOrder(key))

    async def close(self) -> None:
        """Stop what runs without a grace period, and return when no process is left."""
        while self._waiting:
            job, listener = self._waiting.popleft()
            listener(job.key, Ended(_now(), Cancelled(_STOPPED)))
        for key, runner in self._busy.items():
            runner.send(StopOrder(key, timed_out=False, reason=_STOPPED, at_once=True))
        runners = [*self._idle, *self._busy.values(), *self._holding.values()]
        await asyncio.gather(*(runner.close() for runner in runners))
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._server.close()  # in this thread: when Python exits, there are no others to be had

    def _runner_for(self, job: Job) -> RunnerProcess:
        """Return the runner that holds the kernel to resume, or one that has nothing to do."""
        if job.resumes in self._holding:
            runner = self._holding.pop(job.resumes)
            runner.stop_waiting()
            return runner
        self._idle = [runner for runner in self._idle if not runner.has_ended]
        return self._idle.pop() if self._idle else RunnerProcess(self._server, self._preload)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, runner: RunnerProcess, job: Job, listener: Listener) -> None:
        try:
            ended = await self._answered(runner, job, listener)
        except Exception as error:  # no process or pipe to be had: the attempt fails, the rest goes on
            await runner.kill()
            ended = _failed(f"could not be run: {type(error).__name__}: {error}")
        del self._busy[job.key]
        if isinstance(ended.outcome, Failed) and ended.outcome.held is not None:
            self._holding[job.key] = runner
            self._do(self._until_released(runner, job.key, listener))
        else:
            self._be_idle(runner)
        listener(job.key, ended)
        while self._waiting and len(self._busy) < self._slots:
            self.submit(*self._waiting.popleft())

    async def _until_released(self, runner: RunnerProcess, key: AttemptKey, listener: Listener) -> None:
        """Have the runner do nothing else while it holds a kernel."""
        if await runner.has_released() and self._holding.pop(key, None) is not None:
            listener(key, Released(_now()))
            self._be_idle(runner)

    def _be_idle(self, runner: RunnerProcess) -> None:
        if runner.has_ended:
            return
        if len(self._idle) + len(self._busy) < self._slots:
            self._idle.append(runner)
        else:
            self._do(runner.close())

    async def _answered(self, runner: RunnerProcess, job: Job, listener: Listener) -> Ended:
        """Have `job` run; return how it ended, be it that its runner did."""
        if not await runner.start():
            return Ended(_now(), Cancelled(_STOPPED))
        async for answer in runner.answers():
            if isinstance(answer, Ended):
                return answer
            if not isinstance(answer, Released):  # of a kernel that this job came too late for
                listener(job.key, answer)
        text = await runner.last_words()
        await asyncio.to_thread(_mark_dead, job.file(".ipynb"), text)
        return _failed(text)


async def _start_early(runner: RunnerProcess) -> None:
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
