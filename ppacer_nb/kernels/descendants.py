"""Leaving no process behind: whose death ends whom, and ending everything that a process has started.

Where there is no ``prctl`` (macOS, Windows) process groups and pipes still end what they can reach.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import psutil

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MEMORY = {True: ": the system ran out of memory", False: "", None: ", perhaps because memory ran out"}


def die_with_parent(signum: int, parent: int | None = None) -> None:
    """Have the kernel send this process `signum` the moment its parent (the thread that forked it) ends.

    End at once, if that was `parent` and has ended already.
    """
    _prctl(_PR_SET_PDEATHSIG, signum)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, daemons included, so that it is found."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill_group(pid: int) -> None:
    """Kill the process group that `pid` leads, if there is one."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nothing of it is left
        return


def kill_descendants(pid: int | None = None, *, but: int | None = None) -> None:
    """Kill everything that `pid` (this process unless given) has started, and what that has started.

    The process `but` is spared itself, though not what it has started.
    """
    if pid is None and not _has_children():
        return
    try:
        family = [process for process in psutil.Process(pid).children(recursive=True) if process.pid != but]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:  # ended by itself
            continue
    if pid is None and family:
        psutil.wait_procs(family, timeout=1)  # reaps them
        kill_descendants(but=but)  # what they started meanwhile has become ours


def ending(returncode: int, *, out_of_memory: bool | None = None) -> str:
    """Say how a process ended; `out_of_memory` is whether that is why SIGKILL came, None if nobody knows."""
    if returncode >= 0:
        return f"its process ended with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:  # a real-time signal has no name
        name = str(-returncode)
    return f"its process was killed by {name}" + (_MEMORY[out_of_memory] if name == "SIGKILL" else "")


def _has_children() -> bool:
    """Return whether this process has any: psutil looks at every process of the machine for that."""
    if not hasattr(os, "waitid"):
        return True  # perhaps
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _prctl(option: int, value: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(option, value, 0, 0, 0)
