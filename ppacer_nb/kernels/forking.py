"""Inside the fork server: a process that has imported what a kernel needs, and starts kernels when asked to.

It has no threads and no ZeroMQ context, as neither survives a fork. All that it does is wait: for a request,
for word of a kernel. Several processes may ask it, over a socket each; the kernels of one that is gone are
ended, and everything is when its first one is gone.

A kernel that is forked is as a fresh one, but for this:

* The modules that all kernels need, and those that the user wants, are imported already, with what they had
  added to the environment and to ``sys.path`` then.
* IPython is set up as far as that can be done ahead (see `prepared`). A kernel that would be set up
  otherwise, as its ``HOME`` or its arguments differ or there is a configuration now, is started anew.
* All kernels of one server share its seed of `hash`: the order of a set of strings differs from one server to
  the next, but not from kernel to kernel. A kernel for which ``PYTHONHASHSEED`` is set is started anew.
* The garbage collector leaves alone what the server had allocated, which `gc.unfreeze` would change.
* The command line that ``ps`` shows is the server's; ``sys.orig_argv`` is the kernel's own.

Each kernel has a keeper, a fork of the server that does nothing but wait for the kernel's end. It adopts what
the kernel's programs leave behind, daemons included, and ends that too, so that nothing outlives a kernel.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ppacer_nb.kernels.bare_fork import bare_fork
from ppacer_nb.kernels.descendants import adopt_orphans, die_with_parent, kill_descendants
from ppacer_nb.kernels.forgetting import reseed
from ppacer_nb.kernels.fork_ending import end_process
from ppacer_nb.kernels.fork_messages import (
    Answer,
    Bound,
    Connect,
    Exited,
    Imported,
    Importing,
    Launch,
    Launched,
)
from ppacer_nb.kernels.hindrance import hindrance
from ppacer_nb.kernels.memory_kills import MemoryKills, counter_of, memory_kills

if TYPE_CHECKING:
    from ppacer_nb.kernels.prepared import PreparedKernel  # it brings ipykernel, which only servers need

#: What every kernel imports: at the top, while it is set up, and with its first cell.
_OF_EVERY_KERNEL = (
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "ppacer_nb.kernels.prepared",
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
#: What begins the names of variables that Python and the C library read at their start, and common libraries
#: at their import: a kernel whose own differ is started anew.
_READ_AT_START = ("PYTHON", "LD_", "MALLOC_")
_READ_AT_IMPORT = ("OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "CUDA_", "MPL")


def main(
    descriptor: int, preload: Sequence[str], refused: Mapping[str, str], kernel_path: Sequence[str]
) -> None:
    """Serve the process at the other end of that socket until it is gone.

    Modules that are refused already, each for a reason, are only reported. Kernels import from `kernel_path`,
    as a program of this Python does: more paths are for this process, and for what it preloads.

    In a forked kernel this goes on to run it, and does not return.
    """
    become_kernel = _Server(Connection(descriptor)).serve(preload, dict(refused), kernel_path)
    if become_kernel is not None:
        become_kernel()
        end_process()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A kernel that runs, as far as the server cares."""

    client: Connection
    number: int
    keeper: int


@dataclass(frozen=True, slots=True)
class _Order:
    """A kernel that is to be started, and what the server has found out for it."""

    launch: Launch
    forked: bool  #: and not another program
    prepared: PreparedKernel | None
    server: int
    counter: Path | None  #: of ends for want of memory
    before: MemoryKills


