"""What notebooks and functions in kernels cost: ``python -m tests.benchmarks.bench_kernels``, three minutes.

Each row is measured beside others who execute notebooks, in turns, as the speed of a machine varies. All of
ours goes the scheduler's whole way: a durable store, a trigger, a kernel, the run's success on disk.
"""

from __future__ import annotations

import asyncio
import compileall
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import ppacer_nb
from ppacer_nb.model.task import NotebookWork, TaskOptions, TaskSpec, Work
from tests.benchmarks.idle_kernels import STAGES, memory_of_cold, memory_of_forked, spans_of_kernels
from tests.benchmarks.peers import PEERS, pair, time_of_many, with_papermill, with_ploomber_engine
from tests.benchmarks.stages import Times, medians
from tests.benchmarks.table import print_table
from tests.benchmarks.usage import cpu_of
from tests.benchmarks.whole_way import bench
from tests.kernels.lab import work_of, write_notebook

ROUNDS, OURS_PER_ROUND = 7, 5
MANY, MANY_OF_PAPERMILL, MANY_ROUNDS = 100, 20, 3
KERNELS = 8

TWO_CELLS = ("# parameters\nx = 1", "print(x)")
FIGURE = (
    "# parameters\nx = 1",
    "import pandas\nimport matplotlib.pyplot as plt",
    "plt.plot(pandas.Series(range(10)) * x)\nplt.show()",
)
HEAD = ("work", "measured", "at least", "aim", "others, in the same minutes")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    work: str
    measured: str
    at_least: str
    aim: str
    others: str


