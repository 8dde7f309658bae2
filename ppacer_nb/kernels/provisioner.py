"""Kernels from the fork server, for whatever starts kernels by jupyter_client."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from ppacer_nb.kernels.forkserver import AVAILABLE, ForkedProcess, ForkServer

_OURS = ("python", "python3", os.path.basename(sys.executable))
_LAUNCHER = "ipykernel_launcher"


class ForkProvisioner(LocalProvisioner):
    """Forks a kernel where that can be done, and starts it like jupyter_client otherwise.

    Registered as ``ppacer-fork``: a kernelspec asks for it by ``"metadata": {"kernel_provisioner":
    {"provisioner_name": "ppacer-fork"}}``.
    """

    server: ForkServer | None = None  #: set before the launch; one of this process's own unless given

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel, or launch `cmd`."""
        if not can_be_forked(self.kernel_spec):
            return await super().launch_kernel(cmd, **kwargs)
        server = self.server or shared_server()
        cwd = str(kwargs.get("cwd") or os.getcwd())
        arguments = cmd[cmd.index(_LAUNCHER) + 1 :]
        process = server.launch(arguments, kwargs.get("env") or os.environ, cwd)
        self.process = process  # type: ignore[assignment]  # it has the interface of one
        await asyncio.wrap_future(process.launched)
        self.pid = self.pgid = process.pid
        self.cwd = cwd
        return self.connection_info

    @property
    def forked(self) -> ForkedProcess | None:
        """The kernel's process, if it has been forked."""
        return self.process if isinstance(self.process, ForkedProcess) else None


def can_be_forked(spec: KernelSpec) -> bool:
    """Return whether that is an IPython kernel of this very Python, on a machine that forks."""
    return (
        AVAILABLE
        and len(spec.argv) > 2
        and spec.argv[0] in (*_OURS, sys.executable)
        and spec.argv[1:3] == ["-m", _LAUNCHER]
        and spec.interrupt_mode == "signal"
    )


@functools.cache
def shared_server() -> ForkServer:
    """Return the fork server of this process, for those who bring none."""
    return ForkServer()
