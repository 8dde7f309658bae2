"""Whether a scheduler grows that works for a long time: ``python -m tests.campaigns.soak --minutes 30``.

A scheduler in a process of its own works steadily: every second a run that fans out and writes log lines,
every other second one with functions in kernels, and between two looks some runs that are triggered over the
API. What it takes is sampled, and after a warm-up it may not grow with the runs that it has behind it. The
file grows, as it keeps the history: the table says by how much for each run, and how long a start takes on an
empty store and on this one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ppacer_nb.server.address import published
from ppacer_nb.server.client import RemoteScheduler
from tests.benchmarks.table import print_table
from tests.campaigns.growing import Limit, growing, growth_rows
from tests.campaigns.lives import PATIENCE, Life
from tests.campaigns.load import SMALL
from tests.campaigns.sampling import Sample, now, size_of, usage_of
from tests.campaigns.scheduler_process import OPENING, STORE, UP

_MB = 1e6


#: DuckDB keeps what is new in memory until its next checkpoint.
LIMITS: tuple[Limit[Sample], ...] = (
    Limit("memory of the scheduler", lambda s: s.own_memory / _MB, "MB", 25, 2),
    Limit("of it by DuckDB", lambda s: s.duckdb / _MB, "MB", 25, 2),
    Limit("memory of the other processes", lambda s: (s.memory - s.own_memory) / _MB, "MB", 15, 4),
    Limit("threads", lambda s: s.threads, "", 3, 0.1),
    Limit("file descriptors", lambda s: s.files, "", 3, 0.1),
    Limit("processes", lambda s: s.processes, "", 1, 0.1),
)


@dataclass
class Soak:
    """A scheduler that works in `folder`, and what it took at each look."""

    folder: Path
    load: str
    samples: list[Sample] = field(default_factory=list)
    first_start: float = 0.0  #: seconds from the opening of the store until it is up, on a new one
    last_start: float = 0.0  #: likewise, on the store that the soak has filled
    events: int = 0
    lines: int = 0
    closed: int = 0  #: bytes of the store when it is closed

    def run(self, looks: Iterator[Callable[[RemoteScheduler], None]]) -> None:
        """Look each time that one of `looks` returns, and then start a second scheduler to time that."""
        life = Life(self.folder, self.load)
        life.wait_for(UP)
        self.first_start = life.times[UP] - life.times[OPENING]
        scheduler = self._api()
        began = now()
        for look in looks:
            look(scheduler)
            self.samples.append(self._sample(life.process.pid, scheduler, now() - began))
        ((self.events,),) = scheduler.history.sql("SELECT count(*) FROM events").rows
        ((self.lines,),) = scheduler.history.sql("SELECT count(*) FROM task_logs").rows
        self._end(life, scheduler)
        self.closed = (self.folder / STORE).stat().st_size
        life = Life(self.folder, self.load, "--only-finish")
        life.wait_for(UP)
        self.last_start = life.times[UP] - life.times[OPENING]
        self._end(life, self._api())

    def _api(self) -> RemoteScheduler:
        address = published(self.folder / STORE)
        assert address is not None
        return RemoteScheduler(address)

    def _end(self, life: Life, scheduler: RemoteScheduler) -> None:
        scheduler.stop(wait=timedelta(seconds=30))
        status = life.end()
        if status != 0:
            raise RuntimeError(f"the scheduler ended with {status}: {life.words}")

    def _sample(self, pid: int, scheduler: RemoteScheduler, at: float) -> Sample:
        counts = scheduler.history.counts()
        ((duckdb,),) = scheduler.history.sql(
            "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()"
        ).rows
        return Sample(
            at=at,
            runs=sum(count for state, count in counts.items() if state.is_terminal),
            duckdb=duckdb,
            store=sum(path.stat().st_size for path in self.folder.glob(f"{STORE}*")),
            folder=size_of(self.folder / "runs"),
            **usage_of(pid),
        )


def every_seconds(
    interval: float, samples: int, *, batch: int
) -> Iterator[Callable[[RemoteScheduler], None]]:
    """Look every `interval` seconds, with `batch` runs triggered at the beginning of each."""

    def look(scheduler: RemoteScheduler) -> None:
        due = threading.Event()
        timer = threading.Timer(interval, due.set)
        timer.start()
        trigger_and_wait(scheduler, batch)
        due.wait()

    yield from [look] * samples


def every_runs(batch: int, samples: int) -> Iterator[Callable[[RemoteScheduler], None]]:
    """Look whenever `batch` runs more have been triggered and have ended."""
    yield from [lambda scheduler: trigger_and_wait(scheduler, batch)] * samples


def trigger_and_wait(scheduler: RemoteScheduler, runs: int) -> None:
    """Trigger runs and return when they have ended."""
    changed = threading.Event()
    unsubscribe = scheduler.subscribe(lambda _: changed.set())
    for _ in range(runs):
        scheduler.trigger(SMALL, by="soak")
    while _unfinished(scheduler):
        if not changed.wait(PATIENCE):
            raise TimeoutError(f"runs of {SMALL!r} have not ended, and nothing happens any more")
        changed.clear()
    unsubscribe()


def _unfinished(scheduler: RemoteScheduler) -> int:
    sql = f"""SELECT count(*) FROM (SELECT arg_max(state, seq) AS state FROM events
              WHERE kind = 'run' AND dag_id = '{SMALL}' GROUP BY run_id)
              WHERE state IN ('queued', 'running')"""
    ((count,),) = scheduler.history.sql(sql).rows
    return int(count)


def print_samples(soak: Soak, most: int = 20) -> None:
    """Print some of the samples, the last one among them."""
    step = max(1, len(soak.samples) // most)
    print_table(
        ("seconds", "runs", "own MB", "DuckDB MB", "tree MB", "threads", "files", "processes", "store MB"),
        [
            (
                *(f"{s.at:.0f}", str(s.runs), f"{s.own_memory / _MB:.1f}", f"{s.duckdb / _MB:.1f}"),
                *(f"{s.memory / _MB:.1f}", str(s.threads), str(s.files), str(s.processes)),
                f"{s.store / _MB:.2f}",
            )
            for s in soak.samples[::-1][::step][::-1]
        ],
    )


def print_summary(soak: Soak) -> None:
    """Print what grew, and what the history takes."""
    last = soak.samples[-1]
    print_table(
        ("after the warm-up", "grew by", "may by"),
        growth_rows(LIMITS, soak.samples),
    )
    print_table(
        ("the history", ""),
        [
            ("runs, events, log lines", f"{last.runs:,}, {soak.events:,}, {soak.lines:,}"),
            ("file, closed", f"{soak.closed / _MB:.2f} MB"),
            ("for each run", f"{soak.closed / max(1, last.runs):,.0f} bytes"),
            ("for each event or log line", f"{soak.closed / max(1, soak.events + soak.lines):,.0f} bytes"),
            ("folders of runs", f"{last.folder / max(1, last.runs):,.0f} bytes for each run"),
            ("start on an empty store", f"{soak.first_start * 1e3:.0f} ms"),
            ("start on this store", f"{soak.last_start * 1e3:.0f} ms"),
        ],
    )


def main() -> None:
    """Soak a scheduler, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=10, help="runs triggered between two looks")
    given = parser.parse_args()
    samples = 90
    with tempfile.TemporaryDirectory(prefix="ppacer-soak-") as folder:
        soak = Soak(Path(folder), "steady")
        soak.run(every_seconds(given.minutes * 60 / samples, samples, batch=given.batch))
    print_samples(soak)
    print()
    print_summary(soak)
    found = growing(LIMITS, soak.samples)
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