class _Server:
    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._clients = [owner]
        self._kernels: dict[Connection, _Kept] = {}  # by the pipe on which it and its keeper are heard
        self._env = dict(os.environ)
        self._added: dict[str, str] = {}  # to the environment, by what was imported
        self._refused: Mapping[str, str] = {}
        self._signals: dict[int, Any] = {}  # how they were handled before that
        self._fixed: tuple[str, ...] = _READ_AT_START
        self._prepared: PreparedKernel | None = None

    def serve(
        self, preload: Sequence[str], refused: dict[str, str], kernel_path: Sequence[str]
    ) -> Callable[[], None] | None:
        """Answer until nobody asks any more; return what a forked kernel has to do, in that kernel."""
        die_with_parent(signal.SIGTERM)
        signal.signal(signal.SIGTERM, _end_with_everything)
        adopt_orphans()
        given = [path for path in sys.path if path not in kernel_path]
        self._import(preload, refused)
        sys.path[:] = [path for path in sys.path if path not in given]
        from ppacer_nb.kernels.prepared import prepare  # it brings ipykernel, which only servers need

        self._prepared = prepare()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers tell on their pipes; none stays a zombie
        self._refused = refused
        _send(self._owner, Imported(refused))
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
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or debugpy says something to nobody
        for name in _OF_EVERY_KERNEL:
            importlib.import_module(name)
        self._reset_signals()
        del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
        # A kernel sets this before matplotlib is imported, which in its forks has happened already.
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        if preload:
            self._fixed += _READ_AT_IMPORT
        for name in preload:
            _send(self._owner, Importing(name))
            try:
                _import(name)
            except BaseException as error:  # a module may raise anything, SystemExit too
                refused[name] = f"it cannot be imported: {type(error).__name__}: {error}"
            self._reset_signals()
            if found := hindrance():
                self._begin_again([n for n in preload if n != name], refused | {name: found})
        self._added = {name: value for name, value in os.environ.items() if name not in self._env}

    def _begin_again(self, preload: Sequence[str], refused: Mapping[str, str]) -> None:
        """Run this program anew in this process: nothing else rids it of what a module has started."""
        kill_descendants()
        *command, _, _ = sys.orig_argv
        arguments = [*command, json.dumps(preload), json.dumps(refused)]
        os.execve(sys.executable, arguments, self._env)

    def _reset_signals(self) -> None:
        """Undo what modules have done to the handling of signals: a fresh process has not imported them."""
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    def _take(self, client: Connection) -> Callable[[], None] | None:
        """Do what a client asks for."""
        try:
            request = client.recv()
            if isinstance(request, Connect):
                self._clients.append(Connection(recv_handle(client)))
                _send(self._clients[-1], Imported(dict(self._refused)))
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
        order = self._order(launch)
        told, tells = os.pipe()
        try:
            pid = bare_fork()
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
        return _keep(order, Connection(tells, readable=False))

    def _order(self, launch: Launch) -> _Order:
        """Find out here what a keeper would else: what that touches is copied once then."""
        if forked := launch.ours and self._fits(launch):
            launch = replace(launch, env=self._added | launch.env)
        server = os.getpid()
        counter = counter_of(server)  # a keeper's control group is its server's
        return _Order(launch, forked, self._prepared, server, counter, memory_kills(counter))

    def _fits(self, launch: Launch) -> bool:
        """Return whether that kernel would have started as this process has, and been set up as this is."""
        fixed = [{n: v for n, v in e.items() if n.startswith(self._fixed)} for e in (launch.env, self._env)]
        return fixed[0] == fixed[1] and (
            self._prepared is None or self._prepared.fits(launch.command[3:], launch.env)
        )

    def _pass_on(self, teller: Connection) -> None:
        """Pass on what a kernel or its keeper says."""
        kept = self._kernels[teller]
        try:
            answer: Answer = teller.recv()
        except EOFError:  # somebody killed its keeper, and it with that
            answer = Exited(kept.number, -signal.SIGKILL)
            self._end_strays(kept.keeper)
        if isinstance(answer, Exited):
            del self._kernels[teller]
            teller.close()
        if kept.client in self._clients:
            _send(kept.client, answer)

    def _end_strays(self, keeper: int) -> None:
        """End what a keeper could not end that was killed: it becomes ours, as each parent of it is gone."""
        _wait_until_gone(keeper)  # its pipe ends before
        spared = {kept.keeper for kept in self._kernels.values()}
        looks = 2  # a look misses the children of a process that goes just then
        while looks:
            strays = [child for child in psutil.Process().children() if child.pid not in spared]
            looks = 2 if strays else looks - 1
            for stray in strays:
                with suppress(psutil.NoSuchProcess):
                    stray.kill()
            _, alive = psutil.wait_procs(strays, timeout=1)
            spared.update(stray.pid for stray in alive)  # they end when the system lets them

    def _forget(self, client: Connection) -> None:
        """End the kernels of a client that is gone."""
        self._clients.remove(client)
        client.close()
        for kept in self._kernels.values():
            if kept.client is client:
                os.kill(kept.keeper, signal.SIGTERM)


