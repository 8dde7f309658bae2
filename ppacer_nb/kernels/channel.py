"""The runner's end of a kernel's output."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel

from ppacer_nb.kernels.backpressure import QUEUE

#: Messages of a kernel that does not wait for its listeners, as those of other languages: it drops what
#: exceeds its own queue of 1000. This adds room for a burst of it; what exceeds that as well is lost.
_QUEUE = 20_000


class IOPubChannel(AsyncZMQSocketChannel):
    """Reads messages one by one, and lets the event loop do other work between them.

    That of jupyter_client does not when the next one is there already: while a kernel prints without end,
    nothing else would be done, not even what stops it.
    """

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


def listen_to(client: AsyncKernelClient) -> None:
    """Let `client` read its kernel's output by an `IOPubChannel`; to be called before its channels start."""
    client.iopub_channel_class = IOPubChannel
    client.iopub_channel.socket.setsockopt(zmq.RCVHWM, _QUEUE)
