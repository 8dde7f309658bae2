"""A fork of this process without what Python does in one, for a process that does next to nothing."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.PyDLL(None, use_errno=True)  # it holds on to the interpreter's lock, which the fork then has


def bare_fork() -> int:
    """Fork this process, which must have no other thread; return 0 in the fork, and its pid here.

    `os.fork` makes locks, the random generator and whatever modules registered anew, for which it touches,
    and so copies, 0.7 MB. A fork of the fork by `os.fork` does that.

    Raises
    ------
    OSError
        If there may be no further process.
    """
    pid: int = _LIBC.fork()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return pid
