"""How long notebooks with much output take, and what memory their runner, beside papermill.

Run it with ``python -m tests.benchmarks.bench_outputs``. papermill runs in a process of its own, and is ended
after `LIMIT` seconds. Output that it loses is counted: its kernels drop what exceeds their queue.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests.kernels import lab as laboratory
from tests.kernels.lab import Lab, runners, write_notebook

LIMIT = 120.0  # seconds
_DISPLAYS = """
from IPython.display import display
for number in range({count}): display({{'text/plain': str(number)}}, raw=True)
"""
_ALTERNATING = """
import sys
for number in range({count} // 2):
    print(number, flush=True)
    print(number, file=sys.stderr, flush=True)
"""
_UPDATES = """
from IPython.display import display
for number in range({count}): display({{'text/plain': str(number)}}, raw=True, display_id='one')
"""
_PAPERMILL = """
import papermill, sys, time
begin = time.perf_counter()
papermill.execute_notebook(sys.argv[1], sys.argv[2], progress_bar=False)
print(time.perf_counter() - begin)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
CASES: dict[str, list[str]] = {
    "250 cells": ["print('one')"] * 250,
    "500 cells": ["print('one')"] * 500,
    "200 MB of stdout in lines": ["for number in range(2_000_000): print('x' * 99)"],
    "200 MB of stdout at once": ["print('x' * 200_000_000)"],
    "10,000 displays": [_DISPLAYS.format(count=10_000)],
    "20,000 displays": [_DISPLAYS.format(count=20_000)],
    "10,000 displays of one id": [_UPDATES.format(count=10_000)],
    "20,000 displays of one id": [_UPDATES.format(count=20_000)],
    "50,000 alternating writes": [_ALTERNATING.format(count=50_000)],
    "100,000 alternating writes": [_ALTERNATING.format(count=100_000)],
}


@dataclass(frozen=True, slots=True)
class Result:
    seconds: float
    memory: int  #: at its peak, in bytes, of the process that drives the kernel
    outputs: int

    def __str__(self) -> str:
        return f"{self.seconds:8.2f} {self.memory / 1024**2:8.0f} {self.outputs:9,}"


def main() -> None:
    """Print a table."""
    laboratory.LIMIT = LIMIT
    print(f"{'':28} {'ppacer_nb':>8} {'':17} {'papermill'}")
    print(f"{'':28} {'seconds':>8} {'MiB':>8} {'outputs':>9} {'seconds':>9} {'MiB':>8} {'outputs':>9}")
    for name, cells in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = write_notebook(Path(folder) / "case.ipynb", *cells)
            print(f"{name:28} {_with_ppacer(path)}  {_with_papermill(path)}", flush=True)


def _with_ppacer(path: Path) -> Result:
    lab = Lab(path.parent, slots=1)
    lab.call(_nothing)  # starts the runner
    begin = time.perf_counter()
    trial = lab.notebook(path)
    seconds = time.perf_counter() - begin
    (runner,) = runners()
    status = Path(f"/proc/{runner.pid}/status").read_text().splitlines()
    memory = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
    lab.close()
    return Result(seconds, int(memory) * 1024, _outputs(trial.path))


def _with_papermill(path: Path) -> Result | str:
    target = path.with_name("papermill.ipynb")
    command = [sys.executable, "-W", "ignore", "-c", _PAPERMILL, str(path), str(target)]
    try:
        done = subprocess.run(command, timeout=LIMIT, capture_output=True, text=True, check=True)
    except subprocess.TimeoutExpired:
        return f"over {LIMIT:.0f}"
    except subprocess.CalledProcessError as failed:
        return f"ends with code {failed.returncode}"
    seconds, memory = done.stdout.split()[-2:]
    return Result(float(seconds), int(memory) * 1024, _outputs(target))


def _outputs(path: Path) -> int:
    return sum(len(cell.get("outputs", [])) for cell in nbformat.read(path, as_version=4).cells)


def _nothing() -> None: ...


if __name__ == "__main__":
    main()
