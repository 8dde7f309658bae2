"""The end of a forked process: what an interpreter does at its end, without taking itself apart."""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import sys
import threading
from contextlib import suppress
from typing import Any

_HOLDING_BACK = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def end_process() -> None:
    """End this fork: wait for its threads, run exit handlers, write what files hold back, exit with code 0.

    An interpreter would clear each module then, all of them imported before the fork: that took a third of
    all CPU time of a short notebook, to copy memory that nobody looks at again. So a fork ends as those of
    multiprocessing do, though more of it is tidied up: IPython's exit handler clears the notebook's
    namespace, so that what only that held is deleted, and files that modules left open are written to disk.
    """
    # What the interpreter itself calls, in that order; neither has a public name.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # also what the namespace held in cycles; what was there before the fork is frozen
    _write_out()
    # C's exit handlers, such as those of HDF5, while no other thread may run Python.
    ctypes.PyDLL(None).exit(0)


def _write_out() -> None:
    """Flush files that nobody has closed: those that were opened since the fork, which are not frozen."""
    # By type(): isinstance may run code of proxies and the like.
    files: list[Any] = [thing for thing in gc.get_objects() if issubclass(type(thing), _HOLDING_BACK)]
    files.sort(key=lambda file: not issubclass(type(file), io.TextIOWrapper))  # text goes to a buffer first
    for file in (sys.stdout, sys.stderr, *files):
        with suppress(OSError, ValueError):  # nobody is left to be told; the second: it is closed
            file.flush()
