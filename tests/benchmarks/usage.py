"""What processes take: CPU by ``perf stat``, memory by what the kernel's ``smaps_rollup`` says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

import psutil


def pss(processes: Iterable[int]) -> int:
    """Return their bytes of memory, with their share of what they share."""
    return sum(_pss(pid) for pid in processes)


def cpu_of(work: Callable[[], object]) -> float | None:
    """Do `work`; return the CPU seconds that this process and its descendants, also dead ones, take for it.

    None where there is no ``perf``, or a process ended just when that looked at it.
    """
    if shutil.which("perf") is None:
        work()
        return None
    family = psutil.Process().children(recursive=True)
    pids = ",".join(map(str, [os.getpid(), *(process.pid for process in family)]))
    ours, theirs = Pipe()
    control = f"fd:{theirs.fileno()},{theirs.fileno()}"
    with tempfile.NamedTemporaryFile() as file:
        command = ["perf", "stat", "-x", ",", "-e", "task-clock", "-o", file.name, "-p", pids]
        perf = subprocess.Popen(
            [*command, "--delay", "-1", "--control", control],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        with suppress(EOFError, OSError):
            os.write(ours.fileno(), b"enable\n")
            os.read(ours.fileno(), 16)  # it counts from now on
        work()
        perf.send_signal(signal.SIGINT)
        perf.wait()
        ours.close()
        milliseconds = re.findall(r"^([\d.]+),msec", file.read().decode(), re.MULTILINE)
    return float(milliseconds[0]) / 1e3 if milliseconds else None


def _pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE)[0])
