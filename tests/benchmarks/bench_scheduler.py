"""What the scheduler costs: ``python -m tests.benchmarks.bench_scheduler``, about two minutes.

Thread executor and durable store throughout: every state of every task is on disk before the next one starts.
"""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import duckdb

import ppacer_nb
from ppacer_nb.model.dag import DagSpec, in_order
from ppacer_nb.model.events import TaskEvent
from ppacer_nb.model.task import FunctionWork, TaskOptions, TaskSpec
from ppacer_nb.scheduler.service import Scheduler
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.store.codec import event_row
from ppacer_nb.store.store import Store
from tests.benchmarks.schedulers import durable_scheduler
from tests.benchmarks.table import print_table

REPEATS = 5
POINTS = 200
CHAIN = 10  # tasks
IDLE = 30  # seconds
COMMITS = 300

_LOAD = """
import time
from ipykernel.zmqshell import ZMQInteractiveShell
shell = ZMQInteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "ppacer_nb")
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    work: str
    measured: str
    at_least: str
    others: str


class Ticks:
    """A schedule with a point every `interval`, `count` of them, beginning shortly after it is made."""

    def __init__(self, interval: timedelta, count: int) -> None:
        self.start = datetime.now(UTC) + timedelta(seconds=1)
        self.interval = interval
        self.last = self.start + interval * (count - 1)

    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        """Return the first point after `current`."""
        passed = (current - self.start) // self.interval + 1
        point = self.start + max(0, passed) * self.interval
        return point if point <= self.last else None


class Hourly(Ticks):
    """The schedule of DAGs that do nothing during the benchmark."""

    def __init__(self) -> None:
        super().__init__(timedelta(hours=1), 1000)
        self.start += timedelta(minutes=30)


def main() -> None:
    """Print the table."""
    rows = [
        *machine(),
        loading(),
        tasks_side_by_side(1000),
        chain(200),
        many_runs(200, 10),
        beside(10_000),
        latency(),
        latency(busy=True),
        *idle(),
    ]
    print_table(("work", "measured", "at least", "others on such a machine"), [astuple(row) for row in rows])


def machine() -> Iterator[Row]:
    """How fast this machine is just now, whatever ppacer_nb does: figures of two days differ by that."""
    yield Row("this machine: rounds of a pure-Python loop", f"{_loop_speed() / 1e6:.0f} million/s", "", "")
    at = datetime.now(UTC)
    steps = [TaskEvent("d/r", "t", 1, state, at) for state in (AttemptState.RUNNING, AttemptState.SUCCESS)]
    times = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ppacer.duckdb")
        Store(path).close()
        with duckdb.connect(str(path)) as connection:
            appender = connection.appender("events")
            for number in range(COMMITS):
                rows = [event_row(2 * number + place, step) for place, step in enumerate(steps, 1)]
                began = time.perf_counter()
                appender.append_rows(rows)
                appender.flush()
                times.append(time.perf_counter() - began)
            del appender
    took = statistics.median(times) * 1e3
    yield Row("this machine: DuckDB alone commits one step of a chain", f"{took:.2f} ms", "", "")


def loading() -> Row:
    """``%load_ext ppacer_nb`` in a fresh IPython, with bytecode that is compiled already."""
    compileall.compile_dir(Path(ppacer_nb.__file__).parent, quiet=1)
    return Row("%load_ext ppacer_nb", f"{_median(_load_time):.2f} s", "0.5 s", "")


def tasks_side_by_side(count: int) -> Row:
    """One run of independent tasks."""
    dag = _dag("wide", [_task(f"t{n}") for n in range(count)])
    seconds = _median(lambda: _time_of_runs(dag, 1))
    return Row(
        f"{count} no-op tasks side by side",
        f"{count / seconds:,.0f} tasks/s",
        "1,500 tasks/s",
        "ppacer 420-520, DBOS 336, Airflow 6 tasks/s",
    )


def chain(count: int) -> Row:
    """One run of tasks that each wait for the one before."""
    tasks = [_task("t0"), *(_task(f"t{n}", f"t{n - 1}") for n in range(1, count))]
    seconds = _median(lambda: _time_of_runs(_dag("chain", tasks), 1))
    return Row(
        f"chain of {count} no-op tasks",
        f"{seconds / count * 1e3:.2f} ms/task",
        "2.0 ms/task",
        "ppacer 3.7, DBOS 2.5, Airflow 218 ms/task",
    )


def many_runs(runs: int, tasks: int) -> Row:
    """Many runs of a small DAG, triggered one after the other and under way at once."""
    dag = _dag("many", [_task(f"t{n}") for n in range(tasks)])
    seconds = _median(lambda: _time_of_runs(dag, runs))
    return Row(
        f"{runs} runs of {tasks} tasks",
        f"{runs * tasks / seconds:,.0f} tasks/s",
        "2,500 tasks/s",
        "ppacer 535-710 tasks/s",
    )


def beside(count: int) -> Row:
    """A chain again and again, while a run of independent tasks keeps all workers busy; and then alone."""
    big = _dag("big", [_task(f"t{n}") for n in range(count)])
    small = _dag("small", [_task("t0"), *(_task(f"t{n}", f"t{n - 1}") for n in range(1, CHAIN))])
    with durable_scheduler() as scheduler:
        for dag in (big, small):
            scheduler.register(dag, scheduled=False)
        end = scheduler.trigger_run(big.id)[1]
        busy = []
        while not end.done():
            busy.append(_time_of_run(scheduler, small))
        alone = [_time_of_run(scheduler, small) for _ in busy]
    p50, p99 = (statistics.quantiles(busy[:-1], n=100)[place] / CHAIN * 1e3 for place in (49, 98))
    return Row(
        f"chain of no-op tasks beside {count:,} ready ones",
        f"p50 {p50:.1f} ms/task, p99 {p99:.1f} (alone {statistics.median(alone) / CHAIN * 1e3:.1f})",
        "20 ms/task",
        "",
    )


def latency(*, busy: bool = False) -> Row:
    """From schedule points to the first lines of task bodies.

    If not `busy`, on a machine with nothing else to do; else while a cell runs a pure-Python loop.
    """
    begun: list[datetime] = []
    done = Event()

    def body() -> None:
        begun.append(datetime.now(UTC))
        if len(begun) == POINTS:
            done.set()

    schedule = Ticks(timedelta(milliseconds=200 if busy else 50), POINTS)
    dag = _dag("ticks", [_task("t", function=body)], schedule=schedule)
    with durable_scheduler() as scheduler:
        scheduler.register(dag)
        total = 0
        while busy and not done.is_set():
            total += sum(number & 3 for number in range(10_000))
        done.wait()
    late = [(at - schedule.start - n * schedule.interval).total_seconds() * 1e3 for n, at in enumerate(begun)]
    p50, p99 = statistics.median(late), statistics.quantiles(late, n=100)[98]
    return Row(
        f"schedule point to task body, {POINTS} points" + (", beside a pure-Python loop" if busy else ""),
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        "p99 60 ms" if busy else "p50 3 ms, p99 10 ms",
        "" if busy else "ppacer 68, 136 ms",
    )


def idle() -> Iterator[Row]:
    """What a scheduler with ten hourly DAGs takes from the process it lives in."""
    without = _loop_speed()
    with durable_scheduler() as scheduler:
        for number in range(10):
            scheduler.register(_dag(f"hourly{number}", [_task("t")], schedule=Hourly()))
        scheduler.flush()
        with_one = _loop_speed()
        before = time.process_time()
        Event().wait(IDLE)
        used = time.process_time() - before
    yield Row(
        f"CPU while idle, 10 hourly DAGs, {IDLE} s",
        f"{used:.3f} s",
        "0.05 s",
        "ppacer 1.4, DBOS 0.40, Dagster 1.14 s",
    )
    yield Row(
        "a pure-Python loop beside the idle scheduler",
        f"{with_one / without:.1%} of its speed",
        "95%",
        "",
    )


def _load_time() -> float:
    ended = subprocess.run([sys.executable, "-c", _LOAD], stdout=subprocess.PIPE, text=True, check=True)
    return float(ended.stdout)


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(REPEATS))


def _time_of_runs(dag: DagSpec, runs: int) -> float:
    with durable_scheduler() as scheduler:
        scheduler.register(dag, scheduled=False)
        began = time.perf_counter()
        ends = [scheduler.trigger_run(dag.id)[1] for _ in range(runs)]
        states = {end.result() for end in ends}
        seconds = time.perf_counter() - began
    if states != {RunState.SUCCESS}:
        sys.exit(f"{dag.id}: not every run succeeded: {states}")
    return seconds


def _time_of_run(scheduler: Scheduler, dag: DagSpec) -> float:
    began = time.perf_counter()
    state = scheduler.trigger_run(dag.id)[1].result()
    if state is not RunState.SUCCESS:
        sys.exit(f"{dag.id}: not every run succeeded: {state}")
    return time.perf_counter() - began


def _loop_speed() -> float:
    """Return how many rounds of a pure-Python loop this thread does in a second: the best of some tries."""
    rounds = 2_000_000
    best = float("inf")
    for _ in range(7):
        began, total = time.perf_counter(), 0
        for number in range(rounds):
            total += number & 3
        best = min(best, time.perf_counter() - began)
    return rounds / best


def _task(id: str, *upstreams: str, function: Callable[[], object] = int) -> TaskSpec:
    work = FunctionWork(function, b"", "f", "")
    return TaskSpec(id, work, TaskOptions(), upstreams)


def _dag(id: str, tasks: list[TaskSpec], schedule: Ticks | None = None) -> DagSpec:
    return DagSpec(id, in_order(id, tasks), schedule=schedule, max_active_runs=1000)


if __name__ == "__main__":
    main()