def main() -> None:
    """Print the tables."""
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
    compileall.compile_dir(Path(ppacer_nb.__file__).parent, quiet=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        two_cells = write_notebook(folder / "two_cells.ipynb", *TWO_CELLS)
        figure = write_notebook(folder / "figure.ipynb", *FIGURE)
        one, notebook_stages = one_notebook(two_cells)
        many = many_notebooks(two_cells)
        preloaded = preloaded_notebook(figure)
        function, function_stages = one_function()
    print_table(HEAD, [astuple(row) for row in (one, many, preloaded, function, *memory())])
    print()
    print_table(("where the time of a notebook goes", "median"), notebook_stages)
    print()
    print_table(("where the time of a function goes", "median"), function_stages)
    print()
    print_table(("a kernel, when none is ready", "median"), kernel_rows())


def one_notebook(path: Path) -> tuple[Row, list[tuple[str, str]]]:
    """A notebook from its trigger to its success, a spare kernel being ready."""
    times: list[Times] = []
    seconds: dict[str, list[float]] = {}
    with bench() as ours:
        ours.register("one", [_notebook("n", path)])
        for _ in range(ROUNDS):
            _time_peers(path, seconds)
            seconds.setdefault("ours", []).extend(ours.time("one", "n", times) for _ in range(OURS_PER_ROUND))
        cpu = cpu_of(lambda: [ours.time("one", "n", times) for _ in range(10)])
    ratio = _ratio(seconds, "papermill")
    row = Row(
        "two-cell notebook, trigger to success",
        f"{_ms(seconds['ours'])}, {ratio:.1f} x papermill{_cpu(cpu, 10)}",
        "120 ms, 8 x",
        "60 ms",
        _others(seconds),
    )
    return row, medians(times)


def many_notebooks(path: Path) -> Row:
    """Many at a time: two kernels here, two processes there."""
    rates: dict[str, list[float]] = {"ours": [], "papermill": [], "ploomber-engine (no kernel)": []}
    with bench() as ours, pair() as pool:
        ours.register("many", [_notebook(f"n{number}", path) for number in range(MANY)])
        for _ in range(MANY_ROUNDS):
            seconds = time_of_many(pool, with_papermill, path, MANY_OF_PAPERMILL)
            rates["papermill"].append(MANY_OF_PAPERMILL / seconds)
            seconds = time_of_many(pool, with_ploomber_engine, path, MANY)
            rates["ploomber-engine (no kernel)"].append(MANY / seconds)
            rates["ours"].append(MANY / ours.time("many"))
        cpu = cpu_of(lambda: ours.time("many"))
        their_cpu = cpu_of(lambda: time_of_many(pool, with_papermill, path, MANY_OF_PAPERMILL))
    our_rate, their_rate = statistics.median(rates["ours"]), statistics.median(rates["papermill"])
    others = [f"{name} {statistics.median(rate):.1f}/s" for name, rate in rates.items() if name != "ours"]
    return Row(
        f"{MANY} two-cell notebooks, 2 at a time",
        f"{our_rate:.1f}/s, {our_rate / their_rate:.1f} x papermill{_cpu(cpu, MANY)}",
        "8 x",
        "12 x",
        ", ".join(others) + _cpu(their_cpu, MANY_OF_PAPERMILL).replace("CPU", "papermill's CPU"),
    )


def preloaded_notebook(path: Path) -> Row:
    """A notebook that imports what the fork server has imported already."""
    seconds: dict[str, list[float]] = {}
    with bench(["pandas", "matplotlib.pyplot"]) as ours:
        ours.register("figure", [_notebook("n", path)])
        for _ in range(ROUNDS):
            _time_peers(path, seconds)
            seconds.setdefault("ours", []).extend(ours.time("figure") for _ in range(OURS_PER_ROUND))
        cpu = cpu_of(lambda: [ours.time("figure") for _ in range(10)])
    ratio = _ratio(seconds, "papermill")
    return Row(
        "pandas, matplotlib and a figure, preloaded",
        f"{_ms(seconds['ours'])}, {ratio:.1f} x papermill{_cpu(cpu, 10)}",
        "5 x",
        "8 x",
        _others(seconds),
    )


def one_function() -> tuple[Row, list[tuple[str, str]]]:
    """A function from its trigger to its success, in a kernel that has run functions before."""
    times: list[Times] = []
    with bench() as ours:
        ours.register("function", [TaskSpec("f", work_of(nothing, (), {}))])
        seconds = [ours.time("function", "f", times) for _ in range(50)]
        cpu = cpu_of(lambda: [ours.time("function", "f", times) for _ in range(20)])
    row = Row(
        "function in a warm kernel, trigger to success",
        f"{_ms(seconds)}{_cpu(cpu, 20)}",
        "20 ms",
        "10 ms",
        "",
    )
    return row, medians(times)


def nothing() -> None:
    """Do nothing: the function of a task."""


def memory() -> Iterator[Row]:
    """Kernels that wait for work; each process counts with its share of what several share."""
    for preload in ([], ["pandas", "matplotlib.pyplot"]):
        cold = asyncio.run(memory_of_cold(KERNELS, preload))
        kernels, keepers, server = asyncio.run(memory_of_forked(KERNELS, preload))
        total = kernels + keepers + server
        yield Row(
            f"memory of {KERNELS} forked kernels{', pandas and matplotlib preloaded' if preload else ''}",
            f"{_mb(total)}, {total / cold:.0%} of cold ones (kernels {_mb(kernels)}, keepers {_mb(keepers)}, "
            f"fork server {_mb(server)})",
            "33%",
            "20%",
            f"{KERNELS} cold kernels{' that import the same' if preload else ''}: {_mb(cold)}",
        )


def kernel_rows() -> list[tuple[str, str]]:
    """From the wish for a kernel to its first answer, and to its end."""
    spans = asyncio.run(spans_of_kernels(20))
    return [(name, _ms(column)) for name, column in zip(STAGES, spans, strict=True)]


def _time_peers(path: Path, seconds: dict[str, list[float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, peer in PEERS.items():
            began = time.perf_counter()
            peer(path, Path(folder) / "out.ipynb")
            seconds.setdefault(name, []).append(time.perf_counter() - began)


def _notebook(id: str, path: Path) -> TaskSpec:
    work: Work = NotebookWork(path, "", {"x": 2})
    return TaskSpec(id, work, TaskOptions())


def _ratio(seconds: dict[str, list[float]], peer: str) -> float:
    return statistics.median(seconds[peer]) / statistics.median(seconds["ours"])


def _others(seconds: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {_ms(taken)}" for name, taken in seconds.items() if name != "ours")


def _cpu(seconds: float | None, count: int) -> str:
    return "" if seconds is None else f", CPU {seconds / count * 1e3:.0f} ms"


def _ms(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f} ms"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
