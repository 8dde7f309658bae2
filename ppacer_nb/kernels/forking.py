"""Inside the fork server: a process that has imported what a kernel needs, and starts kernels when asked to.

It has no threads and no ZeroMQ context, as neither survives a fork. All that it does is wait: for a request,
for word of a kernel. Several processes may ask it, over a socket each; the kernels of one that is gone are
ended, and everything is when its first one is gone.

Each kernel has a keeper, a fork of the server that does nothing but wait for the kernel's end. It adopts what
the kernel's programs leave behind, daemons included, and ends that too, so that nothing outlives a kernel.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from pathlib import Path

from ppacer_nb.kernels.descendants import adopt_orphans, die_with_parent, kill_descendants
from ppacer_nb.kernels.forgetting import reseed
from ppacer_nb.kernels.fork_ending import end_process

#: What every kernel imports: at the top, while it is set up, and with its first cell.
_OF_EVERY_KERNEL = (
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "ppacer_nb.kernels.app",
    "ppacer_nb.kernels.inside",
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "tornado.platform.asyncio",
)
#: Devices of graphics processors: a context on one of them does not survive a fork.
_GRAPHICS = ("/dev/nvidia", "/dev/kfd", "/dev/dri")
#: What begins the names of variables that Python and the C library read at their start, and common libraries
#: at their import: a kernel whose own differ is started anew.
_READ_AT_START = ("PYTHON", "LD_", "MALLOC_")
_READ_AT_IMPORT = ("OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "CUDA_", "MPL")


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a kernel."""

    number: int  #: names it in what the server answers
    command: tuple[str, ...]  #: its program
    ours: bool  #: that is ``python -m ipykernel_launcher`` of this Python, which can be forked
    env: dict[str, str] = field(repr=False)  #: all of its environment
    cwd: str
    limits: tuple[tuple[int, tuple[int, int]], ...] = field(repr=False)  #: resource, (soft, hard)


@dataclass(frozen=True, slots=True)
class Connect:
    """Serve another process; the socket to it follows."""


@dataclass(frozen=True, slots=True)
class Importing:
    """A module that the user wants is imported next."""

    name: str


@dataclass(frozen=True, slots=True)
class Imported:
    """All modules are imported, but those that are refused, each for a reason."""

    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class Launched:
    """A kernel's process is there, or there can be none: then `pid` is 0 and `error` says why."""

    number: int
    pid: int
    keeper: int  #: the process that waits for its end
    forked: bool  #: it is a fork of the server, and not a program started anew
    at: float  #: seconds of the machine's monotonic clock, as in `Bound`
    error: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A forked kernel listens at its sockets; or a kernel could not be set up, and `error` says why."""

    number: int
    at: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """A kernel's process has ended, and with it whatever it had started."""

    number: int
    returncode: int  #: negative: the signal that killed it


Answer = Importing | Imported | Launched | Bound | Exited


