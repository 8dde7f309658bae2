"""Lets a kernel wait for whoever listens to its output: nothing of it is lost, and its memory is bounded.

A ZeroMQ publisher drops what exceeds its queue, 1000 messages, without a word: 20,000 displays lose half.
Here a send waits instead until the queue has room, in the IOPub thread; and whoever has something to say
waits for that thread: `flush`, which comes before each display, until all is sent; everything else while 2000
calls wait already, as that is what the queue to the thread takes. For a task's kernel this is right, as its
runner listens all the time. It is not done in kernels that people attach to: one stuck front end would hold
them up.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread, OutStream

#: Characters of a stream in one message. As one message, a print of 200 MB took the runner 700 MB of memory.
PIECE = 64 * 1024
#: Messages in the queue at either end, so that little memory is under way also where they are figures.
QUEUE = 100
#: What a kernel answers True to if it waits for its listeners.
IS_PATIENT = "type(__import__('sys').stdout).__name__ == 'PatientStream'"


def hold_back(publisher: Any, shell: Any) -> None:
    """Have this kernel wait for its listeners from now on, and keep no copy of what it sends.

    `publisher` is its IOPub thread.
    """
    publisher.schedule(partial(_wait_for_room, publisher.socket))
    publisher.under_way = deque[None]()  # has an item for each thing that is said and not sent yet
    publisher.send_multipart = partial(_send, publisher)  # on the object, as it may be of any subclass
    for stream in (sys.stdout, sys.stderr):
        if type(stream) is OutStream:
            stream.__class__ = PatientStream
    # ipykernel sleeps so long after each cell, lest its last flush be not through: here they are.
    shell.kernel._execute_sleep = 0
    if hasattr(shell, "_tee"):  # keeps all streams for %notebook, in IPython from 9.0 on
        shell._tee = lambda channel: nullcontext()


class PatientStream(OutStream):
    """A stream that waits when it has written a good piece, until that is on its way.

    Nor does it where there is nothing to wait for: ipykernel flushes both streams at least four times a cell,
    which was a wait for the IOPub thread each time.
    """

    def flush(self) -> None:
        """Return when all that was said is sent, by this stream or otherwise."""
        # In this order, as the IOPub thread notes that it sends something before it takes that from a buffer.
        if self._buffers or self.pub_thread.under_way:
            super().flush()  # type: ignore[no-untyped-call]

    def _flush(self) -> None:
        under_way = self.pub_thread.under_way
        under_way.append(None)
        try:
            super()._flush()  # type: ignore[no-untyped-call]
        finally:
            under_way.pop()

    # Not `write`, which IPython replaces in each cell, and restores to what it was before.
    def _schedule_flush(self) -> None:
        with self._buffer_lock:
            unsent = sum(buffer.tell() for buffer in self._buffers.values())
        if unsent < PIECE:
            super()._schedule_flush()  # type: ignore[no-untyped-call]
        else:
            self.flush()

    def _flush_buffers(self) -> Iterator[tuple[dict[str, Any], str]]:
        for parent, text in super()._flush_buffers():  # type: ignore[no-untyped-call]
            if not text.isascii():  # half a surrogate pair, which no message can carry, becomes its escape
                text = text.encode("utf-8", "backslashreplace").decode()
            for start in range(0, len(text), PIECE):
                yield parent, text[start : start + PIECE]


def _wait_for_room(socket: zmq.Socket[bytes]) -> None:
    # Before as much has been sent: a queue that is made shorter than what has gone through it unacknowledged
    # is taken to be full for ever. The same holds for the other end.
    socket.setsockopt(zmq.XPUB_NODROP, 1)
    socket.setsockopt(zmq.SNDHWM, QUEUE)


def _send(publisher: IOPubThread, *args: Any, **options: Any) -> None:
    """Send a message: in the IOPub thread at once, and not as its next call but one.

    So a flush has sent all when it returns. And that thread cannot wait for room in its own queue of calls.
    """
    if threading.current_thread() is publisher.thread:
        publisher._really_send(*args, **options)
        return
    publisher.under_way.append(None)  # type: ignore[attr-defined]

    def send() -> None:
        try:
            publisher._really_send(*args, **options)
        finally:
            publisher.under_way.pop()  # type: ignore[attr-defined]

    publisher.schedule(send)
