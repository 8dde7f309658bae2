"""A kernel's process from the fork server, as the process sees it that has asked for it."""

from __future__ import annotations

import os
import select
import signal
import time
from concurrent import futures
from concurrent.futures import Future
from contextlib import suppress

from ppacer_nb.errors import ForkServerDied, KernelDied
from ppacer_nb.kernels.descendants import ending, kill_descendants
from ppacer_nb.kernels.fork_messages import Bound, Exited, Launch, Launched

_KEEPER_LIMIT = 2.0  # seconds for a keeper, and again for its server, to tell of a kernel's end


class LaunchedProcess:
    """A kernel's process from the fork server, with the interface of `subprocess.Popen` as far as is used.

    `launched` and `bound` are futures of the time at which that was so, on the monotonic clock; `ended` is
    one of the exit code, negative for a signal. The first two raise ForkServerDied where that did; `bound`
    raises KernelDied where the kernel could not be set up, and is never done where it runs another program.
    """

    stdin = stdout = stderr = None

    def __init__(self, request: Launch) -> None:
        self.request = request
        self.pid = 0
        self.lost = ""  #: why nobody knows its end: the fork server's
        self.out_of_memory: bool | None = None  #: whether it was killed for that, None if nobody knows
        self.asked_at = time.monotonic()
        self.launched: Future[float] = Future()
        self.bound: Future[float] = Future()
        self.ended: Future[int] = Future()
        self.is_forked = False  #: whether it is a fork of the server, and not a program of its own
        self._keeper = 0

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def take(self, answer: Launched | Bound | Exited) -> None:
        """Note what the server says of it."""
        match answer:
            case Launched(_, pid, keeper, is_forked, at, error):
                self.pid, self._keeper, self.is_forked = pid, keeper, is_forked
                _settle(self.launched, at, ForkServerDied(error) if error else None)
            case Bound(_, at, error):
                _settle(self.bound, at, _not_started(error) if error else None)
            case Exited(_, returncode, out_of_memory):
                self.out_of_memory = out_of_memory
                for future in (self.launched, self.bound):
                    if not future.done():
                        future.set_exception(_not_started(ending(returncode, out_of_memory=out_of_memory)))
                self._end(returncode)

    def lose(self, why: str) -> None:
        """Note that its fork server died, and it with that."""
        self.lost = why
        for future in (self.launched, self.bound):
            if not future.done():
                future.set_exception(ForkServerDied(why))
        self._end(-signal.SIGKILL)

    def kill_others(self) -> None:
        """End whatever it has started, also what left it, but not itself."""
        kill_descendants(self._keeper, but=self.pid)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and that of all it started, and return the exit code."""
        return self.ended.result(timeout)

    def wait_for_end(self) -> str:
        """Wait as `wait` does, but for its keeper or its server only so long, if they are stuck; say how."""
        _wait_for(self.pid)
        if not self._has_been_told():
            with suppress(ProcessLookupError):
                os.kill(self._keeper, signal.SIGKILL)  # then the server ends what it was to end
            if not self._has_been_told():
                self._end(-signal.SIGKILL)
                return "its process ended, and its fork server does not say how"
        return self.lost or ending(self.ended.result(), out_of_memory=self.out_of_memory)

    def _has_been_told(self) -> bool:
        futures.wait([self.ended], _KEEPER_LIMIT)
        return self.ended.done()

    def _end(self, returncode: int) -> None:
        with suppress(futures.InvalidStateError):  # it was not told in time
            self.ended.set_result(returncode)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended.done():
            with suppress(ProcessLookupError):  # nobody has told us yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _wait_for(pid: int) -> None:
    """Wait for the end of a process, be it a child of this one or not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


def _settle(future: Future[float], at: float, error: Exception | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(at)


def _not_started(error: str) -> KernelDied:
    return KernelDied(f"the kernel did not start: {error}")
