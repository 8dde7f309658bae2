"""Kernels that nobody has used: how long they take to be there, and how much memory."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import pairwise

import psutil
from jupyter_client.manager import AsyncKernelManager

from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.order import task_environment
from ppacer_nb.kernels.process import Kernel, KernelKind, start_kernel
from tests.benchmarks.usage import pss

STAGES = ("its folder and the like", "forked", "bound to its sockets", "answers", "shut down")


async def spans_of_kernels(count: int) -> list[list[float]]:
    """Return the seconds of each of `STAGES`, of kernels one after another."""
    server = ForkServer()
    await _spans(server)  # the first one waits for the server
    spans = [await _spans(server) for _ in range(count)]
    server.close()
    return [list(column) for column in zip(*spans, strict=True)]


async def _spans(server: ForkServer) -> list[float]:
    began = time.monotonic()
    kernel = await start_kernel(KernelKind("python3", os.getcwd(), task_environment()), server)
    ready = time.monotonic()
    assert kernel.launched is not None
    launched = kernel.launched
    await kernel.close()
    moments = (began, launched.asked_at, launched.launched.result(), launched.bound.result(), ready)
    return [later - earlier for earlier, later in pairwise((*moments, time.monotonic()))]


async def memory_of_cold(count: int, modules: Sequence[str]) -> int:
    """Return the bytes of kernels that were started anew, and have imported these modules."""
    managers = [AsyncKernelManager(kernel_name="python3") for _ in range(count)]
    for manager in managers:
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        await client.execute_interactive("\n".join(f"import {name}" for name in modules), timeout=60)
        client.stop_channels()
    family = {process.pid for process in psutil.Process().children(recursive=True)}
    used = pss(family)
    for manager in managers:
        await manager.shutdown_kernel(now=True)
    return used


async def memory_of_forked(count: int, preload: Sequence[str]) -> tuple[int, int, int]:
    """Return the bytes of forked kernels, of their keepers, and of their fork server."""
    server = ForkServer(preload)
    kind = KernelKind("python3", os.getcwd(), task_environment())
    kernels: list[Kernel] = [await start_kernel(kind, server) for _ in range(count)]
    assert server.pid is not None
    mine = {kernel.pid for kernel in kernels}
    keepers = {process.pid for process in psutil.Process(server.pid).children()}
    used = pss(mine), pss(keepers), pss([server.pid])
    for kernel in kernels:
        kernel.kill()
        await kernel.close()
    server.close()
    return used
