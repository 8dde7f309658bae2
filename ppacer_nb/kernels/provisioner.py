"""Kernels from the fork server, for whatever starts kernels by jupyter_client."""

from __future__ import annotations

import os
import sys
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from ppacer_nb.kernels.forkserver import AVAILABLE, ForkServer
from ppacer_nb.kernels.launched import LaunchedProcess

_OURS = ("python", "python3", os.path.basename(sys.executable))
_LAUNCHER = "ipykernel_launcher"


class ForkProvisioner(LocalProvisioner):
    """Has the fork server launch a kernel: as its fork where that can be, as a program of its own otherwise.

    Registered as ``ppacer-fork``: a kernelspec asks for it by ``"metadata": {"kernel_provisioner":
    {"provisioner_name": "ppacer-fork"}}``.
    """

    server: ForkServer | None = None  #: set before the launch; one of this process's own unless given

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Have a kernel forked, or `cmd` run; on a machine that does not fork, do as jupyter_client does."""
        if not AVAILABLE:
            return await super().launch_kernel(cmd, **kwargs)
        server = self.server or shared_server()
        cwd = str(kwargs.get("cwd") or os.getcwd())
        env = dict(kwargs.get("env") or os.environ)
        env.pop("JPY_PARENT_PID", None)  # of whoever set it; this kernel ends with its keeper
        process = server.launch(cmd, env, cwd, ours=can_be_forked(self.kernel_spec))
        self.process = process  # type: ignore[assignment]  # it has the interface of one
        await server.launched(process)
        self.pid = self.pgid = process.pid
        self.cwd = cwd
        return self.connection_info

    @property
    def launched(self) -> LaunchedProcess | None:
        """The kernel's process, if it came from a fork server."""
        return self.process if isinstance(self.process, LaunchedProcess) else None


def can_be_forked(spec: KernelSpec) -> bool:
    """Return whether that is an IPython kernel of this very Python, on a machine that forks."""
    return (
        AVAILABLE
        and len(spec.argv) > 2
        and spec.argv[0] in (*_OURS, sys.executable)
        and spec.argv[1:3] == ["-m", _LAUNCHER]
        and spec.interrupt_mode == "signal"
    )


def shared_server() -> ForkServer:
    """Return the fork server of this process, for those who bring none: one for all its threads."""
    return _shared.setdefault(os.getpid(), ForkServer())  # atomic, and a fork of this process gets its own


_shared: dict[int, ForkServer] = {}