def main(descriptor: int, preload: Sequence[str], refused: Mapping[str, str]) -> None:
    """Serve the process at the other end of that socket until it is gone.

    Modules that are refused already, each for a reason, are only reported.

    In a forked kernel this goes on to run it, and does not return.
    """
    become_kernel = _Server(Connection(descriptor)).serve(preload, dict(refused))
    if become_kernel is not None:
        become_kernel()
        end_process()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A kernel that runs, as far as the server cares."""

    client: Connection
    number: int
    keeper: int


class _Server:
    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._clients = [owner]
        self._kernels: dict[Connection, _Kept] = {}  # by the pipe on which it and its keeper are heard
        self._env = dict(os.environ)
        self._fixed: tuple[str, ...] = _READ_AT_START

    def serve(self, preload: Sequence[str], refused: dict[str, str]) -> Callable[[], None] | None:
        """Answer until nobody asks any more; return what a forked kernel has to do, in that kernel."""
        die_with_parent(signal.SIGTERM)
        signal.signal(signal.SIGTERM, _end_with_everything)
        adopt_orphans()
        self._import(preload, refused)
        from ppacer_nb.kernels.app import remember_modules  # it brings ipykernel, which only servers need

        remember_modules()
        _send(self._owner, Imported(refused))
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers tell on their pipes; none stays a zombie
        gc.collect()
        gc.freeze()  # the collector would write to pages that all kernels share
        while self._owner in self._clients:
            for ready in wait([*self._clients, *self._kernels]):
                assert isinstance(ready, Connection)
                if ready in self._kernels:
                    self._pass_on(ready)
                elif become_kernel := self._take(ready):
                    return become_kernel
        kill_descendants()
        return None

    def _import(self, preload: Sequence[str], refused: dict[str, str]) -> None:
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or debugpy says something to nobody
        for name in _OF_EVERY_KERNEL:
            importlib.import_module(name)
        # A kernel sets this before matplotlib is imported, which in its forks has happened already.
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        if preload:
            self._fixed += _READ_AT_IMPORT
        for name in preload:
            _send(self._owner, Importing(name))
            try:
                importlib.import_module(name)
            except BaseException as error:  # a module may raise anything, SystemExit too
                refused[name] = f"it cannot be imported: {type(error).__name__}: {error}"
                continue
            if hindrance := _hindrance():
                self._begin_again([n for n in preload if n != name], refused | {name: hindrance})

    def _begin_again(self, preload: Sequence[str], refused: Mapping[str, str]) -> None:
        """Run this program anew in this process: nothing else rids it of what a module has started."""
        *command, _, _ = sys.orig_argv
        arguments = [*command, json.dumps(preload), json.dumps(refused)]
        os.execve(sys.executable, arguments, self._env)

    def _take(self, client: Connection) -> Callable[[], None] | None:
        """Do what a client asks for."""
        try:
            request = client.recv()
            if isinstance(request, Connect):
                self._clients.append(Connection(recv_handle(client)))
                return None
        except (EOFError, OSError):
            self._forget(client)
            return None
        try:
            return self._launch(client, request)
        except OSError as error:  # no process or pipe to be had
            for answer in _failure(request.number, error):
                _send(client, answer)
            return None

    def _launch(self, client: Connection, launch: Launch) -> Callable[[], None] | None:
        told, tells = os.pipe()
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(told)
            os.close(tells)
            raise
        if pid:
            os.close(tells)
            self._kernels[Connection(told, writable=False)] = _Kept(client, launch.number, pid)
            return None
        os.close(told)
        for connection in (*self._clients, *self._kernels):
            connection.close()
        forked = launch.ours and self._fits(launch.env)
        return _keep(launch, Connection(tells, readable=False), server, forked=forked)

    def _fits(self, env: Mapping[str, str]) -> bool:
        """Return whether a process with that environment would have started as this one has."""
        fixed = [{n: v for n, v in e.items() if n.startswith(self._fixed)} for e in (env, self._env)]
        return fixed[0] == fixed[1]

    def _pass_on(self, teller: Connection) -> None:
        """Pass on what a kernel or its keeper says."""
        kept = self._kernels[teller]
        try:
            answer: Answer = teller.recv()
        except EOFError:  # somebody killed its keeper, and it with that
            answer = Exited(kept.number, -signal.SIGKILL)
        if isinstance(answer, Exited):
            del self._kernels[teller]
            teller.close()
        if kept.client in self._clients:
            _send(kept.client, answer)

    def _forget(self, client: Connection) -> None:
        """End the kernels of a client that is gone."""
        self._clients.remove(client)
        client.close()
        for kept in self._kernels.values():
            if kept.client is client:
                os.kill(kept.keeper, signal.SIGTERM)


def _keep(launch: Launch, teller: Connection, server: int, *, forked: bool) -> Callable[[], None]:
    """Start a kernel and wait for its end, as its keeper; return what it has to do, in a forked kernel."""
    keeper = os.getpid()
    try:
        die_with_parent(signal.SIGTERM, server)
        os.setsid()
        adopt_orphans()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        pid = os.fork()
        if not pid:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent(signal.SIGKILL, keeper)
            return lambda: _be_kernel(launch, teller, forked=forked)
        _send(teller, Launched(launch.number, pid, keeper, forked, time.monotonic()))
        ended = 0
        while ended != pid:  # reaps whatever it adopts, too
            ended, status = os.wait()
        kill_descendants()
        _send(teller, Exited(launch.number, os.waitstatus_to_exitcode(status)))
    except OSError as error:
        for answer in _failure(launch.number, error):
            _send(teller, answer)
    finally:
        if os.getpid() == keeper:
            os._exit(0)  # it is no server, whatever happened
    raise AssertionError("the keeper has ended, and the kernel has returned")


def _failure(number: int, error: OSError) -> tuple[Launched, Exited]:
    return Launched(number, 0, 0, False, time.monotonic(), str(error)), Exited(number, 1)


def _be_kernel(launch: Launch, teller: Connection, *, forked: bool) -> None:
    """Be the kernel, as if this process had been started for it, until it is shut down."""
    try:
        for kind, limit in launch.limits:
            resource.setrlimit(kind, limit)
        os.chdir(launch.cwd)
        if not forked:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it
            os.execvpe(launch.command[0], launch.command, launch.env)
        os.environ.clear()
        os.environ.update(launch.env)
        time.tzset()
        run = _forked_kernel(launch.command[3:])
    except BaseException as error:
        _send(teller, Bound(launch.number, time.monotonic(), f"{type(error).__name__}: {error}"))
        raise
    _send(teller, Bound(launch.number, time.monotonic()))
    teller.close()
    run()


def _forked_kernel(arguments: Sequence[str]) -> Callable[[], None]:
    """Set up an IPython kernel in this process; return what runs it."""
    from ppacer_nb.kernels.app import ForkedKernelApp

    sys.argv = ["ipykernel_launcher", *arguments]
    reseed()
    app = ForkedKernelApp.instance()
    app.initialize(list(arguments))  # type: ignore[no-untyped-call]
    return app.start


def _send(connection: Connection, message: Answer) -> None:
    try:
        connection.send(message)
    except OSError:  # nobody listens any more, which the next thing read from there says too
        return


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


def _end_with_everything(*_: object) -> None:
    kill_descendants()
    os._exit(0)
