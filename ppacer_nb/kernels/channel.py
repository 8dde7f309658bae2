"""A kernel client that misses no reply."""

from __future__ import annotations

from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type


class _WakingChannel(AsyncZMQSocketChannel):
    """Looks for messages that have arrived after it has sent one.

    A socket of ZeroMQ tells of arrivals by its descriptor, and once only: whatever is done with the socket
    takes the news. jupyter_client sends behind the back of the asyncio socket, so that a reply that arrives
    just then, for which another coroutine waits, would be noticed never. nbclient sends while a cell runs
    whenever that uses an Output widget.
    """

    def send(self, msg: dict[str, Any]) -> None:
        super().send(msg)
        self.socket.get(zmq.EVENTS)  # the asyncio socket takes care of what it finds here


class Client(AsyncKernelClient):
    """jupyter_client's, with such a channel."""

    shell_channel_class = Type(_WakingChannel)
