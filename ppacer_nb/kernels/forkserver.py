"""The fork server, as the process sees it that asks it for kernels."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from ppacer_nb.errors import ForkServerDied, KernelDied
from ppacer_nb.kernels.descendants import ending
from ppacer_nb.kernels.forking import Bound, Exited, Imported, Launch, Launched

AVAILABLE = sys.platform == "linux"  # elsewhere a fork is not safe, or there is none

_COMMAND = """
import json, sys
del sys.path[0]
sys.path += [path for path in json.loads(sys.argv[2]) if path not in sys.path]
from ppacer_nb.kernels.descendants import ending
from ppacer_nb.kernels.forking import main
main(int(sys.argv[1]), json.loads(sys.argv[3]), json.loads(sys.argv[4]))
"""
_LIMITS = [number for name, number in vars(resource).items() if name.startswith("RLIMIT_")]


class ForkedProcess:
    """A process that the fork server has forked, with the interface of `subprocess.Popen` as far as is used.

    `launched` and `bound` are futures of the time at which that was so, on the monotonic clock; `ended` is
    one of the exit code, negative for a signal. The first two raise ForkServerDied where that did; `bound`
    raises KernelDied where the kernel could not be set up.
    """

    stdin = stdout = stderr = None

    def __init__(self) -> None:
        self.pid = 0
        self.lost = ""  #: why nobody knows its end: the fork server's
        self.asked_at = time.monotonic()
        self.launched: Future[float] = Future()
        self.bound: Future[float] = Future()
        self.ended: Future[int] = Future()

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def lose(self, why: str) -> None:
        """Note that its fork server died, and it with that."""
        self.lost = why
        for future in (self.launched, self.bound):
            if not future.done():
                future.set_exception(ForkServerDied(why))
        self.ended.set_result(-signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return the exit code."""
        return self.ended.result(timeout)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended.done():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A fork server of this interpreter. It starts when it is first used, again if it dies, and ends with us.

    Parameters
    ----------
    preload
        Modules that every kernel shall have imported already.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        #: The modules that it could not or must not preload, by name with the reason.
        self.refused: Future[Mapping[str, str]] = Future()
        self._preload = tuple(preload)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._kernels: dict[int, ForkedProcess] = {}

    @property
    def pid(self) -> int | None:
        """Its process, None before it has started."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it, unless it runs; it imports while this process goes on."""
        with self._lock:
            if self._connection is None:
                self._start()

    def launch(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str) -> ForkedProcess:
        """Have a kernel forked, with these arguments of ``ipykernel_launcher``."""
        limits = tuple((kind, resource.getrlimit(kind)) for kind in _LIMITS)
        process = ForkedProcess()
        with self._lock:
            if self._connection is None:
                self._start()
            assert self._connection is not None
            number = next(self._numbers)
            self._kernels[number] = process
            # If it has just died, whoever listens to it fails the launch.
            with suppress(OSError):
                self._connection.send(Launch(number, tuple(arguments), dict(env), cwd, limits))
        return process

    def close(self) -> None:
        """End it, and the kernels that it has forked."""
        with self._lock:
            process, connection = self._process, self._connection
            if process is None or connection is None:
                return
            process.terminate()
        process.wait()

    def _start(self) -> None:
        ours, theirs = Pipe()
        paths = json.dumps([path for path in sys.path if path])
        arguments = (str(theirs.fileno()), paths, json.dumps(self._preload), "{}")
        self._process = subprocess.Popen(
            (sys.executable, "-c", _COMMAND, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=2,  # what this process writes to may be somebody's to read, as a runner's is
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._connection = ours
        self._kernels = {}
        listen = (ours, self._process, self._kernels)
        threading.Thread(target=self._listen, args=listen, name="fork-server", daemon=True).start()

    def _listen(
        self, connection: Connection, process: subprocess.Popen[bytes], kernels: dict[int, ForkedProcess]
    ) -> None:
        """Pass on what the server says until it ends; what it still owed fails then."""
        while True:
            try:
                answer = connection.recv()
            except (EOFError, OSError):
                break
            match answer:
                case Imported(refused):
                    if not self.refused.done():  # not again by one that takes a dead one's place
                        self.refused.set_result(refused)
                case Launched(number, pid, at, error):
                    kernels[number].pid = pid
                    _settle(kernels[number].launched, at, ForkServerDied(error) if error else None)
                case Bound(number, at, error):
                    _settle(kernels[number].bound, at, _not_started(error) if error else None)
                case Exited(number, returncode):
                    kernels.pop(number).ended.set_result(returncode)
        with self._lock:
            self._connection = None
        connection.close()
        for kernel in kernels.values():
            kernel.lose(f"the fork server died: {ending(process.wait())}")


def _settle(future: Future[float], at: float, error: Exception | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(at)


def _not_started(error: str) -> KernelDied:
    return KernelDied(f"the kernel did not start: {error}")
