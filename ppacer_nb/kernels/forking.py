"""Inside the fork server: a process that has imported what a kernel needs, and forks one when asked to.

It has no threads and no ZeroMQ context, as neither survives a fork. All that it does is wait: for a request,
for word from a kernel that starts, for the end of one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import current_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ppacer_nb.kernels.descendants import adopt_orphans, die_with_parent, kill_descendants

#: What every kernel imports, and IPython on its first use.
_OF_EVERY_KERNEL = (
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "IPython.core.completer",
    "ppacer_nb.kernels.app",
    "ppacer_nb.kernels.inside",
)
#: Devices of graphics processors: a context on one of them does not survive a fork.
_GRAPHICS = ("/dev/nvidia", "/dev/kfd", "/dev/dri")


@dataclass(frozen=True, slots=True)
class Launch:
    """Fork a kernel."""

    number: int  #: names it in what the server answers
    arguments: tuple[str, ...]  #: of ``ipykernel_launcher``
    env: dict[str, str] = field(repr=False)  #: all of its environment
    cwd: str
    limits: tuple[tuple[int, tuple[int, int]], ...] = field(repr=False)  #: resource, (soft, hard)


@dataclass(frozen=True, slots=True)
class Imported:
    """All modules are imported, but those that are refused, each for a reason."""

    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class Launched:
    """A kernel's process is there, or there can be none: then `pid` is 0 and `error` says why."""

    number: int
    pid: int
    at: float  #: seconds of the machine's monotonic clock, as in `Bound`
    error: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A kernel listens at its sockets; or it could not, and `error` says why."""

    number: int
    at: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """A kernel's process has ended."""

    number: int
    returncode: int  #: negative: the signal that killed it


Answer = Imported | Launched | Bound | Exited


def main(descriptor: int, preload: Sequence[str], refused: Mapping[str, str]) -> None:
    """Serve the process at the other end of that socket until it is gone.

    Modules that are refused already, each for a reason, are only reported.

    In a forked kernel this goes on to run it, so that the interpreter ends as any kernel's does.
    """
    become_kernel = _Server(Connection(descriptor)).serve(preload, dict(refused))
    if become_kernel is not None:
        become_kernel()


class _Server:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[int, int] = {}  # of kernels, by pid
        self._binding: dict[Connection, int] = {}
        self._ended, self._wake = os.pipe()

    def serve(self, preload: Sequence[str], refused: dict[str, str]) -> Callable[[], None] | None:
        """Answer until nobody asks any more; return what a forked kernel has to do, in that kernel."""
        die_with_parent(signal.SIGTERM)
        signal.signal(signal.SIGTERM, _end_with_everything)
        adopt_orphans()
        self._import(preload, refused)
        self._answer(Imported(refused))
        os.set_blocking(self._wake, False)
        os.set_blocking(self._ended, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        gc.collect()
        gc.freeze()  # the collector would write to pages that all kernels share
        while True:
            for ready in wait([self._connection, self._ended, *self._binding]):
                if ready is self._connection:
                    try:
                        launch = self._connection.recv()
                    except (EOFError, ConnectionError):
                        kill_descendants()
                        return None
                    if become_kernel := self._fork(launch):
                        return become_kernel
                elif isinstance(ready, Connection):
                    self._heard(ready)
                else:
                    self._reap()

    def _import(self, preload: Sequence[str], refused: dict[str, str]) -> None:
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or debugpy says something to nobody
        for name in _OF_EVERY_KERNEL:
            importlib.import_module(name)
        # A kernel sets this before matplotlib is imported, which in its forks has happened already.
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        for name in preload:
            try:
                importlib.import_module(name)
            except BaseException as error:  # a module may raise anything, SystemExit too
                refused[name] = f"it cannot be imported: {type(error).__name__}: {error}"
                continue
            if hindrance := _hindrance():
                _begin_again([other for other in preload if other != name], refused | {name: hindrance})

    def _fork(self, launch: Launch) -> Callable[[], None] | None:
        told, tells = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(told)
            os.close(tells)
            self._answer(Launched(launch.number, 0, time.monotonic(), f"{error}"))
            return None
        if pid:
            os.close(tells)
            self._numbers[pid] = launch.number
            self._binding[Connection(told, writable=False)] = launch.number
            self._answer(Launched(launch.number, pid, time.monotonic()))
            return None
        os.setsid()
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for descriptor in (self._ended, self._wake, told):
            os.close(descriptor)
        for connection in (self._connection, *self._binding):
            connection.close()
        return lambda: run_kernel(launch, Connection(tells, readable=False))

    def _heard(self, teller: Connection) -> None:
        number = self._binding.pop(teller)
        try:
            self._answer(Bound(number, *teller.recv()))
        except EOFError:  # it ended before; its end is told apart
            pass
        finally:
            teller.close()

    def _reap(self) -> None:
        os.read(self._ended, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in self._numbers:  # otherwise a kernel's orphan
                self._answer(Exited(self._numbers.pop(pid), os.waitstatus_to_exitcode(status)))

    def _answer(self, answer: Answer) -> None:
        try:
            self._connection.send(answer)
        except BrokenPipeError:  # its next request will be the end of the file
            return


def run_kernel(launch: Launch, teller: Connection) -> None:
    """Be the kernel, as if this process had been started for it, until it is shut down."""
    from ppacer_nb.kernels.app import ForkedKernelApp

    try:
        for kind, limit in launch.limits:
            resource.setrlimit(kind, limit)
        os.environ.clear()
        os.environ.update(launch.env)
        time.tzset()
        os.chdir(launch.cwd)
        sys.argv = ["ipykernel_launcher", *launch.arguments]
        _reseed()
        app = ForkedKernelApp.instance()
        app.initialize(list(launch.arguments))  # type: ignore[no-untyped-call]
    except BaseException as error:
        teller.send((time.monotonic(), f"{type(error).__name__}: {error}"))
        raise
    teller.send((time.monotonic(), ""))
    teller.close()
    app.start()


def _reseed() -> None:
    """Give this process randomness of its own, as a fresh one has."""
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    current_process().authkey = os.urandom(32)


def _hindrance() -> str:
    """Return why this process should not be forked any more, if that is so.

    Threads that end themselves before a fork, as OpenBLAS has its threads do, are none.
    """
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if threads:
        return f"it starts a thread ({', '.join(threads)}), which no fork has"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of Python 3.12 on: "this process is multi-threaded"
        pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    if len(os.listdir("/proc/self/task")) > 1:
        return "it starts a thread, which no fork has"
    for entry in Path("/proc/self/fd").iterdir():
        try:
            device = os.readlink(entry)
        except FileNotFoundError:  # the descriptor of this very listing
            continue
        if device.startswith(_GRAPHICS):
            return f"it opens {device}, and a graphics processor's context does not survive a fork"
    return ""


def _begin_again(preload: Sequence[str], refused: Mapping[str, str]) -> None:
    """Run this program anew in this process: there is no other way to be rid of what a module has started."""
    *command, _, _ = sys.orig_argv
    os.execv(sys.executable, [*command, json.dumps(preload), json.dumps(refused)])


def _end_with_everything(*_: object) -> None:
    kill_descendants()
    os._exit(0)
