"""The fork server, as a process sees it that asks it for kernels."""

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
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle

from ppacer_nb.errors import ForkServerDied, KernelDied
from ppacer_nb.kernels.descendants import ending, kill_descendants
from ppacer_nb.kernels.forking import (
    Answer,
    Bound,
    Connect,
    Exited,
    Imported,
    Importing,
    Launch,
    Launched,
)

AVAILABLE = sys.platform == "linux"  # elsewhere a fork is not safe, or there is none
IMPORT_LIMIT = 60.0  # seconds for one module of the user's

_COMMAND = """
import json, sys
own = sys.path[1:]
sys.path = own + [path for path in json.loads(sys.argv[2]) if path not in own]
from ppacer_nb.kernels.forking import main
main(int(sys.argv[1]), json.loads(sys.argv[3]), json.loads(sys.argv[4]), own)
"""
_LIMITS = [number for name, number in vars(resource).items() if name.startswith("RLIMIT_")]
_SAID_KEPT = 2_000  # characters of a server's last words


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
            case Exited(_, returncode):
                for future in (self.launched, self.bound):
                    if not future.done():
                        future.set_exception(_not_started(ending(returncode)))
                self.ended.set_result(returncode)

    def lose(self, why: str) -> None:
        """Note that its fork server died, and it with that."""
        self.lost = why
        for future in (self.launched, self.bound):
            if not future.done():
                future.set_exception(ForkServerDied(why))
        self.ended.set_result(-signal.SIGKILL)

    def kill_others(self) -> None:
        """End whatever it has started, also what left it, but not itself."""
        kill_descendants(self._keeper, but=self.pid)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and that of all it started, and return the exit code."""
        return self.ended.result(timeout)

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


class ForkServer:
    """A fork server of this interpreter. It starts when it is first used, again if it dies, and ends with us.

    Parameters
    ----------
    preload
        Modules that every kernel shall have imported already.
    connection
        To a server that another process has started for us. Should that die, one of our own takes its place.
    import_limit
        Seconds that one module may take; one that takes longer is refused.
    """

    def __init__(
        self,
        preload: Sequence[str] = (),
        *,
        connection: Connection | None = None,
        import_limit: float = IMPORT_LIMIT,
    ) -> None:
        #: The modules that it could not or must not preload, by name with the reason.
        self.refused: Future[Mapping[str, str]] = Future()
        self._preload = tuple(preload)
        self._given = connection
        self._import_limit = import_limit
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._link: _Link | None = None  # as long as there is a server
        self._kernels: dict[int, LaunchedProcess] = {}
        self._connecting: list[int] = []  # sockets handed to a server that does not serve yet

    @property
    def pid(self) -> int | None:
        """Its process, None if there is none or another process started it."""
        with self._lock:
            return (
                self._link.process.pid if self._link is not None and self._link.process is not None else None
            )

    def start(self) -> None:
        """Start it, unless it runs; it imports while this process goes on."""
        with self._lock:
            self._linked()

    def launch(
        self, command: Sequence[str], env: Mapping[str, str], cwd: str, *, ours: bool
    ) -> LaunchedProcess:
        """Have a kernel launched.

        If `ours`, which says that this is ``ipykernel_launcher`` of this Python, it is forked, unless its
        environment differs from the server's in what Python reads at its start.

        Raises
        ------
        OSError
            If no server can be started.
        """
        limits = tuple((kind, resource.getrlimit(kind)) for kind in _LIMITS)
        with self._lock:
            number = next(self._numbers)
            process = LaunchedProcess(Launch(number, tuple(command), ours, dict(env), cwd, limits))
            link = self._linked()
            self._kernels[number] = process
            with suppress(OSError):  # it has just died: whoever listens to it fails the launch
                link.connection.send(process.request)
        return process

    def connect(self) -> int:
        """Return a socket at which another process may ask this server for kernels; close it after use."""
        theirs, ours = Pipe()
        with self._lock:
            link = self._linked()
            self._connecting.append(os.dup(ours.fileno()))
            with suppress(OSError):  # it has just died: the other process will hear of it
                link.connect(ours.fileno())
            if self.refused.done():
                self._close_connecting()
        ours.close()
        descriptor = os.dup(theirs.fileno())
        theirs.close()
        return descriptor

    def close(self) -> None:
        """End it, and all kernels that it has started."""
        with self._lock:
            link = self._link
        if link is not None and link.process is not None:
            link.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                link.process.wait(timeout=5)
            link.process.kill()  # it is stuck in an import
            link.process.wait()

    def _linked(self) -> _Link:
        """Return the link to the server; start one if there is none."""
        if self._link is None:
            started: Future[_Link] = Future()
            # The server ends with the thread that starts it, so that is one that lasts.
            threading.Thread(target=self._listen, args=[started], name="fork-server", daemon=True).start()
            self._link = started.result()
        return self._link

    def _listen(self, started: Future[_Link]) -> None:
        """Start a server and pass on what it says until it ends; what it still owed fails then."""
        refused: dict[str, str] = {}
        try:
            link = self._first_link()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(link)
        while hanging := self._serve(link):
            refused[hanging] = f"it was not imported within {self._import_limit:g} seconds"
            link.end()
            with self._lock:
                link = self._link = _started(self._preload, refused)
                for descriptor in self._connecting:
                    link.connect(descriptor)
                for kernel in self._kernels.values():
                    link.connection.send(kernel.request)
        with self._lock:
            self._link = None
            self._close_connecting()
            kernels, self._kernels = self._kernels, {}
        why = f"the fork server died{link.end()}"
        for kernel in kernels.values():
            kernel.lose(why)

    def _first_link(self) -> _Link:
        given, self._given = self._given, None
        return _Link(given, None) if given is not None else _started(self._preload, {})

    def _serve(self, link: _Link) -> str | None:
        """Pass on what the server says until it ends; return a module if its import does not end."""
        importing = None
        while True:
            try:
                answer = link.recv(self._import_limit if importing is not None else None)
            except TimeoutError:
                return importing
            except (EOFError, OSError):
                return None
            importing = answer.name if isinstance(answer, Importing) else None
            self._take(answer)

    def _take(self, answer: Answer) -> None:
        match answer:
            case Imported(refused):
                with self._lock:
                    self._close_connecting()
                if not self.refused.done():  # not again by one that takes a dead one's place
                    self.refused.set_result(refused)
            case Launched() | Bound():
                self._kernels[answer.number].take(answer)
            case Exited(number):
                self._kernels.pop(number).take(answer)

    def _close_connecting(self) -> None:
        for descriptor in self._connecting:
            os.close(descriptor)
        self._connecting.clear()


class _Link:
    """The connection to a server, and its process if that is ours."""

    def __init__(self, connection: Connection, process: subprocess.Popen[bytes] | None) -> None:
        self.connection = connection
        self.process = process
        self._said = b""

    def connect(self, descriptor: int) -> None:
        """Hand the server a socket to serve."""
        self.connection.send(Connect())
        send_handle(self.connection, descriptor, None)

    def recv(self, timeout: float | None) -> Answer:
        """Return what the server says next; keep what it or its modules print meanwhile.

        Raises
        ------
        TimeoutError
            If it says nothing in that many seconds.
        EOFError, OSError
            If it has ended.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while True:
            sources: list[Connection | int] = [self.connection]
            if (
                self.process is not None
                and self.process.stdout is not None
                and not self.process.stdout.closed
            ):
                sources.append(self.process.stdout.fileno())
            ready = wait(sources, None if limit is None else max(0, limit - time.monotonic()))
            if self.connection in ready:
                answer: Answer = self.connection.recv()
                return answer
            if not ready:
                raise TimeoutError
            self._read()

    def end(self) -> str:
        """Make sure that it has ended; return how it did."""
        self.connection.close()
        if self.process is None:
            return ""
        self.process.kill()
        code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        said = self._said.decode(errors="replace").strip()
        return f": {ending(code)}" + (f" Its last words: {said}" if said else "")

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        chunk = os.read(self.process.stdout.fileno(), 4096)
        self._said = (self._said + chunk)[-_SAID_KEPT:]
        if not chunk:
            self.process.stdout.close()


def _started(preload: Sequence[str], refused: Mapping[str, str]) -> _Link:
    """Start a server that preloads what is not refused."""
    ours, theirs = Pipe()
    paths = json.dumps([path for path in sys.path if path])
    modules = json.dumps([name for name in preload if name not in refused])
    process = subprocess.Popen(
        (sys.executable, "-c", _COMMAND, str(theirs.fileno()), paths, modules, json.dumps(refused)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()
    return _Link(ours, process)


def _settle(future: Future[float], at: float, error: Exception | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(at)


def _not_started(error: str) -> KernelDied:
    return KernelDied(f"the kernel did not start: {error}")
