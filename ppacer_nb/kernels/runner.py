"""The runner: a process that drives one kernel at a time, so that no other process has to.

It reads orders from a pipe and answers on another. When its orders end, which is also when the process that
gave them dies, it kills its kernel with all that belongs to it, and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime
from typing import BinaryIO

from ppacer_nb.kernels.attempt import Attempt, Export
from ppacer_nb.kernels.order import Answer, KernelStarted, Order, StopOrder, read_frame, write_frame
from ppacer_nb.kernels.process import kill_group
from ppacer_nb.model.attempt import Ended


def serve(export: Export) -> None:
    """Serve the process that started this one, over stdin and stdout, until stdin ends."""
    orders, answers = _take_over_pipes()
    asyncio.run(_Runner(orders, answers, export).run())


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout as private pipes: a stray print must not end up among the answers."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return orders, answers


class _Runner:
    def __init__(self, orders: BinaryIO, answers: BinaryIO, export: Export) -> None:
        self._orders = orders
        self._answers = answers
        self._export = export
        self._inbox: asyncio.Queue[Order] = asyncio.Queue()
        self._attempt: Attempt | None = None
        self._kernel_pid: int | None = None
        self._lock = threading.Lock()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), name="orders", daemon=True).start()
        while True:
            await self._serve(await self._inbox.get())

    async def _serve(self, order: Order) -> None:
        self._attempt = attempt = Attempt(order, self._tell, self._export)
        outcome = await attempt.run()
        self._attempt = None
        self._tell(Ended(datetime.now(UTC), outcome))
        await attempt.close()
        self._kernel_pid = None

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pass on orders from the pipe until it ends; then leave nothing behind."""
        try:
            while True:
                order = read_frame(self._orders)
                loop.call_soon_threadsafe(self._take, order)
        except EOFError:
            if self._kernel_pid is not None:
                kill_group(self._kernel_pid)
            os._exit(0)

    def _take(self, order: Order | StopOrder) -> None:
        if isinstance(order, Order):
            sys.path += [path for path in order.sys_path if path not in sys.path]
            self._inbox.put_nowait(order)
        elif self._attempt is not None:
            self._attempt.stop(order)

    def _tell(self, answer: Answer) -> None:
        if isinstance(answer, KernelStarted):
            self._kernel_pid = answer.pid
        with self._lock:
            write_frame(self._answers, answer)
