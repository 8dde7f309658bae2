"""What keeps a process from being forked: what a fork does not have, or must not share."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import psutil

#: Devices of graphics processors: a context on one of them does not survive a fork.
GRAPHICS = ("/dev/nvidia", "/dev/kfd", "/dev/dri")


def hindrance(devices: Sequence[str] = GRAPHICS) -> str:
    """Return why this process should not be forked, as what a module does; nothing if it may be.

    Threads that end themselves before a fork, as OpenBLAS has its threads do, are none.

    Parameters
    ----------
    devices
        How the paths of files begin that must not be open.
    """
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if threads:
        return f"it starts a thread ({', '.join(threads)}), which no fork has"
    _fork_once()
    if len(os.listdir("/proc/self/task")) > 1:
        return "it starts a thread, which no fork has"
    if children := psutil.Process().children():
        started = ", ".join(str(child.pid) for child in children)
        return f"it starts a process ({started}), which is no child of a fork"
    for entry in Path("/proc/self/fd").iterdir():
        try:
            device = os.readlink(entry)
        except FileNotFoundError:  # the descriptor of this very listing
            continue
        if device.startswith(tuple(devices)):
            return f"it opens {device}, and a graphics processor's context does not survive a fork"
    return ""


def _fork_once() -> None:
    with warnings.catch_warnings():
        # From Python 3.12 on, of a process with threads: whether it has any is what is to be found out.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
