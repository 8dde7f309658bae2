"""How long an attempt takes from its submission to its end, beside papermill on the same notebook.

Run it with ``python -m tests.benchmarks.bench_kernels``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import papermill

from tests.kernels.lab import Lab, write_notebook

ROUNDS = 5


def main() -> None:
    """Print a table of medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_notebook(folder / "two_cells.ipynb", "# parameters\nx = 1", "print(x)")
        lab = Lab(folder, slots=1)
        lab.call(_nothing)  # starts the runner
        rows = {
            "function": _median(lambda: lab.call(_nothing)),
            "two-cell notebook": _median(lambda: lab.notebook(path, {"x": 2})),
            "papermill, the same notebook": _median(lambda: _with_papermill(path, folder)),
        }
        lab.close()
    print(f"{'median of ' + str(ROUNDS):32} seconds")
    for what, seconds in rows.items():
        print(f"{what:32} {seconds:7.3f}")


def _nothing() -> None: ...


def _with_papermill(path: Path, folder: Path) -> None:
    papermill.execute_notebook(str(path), str(folder / "out.ipynb"), {"x": 2}, progress_bar=False)


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


if __name__ == "__main__":
    main()
