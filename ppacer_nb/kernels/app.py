"""The kernel application of forked kernels: ipykernel's, without what only a fresh process can have."""

from __future__ import annotations

import re
from collections.abc import Sequence

import zmq
from ipykernel import kernelapp
from ipykernel.iostream import IOPubThread
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigString
from zmq.eventloop.zmqstream import ZMQStream

_OPTION = re.compile(r"--(\w+)\.(\w+)=(.*)")


class IPKernelApp(kernelapp.IPKernelApp):
    """Runs an IPython kernel that listens at sockets of the file system only.

    It has the name of ipykernel's, which is that of a section of the configuration that libraries look for.
    """

    def __init__(self, **kwargs: object) -> None:
        # Any process of this number is there for good: neither watch a parent, the kernel having been told
        # to die with it, nor print for a person how to connect.
        super().__init__(parent_handle=1, **kwargs)  # type: ignore[no-untyped-call]

    def parse_command_line(self, argv: Sequence[str] | None = None) -> None:
        """Take ``-f FILE`` and options of the form ``--Class.trait=value``; leave others to traitlets.

        For any of them traitlets builds a parser of all options there are: a sixth of a kernel's set-up.
        """
        given = config_of(argv or ())
        if given is None:
            super().parse_command_line(argv)  # type: ignore[arg-type]
            return
        self.cli_config = given
        self.update_config(given)

    def start(self) -> None:
        """Run until shut down; end the control thread first then.

        It may still flush stdout after the shutdown that it has answered, for which it would wait ten seconds
        once the IOPub thread is gone, and ipykernel ends that one before.
        """
        super().start()  # type: ignore[no-untyped-call]
        self.control_thread.stop()
        self.control_thread.join()


def config_of(argv: Sequence[str]) -> Config | None:
    """Return what these arguments say; None if some are of other forms."""
    if len(argv) < 2 or argv[0] != "-f":
        return None
    config = Config({"IPKernelApp": {"connection_file": argv[1]}})
    for option in argv[2:]:
        found = _OPTION.fullmatch(option)
        if found is None:
            return None
        section, name, value = found.groups()
        config[section][name] = DeferredConfigString(value)
    return config


class _PrivateIOPubThread(IOPubThread):
    """Hears what the kernel's own forks print at a socket beside the kernel's others, and not over TCP."""

    def _setup_pipe_in(self) -> None:
        endpoint = self.socket.getsockopt(zmq.LAST_ENDPOINT).decode()
        if not endpoint.startswith("ipc://"):
            super()._setup_pipe_in()  # type: ignore[no-untyped-call]
            return
        self._pipe_uuid = b"ppacer"  # nobody else can reach that socket
        self._pipe_endpoint = f"{endpoint}-forks"
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(self._pipe_endpoint)
        self._pipe_in = ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> tuple[zmq.Context[zmq.Socket[bytes]], zmq.Socket[bytes]]:
        if not hasattr(self, "_pipe_endpoint"):
            return super()._setup_pipe_out()  # type: ignore[no-any-return, no-untyped-call]
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3_000
        pipe.connect(self._pipe_endpoint)
        return context, pipe


# The name that IPKernelApp.init_iopub looks up.
kernelapp.IOPubThread = _PrivateIOPubThread  # type: ignore[attr-defined]