def _keep(order: _Order, teller: Connection) -> Callable[[], None]:
    """Start a kernel and wait for its end, as its keeper; return what it has to do, in a forked kernel."""
    launch, keeper = order.launch, os.getpid()
    try:
        die_with_parent(signal.SIGTERM, order.server)
        os.setsid()
        adopt_orphans()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        pid = os.fork()
        if not pid:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent(signal.SIGKILL, keeper)
            return lambda: _be_kernel(order, teller)
        _send(teller, Launched(launch.number, pid, keeper, order.forked, time.monotonic()))
        ended = 0
        while ended != pid:  # reaps whatever it adopts, too
            ended, status = os.wait()
        out_of_memory = order.before.explains(memory_kills(order.counter))
        kill_descendants()
        _send(teller, Exited(launch.number, os.waitstatus_to_exitcode(status), out_of_memory))
    except OSError as error:
        for answer in _failure(launch.number, error):
            _send(teller, answer)
    finally:
        if os.getpid() == keeper:
            os._exit(0)  # it is no server, whatever happened
    raise AssertionError("the keeper has ended, and the kernel has returned")


def _failure(number: int, error: OSError) -> tuple[Launched, Exited]:
    return Launched(number, 0, 0, False, time.monotonic(), str(error)), Exited(number, 1)


def _be_kernel(order: _Order, teller: Connection) -> None:
    """Be the kernel, as if this process had been started for it, until it is shut down."""
    launch = order.launch
    try:
        launch.inherited.take_on()
        os.chdir(launch.cwd)
        if not order.forked:
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(launch.command[0], launch.command, launch.env)
        os.environ.clear()
        os.environ.update(launch.env)
        os.environ.setdefault("PYDEVD_USE_FRAME_EVAL", "NO")  # as debugpy does when it is imported
        time.tzset()
        run = _forked_kernel(launch.command, order.prepared)
    except BaseException as error:
        _send(teller, Bound(launch.number, time.monotonic(), f"{type(error).__name__}: {error}"))
        raise
    _send(teller, Bound(launch.number, time.monotonic()))
    teller.close()
    run()


def _forked_kernel(command: Sequence[str], prepared: PreparedKernel | None) -> Callable[[], None]:
    """Set up the IPython kernel of a command in this process; return what runs it."""
    from ppacer_nb.kernels.app import IPKernelApp

    arguments = list(command[3:])
    launcher = importlib.util.find_spec(command[2])
    assert launcher is not None
    sys.argv = [str(launcher.origin), *arguments]
    sys.orig_argv = list(command)
    reseed()
    if prepared is not None:
        return prepared.complete(arguments)
    app = IPKernelApp.instance()
    app.initialize(arguments)  # type: ignore[no-untyped-call]
    return app.start


def _import(name: str) -> None:
    """Import a module; whatever process it forks ends there."""
    server = os.getpid()
    try:
        importlib.import_module(name)
    finally:
        if os.getpid() != server:
            os._exit(0)


def _wait_until_gone(pid: int) -> None:
    """Wait for the end of a child that nobody reaps."""
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)  # fails when it has ended, as SIGCHLD is ignored


def _send(connection: Connection, message: Answer) -> None:
    try:
        connection.send(message)
    except OSError:  # nobody listens any more, which the next thing read from there says too
        return


def _end_with_everything(*_: object) -> None:
    kill_descendants()
    os._exit(0)
