"""A kernel client that misses no reply, and lets other work be done while its kernel speaks."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type

from ppacer_nb.kernels.backpressure import QUEUE

#: Messages of a kernel that does not wait for its listeners, as those of other languages: it drops what
#: exceeds its own queue of 1000. This adds room for a burst of it; what exceeds that as well is lost.
_QUEUE = 20_000


def _look(socket: zmq.asyncio.Socket) -> None:
    """Have an asyncio socket look for messages, after something was done with it behind its back.

    A socket of ZeroMQ tells of arrivals by its descriptor, and once only: whatever is done with the socket
    takes the news, and who waits for a message that has just arrived would wait for ever.
    """
    socket.get(zmq.EVENTS)


class _ShellChannel(AsyncZMQSocketChannel):
    """Misses no reply while it sends, as nbclient does in a cell that uses an Output widget."""

    def send(self, msg: dict[str, Any]) -> None:
        super().send(msg)
        _look(self.socket)


class _IOPubChannel(AsyncZMQSocketChannel):
    """Reads messages one by one, and lets the event loop do other work between them.

    That of jupyter_client does not when the next one is there already: while a kernel prints without end,
    nothing else would be done, not even what stops it.
    """

    def __init__(self, socket: zmq.asyncio.Socket, *args: Any) -> None:
        super().__init__(socket, *args)
        socket.setsockopt(zmq.RCVHWM, _QUEUE)

    async def get_msg(  # type: ignore[override]
        self,
        timeout: float | None = None,  # noqa: ASYNC109 (jupyter_client's)
    ) -> dict[str, Any]:
        """Return the next message; raise queue.Empty if there is none within `timeout` seconds."""
        await asyncio.sleep(0)
        message: dict[str, Any] = await super().get_msg(timeout)
        return message

    def leave_the_rest_to_the_kernel(self) -> None:
        """Take in little ahead: the kernel waits."""
        self.socket.setsockopt(zmq.RCVHWM, QUEUE)
        _look(self.socket)


class Client(AsyncKernelClient):
    """jupyter_client's, with such channels."""

    shell_channel_class = Type(_ShellChannel)
    iopub_channel_class = Type(_IOPubChannel)  # type: ignore[assignment]  # in jupyter_client not a trait
