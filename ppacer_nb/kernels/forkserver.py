"""The fork server, as a process sees it that asks it for kernels."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
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

from ppacer_nb.kernels.descendants import ending
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
from ppacer_nb.kernels.inheritance import Inherited
from ppacer_nb.kernels.launched import LaunchedProcess

AVAILABLE = sys.platform == "linux"  # elsewhere a fork is not safe, or there is none
IMPORT_LIMIT = 60.0  # seconds for one module of the user's
ANSWER_LIMIT = 30.0  # seconds of silence of a server that was asked for a kernel, until it is given up

_COMMAND = """
import json, sys
own = sys.path[1:]
sys.path = own + [path for path in json.loads(sys.argv[2]) if path not in own]
from ppacer_nb.kernels.forking import main
main(int(sys.argv[1]), json.loads(sys.argv[3]), json.loads(sys.argv[4]), own)
"""
_SAID_KEPT = 2_000  # characters of a server's last words


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
    answer_limit
        Seconds that a server may say nothing, when it was asked for a kernel; it is ended then.
    """

    def __init__(
        self,
        preload: Sequence[str] = (),
        *,
        connection: Connection | None = None,
        import_limit: float = IMPORT_LIMIT,
        answer_limit: float = ANSWER_LIMIT,
    ) -> None:
        #: The modules that it could not or must not preload, by name with the reason.
        self.refused: Future[Mapping[str, str]] = Future()
        self._preload = tuple(preload)
        self._given = connection
        self._import_limit = import_limit
        self._answer_limit = answer_limit
        self._fatal: dict[str, str] = {}  # modules that a server does not survive, or never comes back from
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
        inherited = Inherited.of_this_process()
        with self._lock:
            number = next(self._numbers)
            process = LaunchedProcess(Launch(number, tuple(command), ours, dict(env), cwd, inherited))
            link = self._linked()
            self._kernels[number] = process
            with suppress(OSError):  # it has just died: whoever listens to it fails the launch
                link.connection.send(process.request)
        return process

    async def launched(self, process: LaunchedProcess) -> None:
        """Wait until a process that was asked for is there.

        Raises
        ------
        ForkServerDied
            If the server did, or was ended as it no longer answered.
        """
        launched = asyncio.wrap_future(process.launched)
        while not launched.done():
            await asyncio.wait([launched], timeout=self._answer_limit)
            if not launched.done():
                self._give_up_if_stuck(process)
        launched.result()

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

    def _give_up_if_stuck(self, process: LaunchedProcess) -> None:
        with self._lock:
            link = self._link
            if link is None or not link.serves:
                return
            if time.monotonic() - max(link.heard_at, process.asked_at) < self._answer_limit:
                return
            for kernel in self._kernels.values():
                if kernel.pid:
                    kernel.kill()
            link.give_up(f": it did not answer within {self._answer_limit:g} seconds")

    def _listen(self, started: Future[_Link]) -> None:
        """Start a server and pass on what it says until it ends; what it still owed fails then."""
        try:
            link = self._first_link()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(link)
        while (importing := self._serve(link)) is not None:
            name, why = importing
            how = link.end()
            self._fatal[name] = why or f"the fork server died as it imported it{how}"
            with self._lock:
                link = self._link = _started(self._preload, self._fatal)
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
        return _Link(given, None) if given is not None else _started(self._preload, self._fatal)

    def _serve(self, link: _Link) -> tuple[str, str] | None:
        """Pass on what the server says until it ends.

        Returns
        -------
        tuple of str
            The module that it never imported, with the reason if it did not end by itself. None if it had
            imported all.
        """
        importing = None
        while True:
            is_ours = link.process is not None
            try:
                answer = link.recv(None if link.serves or not is_ours else self._import_limit)
            except TimeoutError:
                why = f"it was not imported within {self._import_limit:g} seconds"
                return None if importing is None else (importing, why)
            except (EOFError, OSError):
                return None if importing is None else (importing, "")
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
        self.serves = False  #: it has imported all
        self.heard_at = time.monotonic()  #: when it said something last
        self._said = b""
        self._given_up = ""

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
                self.heard_at = time.monotonic()
                self.serves |= isinstance(answer, Imported)
                return answer
            if not ready:
                raise TimeoutError
            self._read()

    def give_up(self, why: str) -> None:
        """Have `recv` say that it has ended."""
        self._given_up = why
        with socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)

    def end(self) -> str:
        """Make sure that it has ended; return how it did."""
        self.connection.close()
        if self.process is None:
            return self._given_up
        self.process.kill()
        code = self.process.wait()
        if self.process.stdout is not None:
            self._read_the_rest()
            self.process.stdout.close()
        said = self._said.decode(errors="replace").strip()
        return self._given_up or f": {ending(code)}" + (f". Its last words: {said}" if said else "")

    def _read_the_rest(self) -> None:
        """Read what it had printed before it ended; its kernels may still hold the pipe open."""
        assert self.process is not None
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            os.set_blocking(self.process.stdout.fileno(), False)
            with suppress(BlockingIOError):
                while not self.process.stdout.closed:
                    self._read()

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
