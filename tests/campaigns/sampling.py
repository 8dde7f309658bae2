"""What a scheduler's process and all that it has started take."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.usage import pss


@dataclass(frozen=True)
class Sample:
    """One look. Sizes are in bytes."""

    at: float  #: seconds since the first one
    runs: int  #: that have ended
    own_memory: int  #: PSS of the scheduler's process
    memory: int  #: PSS of the whole tree
    duckdb: int  #: what DuckDB says that it has in memory, a part of the scheduler's own
    threads: int  #: of the scheduler's process
    files: int  #: file descriptors of the scheduler's process
    processes: int  #: of the tree
    store: int  #: the DuckDB file and its write-ahead log
    folder: int  #: what runs have left in their folders


def usage_of(pid: int) -> dict[str, int]:
    """Return what a process and its descendants take now."""
    root = psutil.Process(pid)
    memory, processes = 0, 0
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, IndexError):
            memory += pss([process.pid])  # an IndexError: it ends just now, and has no memory any more
            processes += 1
    own = pss([pid])
    return {
        "own_memory": own,
        "memory": own + memory,
        "threads": root.num_threads(),
        "files": root.num_fds(),
        "processes": processes + 1,
    }


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def now() -> float:
    """Return seconds, for differences."""
    return time.monotonic()
