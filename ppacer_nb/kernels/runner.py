"""The runner: a process that drives one kernel at a time, so that no other process has to.

It reads orders from a pipe and answers on another. When its orders end, which is also when the process that
gave them dies, it kills its kernels with all that belongs to them, saves what there is, and ends.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ppacer_nb.kernels.attempt import LOST, Attempt, Export
from ppacer_nb.kernels.descendants import adopt_orphans, die_with_parent, kill_descendants
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.holding import Holding
from ppacer_nb.kernels.order import (
    START,
    KeepOrder,
    Order,
    ReleaseOrder,
    StopOrder,
    read_frame,
    task_environment,
    write_frame,
)
from ppacer_nb.kernels.process import KernelKind
from ppacer_nb.kernels.supply import KernelSupply
from ppacer_nb.model.attempt import Ended, Failed, Released, Report
from ppacer_nb.model.ids import AttemptKey

_LAST_SAVE = 3.0  # seconds for saving the notebook of an attempt whose scheduler is gone


def serve(export: Export, server: ForkServer, folder: Path) -> None:
    """Serve the process that started this one, over stdin and stdout, until stdin ends.

    Kernels come from `server`, and keep their sockets in `folder`.
    """
    orders, answers = _take_over_pipes()
    adopt_orphans()
    asyncio.run(_Runner(orders, answers, export, server, folder).run())


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout as private pipes: a stray print must not end up among the answers."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdout.flush()
    os.dup2(2, 1)
    answers.write(START)
    answers.flush()
    return orders, answers


class _Runner:
    def __init__(
        self, orders: BinaryIO, answers: BinaryIO, export: Export, server: ForkServer, folder: Path
    ) -> None:
        self._orders = orders
        self._answers = answers
        self._export = export
        self._folder = folder
        self._kernels = KernelSupply(server, folder)
        self._holding = Holding(lambda: self._tell(Released(datetime.now(UTC))))
        self._inbox: asyncio.Queue[Attempt] = asyncio.Queue()
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._lock = threading.Lock()
        self._alone = False
        self._ending: asyncio.Future[None] | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        # Besides the end of the pipe, which a process that the scheduler forked may hold open.
        loop.add_signal_handler(signal.SIGTERM, self._be_alone)
        die_with_parent(signal.SIGTERM)
        threading.Thread(target=self._read, args=(loop,), name="orders", daemon=True).start()
        self._kernels.prepare(KernelKind("python3", os.getcwd(), task_environment()))
        while True:
            await self._serve(await self._inbox.get())

    async def _serve(self, attempt: Attempt) -> None:
        outcome = await attempt.run()
        del self._attempts[attempt.key]
        if attempt.held is not None and isinstance(outcome, Failed) and outcome.held is not None:
            self._holding.hold(attempt.key, attempt.held, outcome.held.until)
        self._tell(Ended(datetime.now(UTC), outcome))
        await attempt.close()
        if self._alone:
            await self._end()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pass on orders from the pipe until it ends; then leave nothing behind."""
        try:
            while True:
                order = read_frame(self._orders)
                loop.call_soon_threadsafe(self._take, order)
        except EOFError:
            loop.call_soon_threadsafe(self._be_alone)
            threading.Event().wait(_LAST_SAVE)  # the loop ends the process before, unless it is stuck
            self._leave()

    def _take(self, order: Order | StopOrder | KeepOrder | ReleaseOrder) -> None:
        match order:
            case Order(resumes=resumes):
                sys.path += [path for path in order.sys_path if path not in sys.path]
                held = self._holding.take(resumes) if resumes is not None else None
                attempt = Attempt(order, self._kernels, self._tell, self._export, held)
                self._attempts[attempt.key] = attempt
                self._inbox.put_nowait(attempt)
            case StopOrder(key) if key in self._attempts:
                self._attempts[key].stop(order)
            case KeepOrder(key):
                self._holding.keep(key)
            case ReleaseOrder(key):
                self._holding.release(key)

    def _be_alone(self) -> None:
        """Nobody listens any more: stop what runs, at once, and end."""
        self._alone = True
        if not self._attempts:
            self._ending = asyncio.ensure_future(self._end())
        for key, attempt in self._attempts.items():
            attempt.stop(StopOrder(key, timed_out=False, reason=LOST, at_once=True))

    async def _end(self) -> None:
        """Let the kernels end by themselves, for their exit handlers, and leave."""
        await asyncio.gather(self._holding.close(), self._kernels.close())
        self._leave()

    def _leave(self) -> None:
        kill_descendants()
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(0)

    def _tell(self, answer: Report) -> None:
        with self._lock:
            try:
                write_frame(self._answers, answer)
            except BrokenPipeError:  # nobody listens any more; the end of the orders says so too
                return
